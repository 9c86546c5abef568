"""Which member of a crowd of copies the others were made from: the one to which they are nearest.

What is done to a copy adds up: two copies of one picture differ from one another by what was done
to both, and from that picture by what was done to one. So of two members the third ones tell which
is the source, whatever was done: noise, sharpening, other light or colours, text, enlarging.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from bodyshop_core.engine.task import Item, Row, answer_each
from bodyshop_core.imaging import load_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.catalog import BlobRef

    Levels = NDArray[np.float32]
    Distances = Mapping[tuple[str, str], float]

VERSION = "consensus-2"
"""Of the distances, in the catalog's ``pair_checks``."""

SIDE = 256
"""Longest side, in pixels, at which members are compared, edge to edge."""

CANDIDATES, VOTERS = 12, 16
"""Members of a cluster that may be the source, and those that are asked; the best by everything
else."""

MIN_VOTES = 4
"""Third members that must lie on both; fewer are no crowd."""

MAJORITY = 2 / 3
"""Of those, the share that must be nearer to one. Of 8 photos with 16 copies each, an original has
it against each copy that lies on it, but those that are the same to the last bit, two of three that
were saved again at 95 or more (2 and 7 of 12), and one of gamma (7 of 12)."""

CLEARLY = 0.998
"""Of the other's distance, up to which a third member is nearer. A copy saved at 98 is as near as
its original; that is told by `curate.duplicates.descent`."""

SAME = 0.02
"""Distance up to which two members are one: they have one vote."""

_ALIKE = 0.9
_THUMB = 32
_ASPECT = 1.02
_CACHE = 256


def compare_distances(items: list[Item]) -> list[Row]:
    """Measure how far pairs of copies are from one another; a shard function.

    Parameters
    ----------
    items : list of dict
        ``key``, ``first`` and ``second`` (each a `BlobRef`).

    Returns
    -------
    list of dict
        ``key`` and ``added`` (the answer of `distance`), or ``error``.
    """

    def compared(item: Item) -> Row:
        return {"added": distance(_small(item["first"]), _small(item["second"]))}

    return answer_each(items, compared)


def distance(first: Levels, second: Levels) -> float | None:
    """Return how much of two pictures, laid edge to edge, does not follow from one another.

    A gain and an offset per channel are no difference: many copies may be brighter alike, and the
    one in their middle is no source.

    Parameters
    ----------
    first, second : ndarray of float32, shape (height, width, 3)
        From `small`.

    Returns
    -------
    float or None
        0 to 100: the mean of sqrt(1 - r * r) of the channels, with r their correlation; None when
        they don't lie on one another, in any of the eight ways.
    """
    placed = placed_on(second, first)
    if placed is None:
        return None
    sides = [first.reshape(-1, 3), fitted(placed, first.shape).reshape(-1, 3)]
    a, b = (side - side.mean(axis=0) for side in sides)
    power = (a * a).sum(axis=0) * (b * b).sum(axis=0)
    explained = (a * b).sum(axis=0) ** 2 / (power + 1e-6)
    return round(100 * float(np.sqrt(np.clip(1 - explained, 0, 1)).mean()), 4)


def small(rgb: NDArray[np.uint8]) -> Levels:
    """Return a picture, shape (height, width, 3), with its longest side `SIDE` pixels."""
    scale = SIDE / max(rgb.shape[:2])
    size = (max(8, round(rgb.shape[1] * scale)), max(8, round(rgb.shape[0] * scale)))
    method = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(rgb).resize(size, method), dtype=np.float32)


def placed_on(picture: Levels, other: Levels) -> Levels | None:
    """Return a picture turned or mirrored as another one lies; None where it does not lie on it."""
    wanted = _thumb(_grey(other))
    grey = _grey(picture)
    best, found = _ALIKE, None
    for step in (1, -1):
        for quarters in range(4):
            turned = np.rot90(grey[:, ::step], quarters)
            aspect = (turned.shape[1] / turned.shape[0]) / (other.shape[1] / other.shape[0])
            if not 1 / _ASPECT <= aspect <= _ASPECT:
                continue
            alike = float((_thumb(turned) * wanted).mean())
            if alike > best:
                best, found = alike, np.rot90(picture[:, ::step], quarters)
    return found


def fitted(picture: Levels, shape: tuple[int, ...]) -> Levels:
    """Return a picture in the size of another one."""
    import cv2

    whole = np.ascontiguousarray(picture)
    if whole.shape == shape:
        return whole
    sized = cv2.resize(whole, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(sized, dtype=np.float32)


def source_of_crowd(
    candidates: Sequence[str], voters: Sequence[str], distances: Distances
) -> tuple[str, set[str]] | None:
    """Return the member that the others were made from, and which may have been made from it.

    Parameters
    ----------
    candidates : sequence of str
        Members that may be it, the best by everything else first.
    voters : sequence of str
        Members that are asked, the candidates among them or not.
    distances : Mapping
        Pairs of members, the smaller first -> how far they are from one another; those that do not
        lie on one another are left out.

    Returns
    -------
    tuple of (str, set of str), or None
        Those that it wins against, and those about which too few can vote, since they are framed
        otherwise; None when nothing is decided.
    """
    wins: dict[str, set[str]] = {name: set() for name in candidates}
    unasked: dict[str, set[str]] = {name: set() for name in candidates}
    lost: dict[str, int] = dict.fromkeys(candidates, 0)
    asked = _distinct(voters, distances)
    for one, other in combinations(candidates, 2):
        first, second, common = _votes(one, other, asked, distances)
        if common < MIN_VOTES:
            unasked[one].add(other)
            unasked[other].add(one)
            continue
        for winner, loser, votes in ((one, other, first), (other, one, second)):
            if votes >= max(MIN_VOTES, MAJORITY * (first + second)):
                wins[winner].add(loser)
                lost[loser] += 1
    best = min(candidates, key=lambda name: (lost[name], -len(wins[name])), default=None)
    if best is None or not wins[best] or lost[best]:
        return None
    return best, wins[best] | unasked[best]


def _votes(
    one: str, other: str, voters: Sequence[str], distances: Distances
) -> tuple[int, int, int]:
    """Return how many third members are nearer to one and to the other, and lie on both."""
    first = second = common = 0
    for voter in voters:
        if voter in (one, other):
            continue
        near, far = _between(one, voter, distances), _between(other, voter, distances)
        if near is not None and far is not None:
            common += 1
            first += near < CLEARLY * far
            second += far < CLEARLY * near
    return first, second, common


def _distinct(voters: Sequence[str], distances: Distances) -> list[str]:
    """Leave out the members that are another one, to the last bit."""
    chosen: list[str] = []
    for voter in voters:
        known = (_between(voter, other, distances) for other in chosen)
        if not any(apart is not None and apart <= SAME for apart in known):
            chosen.append(voter)
    return chosen


def _between(one: str, other: str, distances: Distances) -> float | None:
    return distances.get((min(one, other), max(one, other)))


@lru_cache(maxsize=_CACHE)
def _small(blob: BlobRef) -> Levels:
    return small(load_rgb(blob.read()))


def _grey(picture: Levels) -> Levels:
    return np.asarray(picture.mean(axis=2), dtype=np.float32)


def _thumb(grey: Levels) -> Levels:
    """Return grey levels at 32 x 32 pixels with mean 0 and deviation 1."""
    import cv2

    whole = np.ascontiguousarray(grey)
    tiny = np.asarray(cv2.resize(whole, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA))
    return np.asarray((tiny - tiny.mean()) / max(float(tiny.std()), 1e-3), dtype=np.float32)
