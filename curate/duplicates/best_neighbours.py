"""The best neighbours of a number of pictures, while cosines come in block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Positions = NDArray[np.int64]

_FEW = 256
_MANY = 64
"""Values per row from which only the best are looked at."""

_SPAN = 16.0
"""More than two estimates of cosines differ by."""


class BestNeighbours:
    """The best neighbours so far of a number of pictures, the nearest first."""

    def __init__(self, rows: int, count: int) -> None:
        self.positions: Positions = np.full((rows, count), -1, dtype=np.int64)
        self.cosine: Vectors = np.full((rows, count), -1, dtype=np.float32)

    def add(self, at: int, cosine: Vectors, positions: Positions) -> None:
        """Take in cosines, shape (b, m), of the b pictures from `at` on and of m others."""
        count = self.cosine.shape[1]
        row, column = _better(cosine, self.cosine[at : at + len(cosine), -1], count)
        if not len(row):
            return
        touched = np.unique(row)
        mine = at + touched
        rows = np.concatenate([np.repeat(touched, count), row])
        values = np.concatenate([self.cosine[mine].ravel(), cosine[row, column]])
        found = np.concatenate([self.positions[mine].ravel(), positions[column]])
        order = np.lexsort((found, -values, rows))
        rows, values, found = rows[order], values[order], found[order]
        kept = np.arange(len(rows)) - np.searchsorted(rows, rows) < count
        self.cosine[mine] = values[kept].reshape(-1, count)
        self.positions[mine] = found[kept].reshape(-1, count)


class LikelyNeighbours:
    """The best by estimates that come for other rows each time; they are sorted when many wait."""

    def __init__(self, rows: int, count: int) -> None:
        self._count = count
        self._least: Vectors = np.full(rows, -1, dtype=np.float32)
        self._parts: list[tuple[Positions, Positions, Vectors]] = []
        self._waiting = 0

    def add(self, rows: Positions, estimates: Vectors, positions: Positions) -> None:
        """Take in estimates, shape (b, m), of b rows and of the m pictures at `positions`."""
        row, column = _better(estimates, self._least[rows], self._count)
        if len(row):
            self._parts.append((rows[row], positions[column], estimates[row, column]))
            self._waiting += len(row)
        if self._waiting > _MANY * len(self._least):
            self._sort()

    def best(self) -> Positions:
        """Return the positions, shape (rows, count), -1 where there are no more."""
        found: Positions = np.full((len(self._least), self._count), -1, dtype=np.int64)
        if self._parts:
            rows, positions, place = self._sort()
            found[rows, place] = positions
        return found

    def _sort(self) -> tuple[Positions, Positions, Positions]:
        """Keep the best of each row; return rows, positions and places, from 0."""
        parts = zip(*self._parts, strict=True)
        rows, positions, values = (np.concatenate(each) for each in parts)
        order = np.argsort(_SPAN * rows - values, kind="stable")
        rows = rows[order]
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        kept = place < self._count
        rows, positions, values = rows[kept], positions[order[kept]], values[order[kept]]
        last = place[kept] == self._count - 1
        self._least[rows[last]] = values[last]
        self._parts, self._waiting = [(rows, positions, values)], 0
        return rows, positions, place[kept]


def set_apart(
    cosine: Vectors, rows: Positions, found: Positions, apart: Sequence[Positions]
) -> None:
    """Give -1 to the cosines of rows and columns that have the same number in one of `apart`."""
    for numbers in apart:
        cosine[_equal(numbers[rows], numbers[found])] = -1


def _equal(first: Positions, second: Positions) -> tuple[Positions, Positions]:
    """Return the places (row, column) at which two arrays of numbers hold the same one."""
    order = np.argsort(first, kind="stable")
    ordered = first[order]
    low = np.searchsorted(ordered, second, side="left")
    counts = np.searchsorted(ordered, second, side="right") - low
    columns = np.repeat(np.arange(len(second)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.repeat(low, counts) + within], columns


def _better(cosine: Vectors, least: Vectors, count: int) -> tuple[Positions, Positions]:
    """Return places (row, column) of values above `least` of the row; `count` per row if many."""
    above = cosine > least[:, None]
    if np.count_nonzero(above) <= _MANY * len(cosine):
        if above.flags.c_contiguous:
            row, column = np.nonzero(above)
        else:
            column, row = np.nonzero(above.T)
        return np.asarray(row, dtype=np.int64), np.asarray(column, dtype=np.int64)
    last = max(0, cosine.shape[1] - count)
    columns = np.concatenate(
        [
            np.argpartition(cosine[start : start + _FEW], last, axis=1)[:, last:]
            for start in range(0, len(cosine), _FEW)
        ]
    )
    row = np.repeat(np.arange(len(cosine)), columns.shape[1])
    keep = above[row, columns.ravel()]
    return row[keep], columns.ravel()[keep]
