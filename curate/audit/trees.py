"""Decision trees over binned numbers, grown level by level, many at a time.

A tree of a few hundred pictures takes longer to set up than to grow. Here all trees of a forest
grow together: one histogram holds what every open node sees of its candidates. Splits are those
with the smallest Gini impurity (Breiman et al., 1984), as random forests have them (Breiman 2001).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.int64]
    Reals = NDArray[np.float64]

CELLS = 4_000_000
"""Of the histogram of one level, in float64: trees grow together up to this many."""


def binned(block: Reals, bins: int) -> Codes:
    """Replace each column's numbers by their order, 0 to `bins` - 1.

    Parameters
    ----------
    block : ndarray of float64, shape (n, k)
        Without NaN.
    bins : int
        Values that are told apart; of more, those between two quantiles are one.
    """
    columns = []
    for column in block.T:
        values = np.unique(column)
        if len(values) > bins:
            values = np.unique(np.quantile(column, np.arange(1, bins) / bins, method="lower"))
            columns.append(np.searchsorted(values, column, side="right"))
        else:
            columns.append(np.searchsorted(values, column))
    return np.stack(columns, axis=1)


def class_shares(
    codes: Codes,
    y: Codes,
    weights: Reals,
    *,
    classes: int,
    depth: int,
    leaf: int,
    tried: int,
    seed: int,
) -> Reals:
    """Grow trees and return what their leaves say about every picture.

    Parameters
    ----------
    codes : ndarray of int64, shape (n, k)
        Of `binned`.
    y : ndarray of int64, shape (n,)
        Class.
    weights : ndarray of float64, shape (trees, n)
        Of each picture in each tree; pictures of weight 0 are not learnt from.
    classes : int
        Number of classes.
    depth : int
        Levels.
    leaf : int
        Pictures that a leaf must have learnt from.
    tried : int
        Columns that each node may choose from, by chance; all of them when it is k.
    seed : int
        Of that chance.

    Returns
    -------
    ndarray of float64, shape (trees, n, classes)
        Weighted share of each class in the leaf that a picture falls into.
    """
    bins = int(codes.max(initial=0)) + 1
    nodes = min(2**depth, max(1, codes.shape[0] // leaf))
    together = max(1, CELLS // max(1, nodes * tried * bins * classes))
    rng = np.random.default_rng(seed)
    parts = [
        _grown(codes, y, weights[at : at + together], classes, bins, depth, leaf, tried, rng)
        for at in range(0, len(weights), together)
    ]
    return np.concatenate(parts)


def _grown(
    codes: Codes,
    y: Codes,
    weights: Reals,
    classes: int,
    bins: int,
    depth: int,
    leaf: int,
    tried: int,
    rng: np.random.Generator,
) -> Reals:
    trees, n = weights.shape
    weight = weights.ravel()
    row, node = np.tile(np.arange(n), trees), np.repeat(np.arange(trees), n)
    unsplit = np.ones(trees, dtype=bool)  # by node: whether it may still be split
    for _ in range(depth):
        if bins == 1 or not unsplit.any():
            break
        inside = np.flatnonzero(unsplit[node])
        slot = (np.cumsum(unsplit) - 1)[node[inside]]
        slots = int(unsplit.sum())
        if tried < codes.shape[1]:
            chance = rng.random((slots, codes.shape[1]))
            columns = np.argpartition(chance, tried - 1, axis=1)[:, :tried]
        else:
            columns = np.broadcast_to(np.arange(tried), (slots, tried))
        learnt = np.flatnonzero(weight[inside] > 0)
        here, place = row[inside[learnt]], slot[learnt]
        key = place[:, None] * tried + np.arange(tried)
        key = (key * bins + codes[here[:, None], columns[place]]).ravel()
        shape, size = (slots, tried, bins), slots * tried * bins
        each, of = np.repeat(weight[inside[learnt]], tried), np.repeat(y[here], tried)
        mass: NDArray[Any] = np.bincount(of * size + key, each, minlength=classes * size)
        mass = mass.reshape(classes, *shape).cumsum(axis=-1)
        number = np.bincount(key, minlength=size).reshape(shape).cumsum(axis=-1)
        below, learnt_from = number[..., :-1], number[:, :1, -1:]
        whole = mass[:, :, 0, -1]
        gain = _purity(mass[..., :-1]) + _purity(mass[..., -1:] - mass[..., :-1])
        gain[(below < leaf) | (learnt_from - below < leaf)] = -1
        best = gain.reshape(slots, -1).argmax(axis=1)
        reached = gain.reshape(slots, -1)[np.arange(slots), best]
        split = reached > _purity(whole) * (1 + 1e-9)
        column = columns[np.arange(slots), best // (bins - 1)]
        above_cut = codes[row[inside], column[slot]] > (best % (bins - 1))[slot]
        moves = split[slot] & above_cut
        right = len(unsplit) + np.cumsum(split) - 1
        node[inside[moves]] = right[slot[moves]]
        hopeless = (learnt_from.ravel() < 2 * leaf) | (whole.max(axis=0) >= whole.sum(axis=0))
        if tried == codes.shape[1]:
            hopeless |= ~split  # there is nothing else to try
        unsplit[np.flatnonzero(unsplit)[hopeless]] = False
        unsplit = np.concatenate([unsplit, np.ones(int(split.sum()), dtype=bool)])
    told = np.bincount(node * classes + y[row], weight, minlength=len(unsplit) * classes)
    told = told.reshape(-1, classes)
    shares = told / np.maximum(told.sum(axis=1, keepdims=True), 1e-12)
    return np.asarray(shares[node].reshape(trees, n, classes))


def _purity(mass: Reals) -> Reals:
    """Return weight less weight times Gini impurity; the classes are on the first axis."""
    return np.asarray((mass * mass).sum(axis=0) / np.maximum(mass.sum(axis=0), 1e-12))
