"""Exact search for near 64-bit hashes by the pigeonhole principle.

Cut the hash into ``radius + k`` blocks: hashes that differ in at most `radius` bits agree exactly
in at least `k` of them. So for every choice of `k` blocks, sort by those bits and compare inside
runs of equal bits (Manku, Jain and Das Sarma, "Detecting near-duplicates for web crawling", 2007).
No pair is missed, nothing is approximate, memory is a few arrays of the input's length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_RADIUS = 8
"""Beyond 8 of 64 bits unrelated pictures match by chance: at 10, 5,000 pairs in a million."""

RUN_CAP = 4096
"""Comparisons per hash inside one run; longer runs are reported as heavy."""

GROUP_CAP = 64
"""Of pictures with the same hash, each is compared with this many at most."""

HIT_CAP = 256
"""Near hashes after each one inside one run that are enough where crowds are compared in part."""

CROWD_CAP = 4
"""Of two near hashes in a crowd, pictures of one that each picture of the other is then compared
with."""

_INDEX_BITS = 32
_PART = 1 << 15
_GRID = 1 << 20
# Seconds per element for sorting and per comparison; only their ratio matters, to choose the
# blocks.
_SORT_COST, _COMPARE_COST = 25e-9, 6e-9


@dataclass(frozen=True)
class Neighbours:
    """Pairs of positions whose hashes are near, and what was not fully compared.

    Parameters
    ----------
    first, second : ndarray of int64, shape (m,)
        Positions in the input, ``first < second``; sorted, without repetition.
    distance : ndarray of uint8, shape (m,)
        Differing bits.
    heavy : int
        Pictures in crowds that were compared with some of their crowd only.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distance: NDArray[np.uint8]
    heavy: int = 0


def near_pairs(
    hashes: NDArray[np.uint64],
    *,
    radius: int = 6,
    side: NDArray[np.bool_] | None = None,
    group_cap: int = GROUP_CAP,
    run_cap: int = RUN_CAP,
    hit_cap: int | None = None,
) -> Neighbours:
    """Find all pairs of hashes that differ in at most `radius` bits.

    Parameters
    ----------
    hashes : ndarray of uint64, shape (n,)
        Repetitions are allowed.
    radius : int
        0 to 8. Distances between `imagehash.phash` values are always even.
    side : ndarray of bool, shape (n,), optional
        Only pairs of different sides are wanted (new pictures against stored ones).
    group_cap : int
        When more pictures share one hash, each is paired with the first `group_cap` of them only.
    run_cap : int
        Comparisons per hash and run; see `Neighbours.heavy`.
    hit_cap : int, optional
        Near hashes of each that are enough in a run (`HIT_CAP`): of a thousand copies of one
        picture each would be paired with each. All by default.

    Returns
    -------
    Neighbours
        Exact unless ``heavy`` is above 0.

    Raises
    ------
    UsageError
        The radius is out of range.
    """
    if not 0 <= radius <= MAX_RADIUS:
        raise UsageError(
            f"a radius of {radius} bits can't be searched (allowed: 0 to {MAX_RADIUS})",
            hint="at 10 of 64 bits thousands of unrelated pairs match among a million pictures",
        )
    unique, place, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    members = np.argsort(place, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)])
    a, b, heavy_hashes = _unique_pairs(unique, radius, run_cap, hit_cap or run_cap)
    heavy = int(counts[heavy_hashes].sum()) + int(counts[counts > group_cap].sum())
    same = np.flatnonzero(counts > 1)
    crowd: NDArray[np.bool_] = np.zeros(len(a), dtype=bool)
    if hit_cap is not None:
        around = counts.copy()
        np.add.at(around, a, counts[b])
        np.add.at(around, b, counts[a])
        crowd = (around[a] > hit_cap) & (around[b] > hit_cap)
    both = np.concatenate([a[~crowd], same]), np.concatenate([b[~crowd], same])
    first, second = (
        np.concatenate(each)
        for each in zip(
            _expand(*both, starts, members, group_cap),
            _expand_crowd(a[crowd], b[crowd], starts, members),
            strict=True,
        )
    )
    if side is not None:
        across = side[first] != side[second]
        first, second = first[across], second[across]
    first, second = np.minimum(first, second), np.maximum(first, second)
    order = np.unique(first * len(hashes) + second)
    first, second = order // max(1, len(hashes)), order % max(1, len(hashes))
    distance = np.bitwise_count(hashes[first] ^ hashes[second]).astype(np.uint8)
    return Neighbours(first, second, distance, heavy)


def choose_blocks(n: int, radius: int) -> tuple[int, int]:
    """Return (blocks, blocks that must agree) with the least estimated work for `n` hashes."""
    options = [(radius + agree, agree) for agree in range(1, 5)]

    def cost(option: tuple[int, int]) -> float:
        blocks, agree = option
        comparisons = n * n / 2 / 2.0 ** (64 * agree / blocks)
        return comb(blocks, agree) * (n * _SORT_COST + comparisons * _COMPARE_COST)

    return min(options, key=cost)


