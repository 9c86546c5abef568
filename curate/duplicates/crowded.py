"""Comparing the pictures of a crowd with a few of it, where each would be compared with each.

A thousand copies of one picture are half a million pairs of near hashes. Which pictures belong
together shows after a few comparisons of each; that each is a copy of the one that is kept is then
told by comparing all with the best.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.duplicates.search import GROUP_CAP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pair = tuple[int, int]

CROWD = GROUP_CAP
"""Pictures with a near hash from which a picture is in a crowd: no cluster of up to as many
members is compared in part."""

TURNS = (2, 6, 16)
"""Others of its crowd that a picture has been compared with after each turn: those with the nearest
hashes, and of equally near ones any. What is joined by then is not compared further."""


def in_crowd(first: NDArray[np.int64], second: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    """Mark the pictures that are in `CROWD` pairs or more.

    Parameters
    ----------
    first, second : ndarray of int64, shape (m,)
        Pairs of positions, each pair once.
    n : int
        Number of positions.
    """
    return np.asarray(np.bincount(np.concatenate([first, second]), minlength=n) >= CROWD)


def ranks(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    distance: NDArray[np.integer[Any]],
    crowd: NDArray[np.bool_],
    seeds: NDArray[np.uint64],
) -> NDArray[np.int64]:
    """Return how early each pair comes among those of one of its two pictures.

    Parameters
    ----------
    first, second : ndarray of int64, shape (m,)
        Pairs of positions, each pair once.
    distance : ndarray of int, shape (m,)
        Differing bits: the nearest come first.
    crowd : ndarray of bool, shape (n,)
        Which are in a crowd.
    seeds : ndarray of uint64, shape (n,)
        Numbers of the pictures that decide which of equally near ones come first. It is another one
        for each picture: were it the same for all, a second picture that looks like most of a crowd
        would be compared with these only.

    Returns
    -------
    ndarray of int64, shape (m,)
        0 for the nearest of one of both, and where neither is in a crowd.
    """
    rank = np.zeros(len(first), dtype=np.int64)
    where = np.flatnonzero(crowd[first] | crowd[second])
    if not len(where):
        return rank
    a, b = first[where], second[where]
    mixed = (seeds[a] ^ seeds[b]) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    own = np.concatenate([a, b])
    order = np.lexsort((np.tile(mixed, 2), np.tile(distance[where], 2), own))
    place = np.empty(len(own), dtype=np.int64)
    place[order] = np.arange(len(own)) - np.searchsorted(own[order], own[order])
    rank[where] = np.minimum(place[: len(where)], place[len(where) :])
    return rank


def few_of_each(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    distance: NDArray[np.integer[Any]],
    seeds: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose the pairs that may be compared: all of the pictures that are in no crowd.

    Parameters
    ----------
    first, second, distance, seeds
        As for `ranks`; a pair may be there several times.

    Returns
    -------
    tuple of (ndarray of int64, ndarray of int64)
        The places of the chosen pairs, the first of equal ones, and of those left out.
    """
    n = len(seeds)
    once = np.sort(np.unique(first * n + second, return_index=True)[1])
    a, b = first[once], second[once]
    late = ranks(a, b, distance[once], in_crowd(a, b, n), seeds) >= TURNS[-1]
    return once[~late], once[late]


def in_turns(
    asked: Mapping[Pair, int], confirmed: Iterable[Pair], seeds: NDArray[np.uint64]
) -> Iterator[list[Pair]]:
    """Yield the pairs to compare, turn after turn; all at once where there is no crowd.

    Parameters
    ----------
    asked : Mapping
        Pair of positions -> differing bits.
    confirmed : iterable of (int, int)
        Pairs that are joined. It is read anew for each turn: what was joined by the turn before
        belongs to it.
    seeds : ndarray of uint64, shape (n,)
        As for `ranks`.
    """
    n = len(seeds)
    pairs = _array(asked)
    everything = np.concatenate([pairs, _array(confirmed)])
    crowd = in_crowd(everything[:, 0], everything[:, 1], n)
    alone = ~crowd[pairs].any(axis=1)
    if alone.all():
        yield list(asked)
        return
    distance = np.fromiter(asked.values(), dtype=np.int64, count=len(asked))
    rank = ranks(pairs[:, 0], pairs[:, 1], distance, crowd, seeds)
    before = -1
    for most in TURNS:
        sets = components(confirmed, n)
        apart = sets[pairs[:, 0]] != sets[pairs[:, 1]]
        now = (rank > before) & (rank < most) & (apart | alone)
        before = most - 1
        if now.any():
            yield [(i, j) for i, j in pairs[now].tolist()]


def components(joined: Iterable[Pair], n: int) -> NDArray[np.int64]:
    """Return a number per set of joined positions, by position.

    Parameters
    ----------
    joined : iterable of (int, int)
        Pairs of positions.
    n : int
        Number of positions.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = _array(joined)
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _array(pairs: Iterable[Pair]) -> NDArray[np.int64]:
    return np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
