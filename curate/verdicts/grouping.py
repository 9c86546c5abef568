"""What groups pictures besides their content: spinners, pages they were found on, bursts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scipy.cluster.hierarchy import DisjointSet

if TYPE_CHECKING:
    from curate.policy import SplitPolicy


def group_keys(sightings: Iterable[Any], policy: SplitPolicy) -> dict[str, set[str]]:
    """Return the keys that pictures of one group share.

    Parameters
    ----------
    sightings : iterable of rows
        With sha256, page_url, spin_group, brand and model.
    policy : SplitPolicy
        `by_page` and `max_page`.

    Returns
    -------
    dict
        sha256 -> keys. A page groups its pictures when it is about one car: not more than
        `max_page` pictures, all of one model. Result pages and galleries of many cars do not.
    """
    keys: dict[str, set[str]] = defaultdict(set)
    pages: dict[str, set[str]] = defaultdict(set)
    models: dict[str, set[tuple[str | None, str | None]]] = defaultdict(set)
    for row in sightings:
        if row.spin_group:
            keys[row.sha256].add(f"spin:{row.spin_group}")
        elif row.page_url and policy.by_page:
            page = row.page_url.split("#")[0]
            pages[page].add(row.sha256)
            models[page].add((row.brand, row.model))
    for page, members in pages.items():
        if 1 < len(members) <= policy.max_page and len(models[page]) == 1:
            for sha256 in members:
                keys[sha256].add(f"page:{page}")
    return keys


BURST_SECONDS = 2
"""Seconds between two frames of a burst, at most: EXIF has whole ones."""

MAX_BURST = 30
"""Frames; more pictures of one time were given it by a program."""


def burst_keys(measured: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the burst of pictures that one camera took in quick succession.

    They are other pictures of the same scene: one group for the splits, but no duplicates.

    Parameters
    ----------
    measured : iterable of Mapping
        Rows of `measurements`: ``sha256``, ``exif_camera`` and ``exif_time``.

    Returns
    -------
    dict
        sha256 -> key of its group; only of pictures with another one near.
    """
    shots: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for row in measured:
        if row.get("exif_camera") and row.get("exif_time"):
            shots[row["exif_camera"]].append(
                (datetime.fromisoformat(row["exif_time"]), row["sha256"])
            )
    keys: dict[str, str] = {}
    for camera, taken in shots.items():
        burst: list[tuple[datetime, str]] = []
        for at, sha256 in sorted(taken):
            if burst and (at - burst[-1][0]).total_seconds() > BURST_SECONDS:
                keys |= _keys_of(camera, burst)
                burst = []
            burst.append((at, sha256))
        keys |= _keys_of(camera, burst)
    return keys


def _keys_of(camera: str, burst: list[tuple[datetime, str]]) -> dict[str, str]:
    key = f"burst:{camera}:{burst[0][0].isoformat()}"
    return {sha256: key for _, sha256 in burst} if 1 < len(burst) <= MAX_BURST else {}


def unite_spinners(sightings: Iterable[Any]) -> dict[str, str]:
    """Return the spinner of each spinner frame; spinners that share a picture count as one.

    Parameters
    ----------
    sightings : iterable of rows
        With sha256 and spin_group, in any order.

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
