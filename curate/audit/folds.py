"""Folds of a cross-validation that keep groups whole and classes even."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]


def grouped_folds(y: Numbers, group: Numbers, count: int, seed: int) -> Numbers:
    """Return the fold of each picture, as scikit-learn's ``StratifiedGroupKFold`` would.

    That takes a second to import. Groups with the most uneven classes are placed first, each where
    the classes are then spread most evenly over the folds.

    Parameters
    ----------
    y, group : ndarray of int64, shape (n,)
        Class and group, each numbered from 0 without gaps.
    count : int
        Folds.
    seed : int
        Of the order of groups that are alike.
    """
    classes = np.bincount(y)
    held = np.zeros((int(group.max()) + 1, len(classes)))
    np.add.at(held, (group, y), 1)
    order: NDArray[Any] = np.arange(len(held))
    np.random.RandomState(seed).shuffle(order)
    order = order[np.argsort(-np.std(held[order], axis=1), kind="stable")]
    folds, filled = np.zeros(len(held), dtype=np.int64), np.zeros((count, len(classes)))
    for one in order.tolist():
        # share[i]: what the folds would hold of each class if the group came into fold i
        share = np.repeat(filled[None] / classes, count, axis=0)
        share[np.arange(count), np.arange(count)] = (filled + held[one]) / classes
        uneven = np.std(share, axis=1).mean(axis=1).tolist()
        sizes = filled.sum(axis=1).tolist()
        fold = 0
        for at in range(1, count):
            alike = abs(uneven[at] - uneven[fold]) <= 1e-8 + 1e-5 * abs(uneven[fold])
            if uneven[at] < uneven[fold] or (alike and sizes[at] < sizes[fold]):
                fold = at
        folds[one] = fold
        filled[fold] += held[one]
    return folds[group]
