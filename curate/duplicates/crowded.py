"""Comparing the pictures of a crowd with a few of it, where each would be compared with each.

A thousand copies of one picture are half a million pairs of near hashes. Which pictures belong
together shows after a few comparisons of each; that each is a copy of the one that is kept is then
told by comparing all with the best.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from curate.duplicates.search import GROUP_CAP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pair = tuple[int, int]

CROWD = GROUP_CAP
"""Pictures with a near hash from which a picture is in a crowd: no cluster of up to as many
members is compared in part."""

TURNS = (2, 6, 16)
"""Others of its crowd that a picture has been compared with after each turn: the ones with the most
near hashes. What is joined by then is not compared further."""


def in_crowd(first: NDArray[np.int64], second: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    """Mark the pictures that are in `CROWD` pairs or more.

    Parameters
    ----------
    first, second : ndarray of int64, shape (m,)
        Pairs of positions, each pair once.
    n : int
        Number of positions.
    """
    return _degrees(first, second, n) >= CROWD


def ranks(
    first: NDArray[np.int64], second: NDArray[np.int64], crowd: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return how early each pair comes among those of one of its two pictures.

    Parameters
    ----------
    first, second : ndarray of int64, shape (m,)
        Pairs of positions, each pair once.
    crowd : ndarray of bool, shape (n,)
        Which are in a crowd.

    Returns
    -------
    ndarray of int64, shape (m,)
        0 for the picture with the most pairs among the partners of one of both, and 0 where neither
        is in a crowd.
    """
    rank = np.zeros(len(first), dtype=np.int64)
    where = np.flatnonzero(crowd[first] | crowd[second])
    if not len(where):
        return rank
    a, b = first[where], second[where]
    order = np.empty(len(crowd), dtype=np.int64)
    order[np.argsort(-_degrees(a, b, len(crowd)), kind="stable")] = np.arange(len(crowd))
    own, other = np.concatenate([a, b]), np.concatenate([b, a])
    sorted_by = np.lexsort((order[other], own))
    starts = np.searchsorted(own[sorted_by], own[sorted_by])
    place = np.empty(len(own), dtype=np.int64)
    place[sorted_by] = np.arange(len(own)) - starts
    rank[where] = np.minimum(place[: len(where)], place[len(where) :])
    return rank


def few_of_each(
    first: NDArray[np.int64], second: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose the pairs that may be compared: all of the pictures that are in no crowd.

    Parameters
    ----------
    first, second : ndarray of int64, shape (m,)
        Pairs of positions; one may be there several times.
    n : int
        Number of positions.

    Returns
    -------
    tuple of (ndarray of int64, ndarray of int64)
        The places of the chosen pairs, the first of equal ones, and of those left out.
    """
    once = np.sort(np.unique(first * n + second, return_index=True)[1])
    a, b = first[once], second[once]
    late = ranks(a, b, in_crowd(a, b, n)) >= TURNS[-1]
    return once[~late], once[late]


def in_turns(asked: list[Pair], confirmed: Iterable[Pair], n: int) -> Iterator[list[Pair]]:
    """Yield the pairs to compare, turn after turn; all at once where there is no crowd.

    Parameters
    ----------
    asked : list of (int, int)
        Pairs of positions.
    confirmed : iterable of (int, int)
        Pairs that are joined. It is read anew for each turn: what was joined by the turn before
        belongs to it.
    n : int
        Number of positions.
    """
    pairs = _array(asked)
    everything = np.concatenate([pairs, _array(confirmed)])
    crowd = in_crowd(everything[:, 0], everything[:, 1], n)
    alone = ~crowd[pairs].any(axis=1)
    if alone.all():
        yield asked
        return
    rank = ranks(pairs[:, 0], pairs[:, 1], crowd)
    before = -1
    for most in TURNS:
        sets = components(confirmed, n)
        apart = sets[pairs[:, 0]] != sets[pairs[:, 1]]
        now = (rank > before) & (rank < most) & (apart | alone)
        before = most - 1
        if now.any():
            yield [(i, j) for i, j in pairs[now].tolist()]


def components(joined: Iterable[Pair], n: int) -> NDArray[np.int64]:
    """Return a number per set of joined positions, by position."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = _array(joined)
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _degrees(first: NDArray[np.int64], second: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return np.asarray(np.bincount(first, minlength=n) + np.bincount(second, minlength=n))


def _array(pairs: Iterable[Pair]) -> NDArray[np.int64]:
    return np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