def _unique_pairs(
    hashes: NDArray[np.uint64], radius: int, run_cap: int, hit_cap: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of positions in increasing `hashes`, and positions not fully compared."""
    n = len(hashes)
    none = np.zeros(0, dtype=np.int64)
    if radius == 0 or n < 2:
        return none, none, none
    blocks, agree = choose_blocks(n, radius)
    edges = np.linspace(0, 64, blocks + 1).round().astype(int)
    parts = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    found: list[NDArray[np.int64]] = [none]
    heavy: list[NDArray[np.int64]] = [none]
    for chosen in combinations(parts, agree):
        order, key = _sorted_by(hashes, chosen)
        ordered = hashes[order]
        for part in _whole_runs(key):
            a, b, crowd = _near_in_runs(ordered[part], key[part], radius, run_cap, hit_cap)
            a, b = order[part][a], order[part][b]
            found.append(np.minimum(a, b) * n + np.maximum(a, b))
            heavy.append(order[part][crowd])
        found, heavy = [np.unique(np.concatenate(found))], [np.unique(np.concatenate(heavy))]
    pairs = np.unique(np.concatenate(found))
    return pairs // n, pairs % n, np.unique(np.concatenate(heavy))


def _whole_runs(key: NDArray[np.uint64]) -> Iterator[slice]:
    """Cut sorted keys into parts that fit a processor's cache, never inside a run of equal ones."""
    start = 0
    while start < len(key):
        end = min(start + _PART, len(key))
        end = int(np.searchsorted(key, key[end - 1], side="right"))
        yield slice(start, end)
        start = end


def _near_in_runs(
    hashes: NDArray[np.uint64],
    key: NDArray[np.uint64],
    radius: int,
    run_cap: int,
    hit_cap: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Compare each hash with the ones after it in its run; also return who was cut short."""
    first, second = [], []
    at = np.flatnonzero(key[1:] == key[:-1])
    hits = np.zeros(len(key), dtype=np.int16)
    step = 1
    while len(at) and step <= run_cap:
        near = at[np.bitwise_count(hashes[at] ^ hashes[at + step]) <= radius]
        if len(near):
            first.append(near)
            second.append(near + step)
            hits[near] += 1
            if hits[near].max() >= hit_cap:
                at = at[hits[at] < hit_cap]
        step += 1
        at = at[: np.searchsorted(at, len(key) - step)]
        at = at[key[at] == key[at + step]]
    none = np.zeros(0, dtype=np.int64)
    crowd = np.concatenate([at, np.flatnonzero(hits >= hit_cap)])
    return np.concatenate([none, *first]), np.concatenate([none, *second]), crowd


def _sorted_by(
    hashes: NDArray[np.uint64], parts: tuple[tuple[int, int], ...]
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return the order of `hashes` by the bits of `parts`, and those bits in that order."""
    key = np.zeros(len(hashes), dtype=np.uint64)
    width = 0
    for low, high in parts:
        bits = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        key |= bits << np.uint64(width)
        width += high - low
    if width + _INDEX_BITS > 64 or len(hashes) >= 1 << _INDEX_BITS:
        order = np.argsort(key, kind="stable")
        return order, key[order]
    # Sorting values with the position in their low bits is several times faster than argsort.
    packed = (key << np.uint64(_INDEX_BITS)) | np.arange(len(hashes), dtype=np.uint64)
    packed.sort()
    order = (packed & np.uint64((1 << _INDEX_BITS) - 1)).astype(np.int64)
    return order, packed >> np.uint64(_INDEX_BITS)


def _expand(
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    starts: NDArray[np.int64],
    members: NDArray[np.int64],
    cap: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Turn pairs of hashes into pairs of pictures: each with the first `cap` of the other."""
    size = np.diff(starts)
    small = (size[a] <= cap) & (size[b] <= cap)
    first, second = [], []
    counts = size[a[small]] * size[b[small]]
    for part in np.split(
        np.flatnonzero(small), np.flatnonzero(np.diff(np.cumsum(counts) // _GRID)) + 1
    ):
        i, j = a[part], b[part]
        left, right = _grid(starts[i], size[i], starts[j], size[j])
        left, right = members[left], members[right]
        keep = np.repeat(i != j, size[i] * size[j]) | (left < right)
        first.append(left[keep])
        second.append(right[keep])
    for one, two in zip(a[~small].tolist(), b[~small].tolist(), strict=True):
        mine, other = (members[starts[k] : starts[k + 1]] for k in (one, two))
        for some, others in ((mine, other[:cap]), (mine[:cap], other)):
            grid = np.meshgrid(some, others, indexing="ij")
            chosen = grid[0] < grid[1] if one == two else slice(None)
            first.append(grid[0][chosen].ravel())
            second.append(grid[1][chosen].ravel())
    return np.concatenate(first), np.concatenate(second)


def _expand_crowd(
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    starts: NDArray[np.int64],
    members: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Turn pairs of hashes into pairs of pictures: each with the first `CROWD_CAP` of the other."""
    size = np.diff(starts)
    few = np.minimum(size, CROWD_CAP)
    one, other = _grid(starts[a], size[a], starts[b], few[b])
    back, forth = _grid(starts[a], few[a], starts[b], size[b])
    return members[np.concatenate([one, back])], members[np.concatenate([other, forth])]


def _grid(
    start: NDArray[np.int64],
    size: NDArray[np.int64],
    other_start: NDArray[np.int64],
    other_size: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each element of a run with each of another run, for many pairs of runs."""
    counts = size * other_size
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    width = np.repeat(other_size, counts)
    return (
        np.repeat(start, counts) + within // np.maximum(width, 1),
        np.repeat(other_start, counts) + within % np.maximum(width, 1),
    )
