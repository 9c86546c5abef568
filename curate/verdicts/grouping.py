"""What groups pictures besides their content: spinners, pages they were found on, bursts."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.policy import SplitPolicy


class Pages:
    """The pages that pictures were found on, collected sighting by sighting.

    A page groups its pictures when it is about one car: not more than `max_page` pictures, all of
    one model. Result pages and galleries of many cars do not.

    Parameters
    ----------
    policy : SplitPolicy
        `by_page` and `max_page`.
    """

    def __init__(self, policy: SplitPolicy) -> None:
        self._policy = policy
        self._pages: dict[str, int] = {}
        self._models: dict[tuple[str | None, str | None], int] = {}
        self._page, self._place, self._model = array("q"), array("q"), array("q")

    def add(self, place: int, page_url: str | None, brand: str | None, model: str | None) -> None:
        """Add a sighting, which is no spinner's frame, of the picture at a position."""
        if page_url and self._policy.by_page:
            page = page_url.split("#")[0]
            self._page.append(self._pages.setdefault(page, len(self._pages)))
            self._place.append(place)
            self._model.append(self._models.setdefault((brand, model), len(self._models)))

    def add_keys(self, keys: list[tuple[str, ...]]) -> None:
        """Add ``page:<url>`` to the keys of each picture, by position, of a page about one car."""
        if not self._pages:
            return
        page, place, model = (np.array(each) for each in (self._page, self._place, self._model))
        members = _distinct(page, place)
        count = np.bincount(members[:, 0])
        one_model = np.bincount(_distinct(page, model)[:, 0]) == 1
        grouping = (count > 1) & (count <= self._policy.max_page) & one_model
        names = [f"page:{page}" for page in self._pages]
        for which, at in members[grouping[members[:, 0]]].tolist():
            keys[at] = tuple(sorted((*keys[at], names[which])))


def _distinct(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the distinct pairs of two columns of small numbers, shape (n, 2)."""
    width = int(second.max()) + 1
    pairs = np.unique(first * width + second)
    return np.stack([pairs // width, pairs % width], axis=1)


class Frame(NamedTuple):
    """A picture, seen as a frame of a spinner."""

    sha256: str
    spin_group: str | None


BURST_SECONDS = 2
"""Seconds between two frames of a burst, at most: EXIF has whole ones."""

MAX_BURST = 30
"""Frames; more pictures of one time were given it by a program."""


def burst_keys(shots: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Return the burst of pictures that one camera took in quick succession.

    They are other pictures of the same scene: one group for the splits, but no duplicates.

    Parameters
    ----------
    shots : iterable of tuple of str
        sha256, ``exif_camera`` and ``exif_time`` of `measurements`; pictures with one of both
        empty, or with a time that is on no calendar, are left out.

    Returns
    -------
    dict
        sha256 -> key of its group; only of pictures with another one near.
    """
    taken: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for sha256, camera, time in shots:
        if camera and (at := _moment(time)):
            taken[camera].append((at, sha256))
    keys: dict[str, str] = {}
    for camera, pictures in taken.items():
        burst: list[tuple[datetime, str]] = []
        for at, sha256 in sorted(pictures):
            if burst and (at - burst[-1][0]).total_seconds() > BURST_SECONDS:
                keys |= _keys_of(camera, burst)
                burst = []
            burst.append((at, sha256))
        keys |= _keys_of(camera, burst)
    return keys


def _moment(text: str) -> datetime | None:
    """Return a time; None for one that is on no calendar, as cameras without a clock write it."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def _keys_of(camera: str, burst: list[tuple[datetime, str]]) -> dict[str, str]:
    key = f"burst:{camera}:{burst[0][0].isoformat()}"
    return {sha256: key for _, sha256 in burst} if 1 < len(burst) <= MAX_BURST else {}


def unite_spinners(sightings: Iterable[Any]) -> dict[str, str]:
    """Return the spinner of each spinner frame; spinners that share a picture count as one.

    Parameters
    ----------
    sightings : iterable of rows
        With sha256 and spin_group, in any order, such as `Frame`.

    Returns
    -------
    dict
        sha256 -> name of its spinner: of several united ones, the first by alphabet.
    """
    spinners: dict[str, set[str]] = defaultdict(set)
    for row in sightings:
        if row.spin_group:
            spinners[row.sha256].add(row.spin_group)
    united = DisjointSet(sorted(set().union(*spinners.values())))
    for names in spinners.values():
        first, *others = names
        for other in others:
            united.merge(first, other)
    name_of = {name: min(subset) for subset in united.subsets() for name in subset}
    return {sha256: name_of[next(iter(names))] for sha256, names in spinners.items()}
