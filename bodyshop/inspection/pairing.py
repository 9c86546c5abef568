"""Which pictures of two inspections show the same view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop.inspection.geometry import Placement

CANDIDATES = 4
"""Pictures of the other inspection, the likest by features, that a picture is laid over."""

ENOUGH_MATCHES = 100
"""More matches than these say nothing more."""

MIN_SCORE = 0.8
"""Similarity of features (-1 to 1) plus share of `ENOUGH_MATCHES` (0 to 1) of two pictures of one
view. See docs/benchmarks/inspect.md."""


@dataclass(frozen=True)
class ViewPair:
    """Two pictures of one view, by their places in the two lists.

    Parameters
    ----------
    before, after : int
        Places.
    similarity : float
        Of their features.
    placement : Placement or None
        How one lies on the other.
    """

    before: int
    after: int
    similarity: float
    placement: Placement | None


def pair_views(
    similarity: NDArray[np.floating],
    place: Callable[[int, int], Placement | None],
    *,
    min_score: float = MIN_SCORE,
) -> list[ViewPair]:
    """Pair the pictures of two inspections, each at most once.

    Features say which parts of a car a picture may show, whatever the light; they hardly tell left
    from right. Local features that agree on one map decide. Of all ways to pair, the one with the
    largest sum of scores counts.

    Parameters
    ----------
    similarity : ndarray of float, shape (before, after)
        Of the features of each two pictures, -1 to 1.
    place : callable
        Lays one picture over another, by their places in the two lists.
    min_score : float
        Pairs with a lower score are no pairs.

    Returns
    -------
    list of ViewPair
        In the order of the pictures before.
    """
    from scipy.optimize import linear_sum_assignment

    scores = np.full(similarity.shape, -1.0)
    placements: dict[tuple[int, int], Placement | None] = {}
    for i, j in _candidates(similarity):
        placement = placements[i, j] = place(i, j)
        matches = placement.matches if placement is not None else 0
        scores[i, j] = similarity[i, j] + min(matches, ENOUGH_MATCHES) / ENOUGH_MATCHES
    worth = np.where(scores >= min_score, scores, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [
        ViewPair(i, j, float(similarity[i, j]), placements[i, j])
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
        if worth[i, j] > 0
    ]


def view_similarity(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean cosine of the windows at the same place of each two pictures.

    Parameters
    ----------
    before, after : ndarray of float32, shape (n, windows, features)
        Standardised features.

    Returns
    -------
    ndarray of float32, shape (before, after)
        -1 to 1.
    """
    first, second = (
        each / np.maximum(np.linalg.norm(each, axis=2, keepdims=True), 1e-9)
        for each in (before, after)
    )
    flat = first.reshape(len(first), -1) @ second.reshape(len(second), -1).T
    return np.asarray(flat / before.shape[1], np.float32)


def _candidates(similarity: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Return the pairs that are among the likest of one of their two pictures."""
    chosen = np.zeros(similarity.shape, bool)
    if similarity.size:
        across = np.argsort(-similarity, axis=1)[:, :CANDIDATES]
        np.put_along_axis(chosen, across, True, axis=1)
        down = np.argsort(-similarity, axis=0)[:CANDIDATES]
        np.put_along_axis(chosen, down, True, axis=0)
    return [(int(i), int(j)) for i, j in np.argwhere(chosen)]
