"""The nearest of very many feature vectors: candidates from cells around, then whole vectors.

Vectors are sorted into cells around centres (an inverted file: Sivic and Zisserman, ICCV 2003).
Each is compared with those of the cells around its own only, first by short vectors, then the best
of them by whole ones (as in Jegou et al., Searching in one billion vectors: re-rank with source
coding, ICASSP 2011).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from curate.duplicates.best_neighbours import LikelyNeighbours, set_apart
from curate.duplicates.short_vectors import ShortVectors
from curate.duplicates.vector_file import HeldParts, VectorFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Positions = NDArray[np.int64]

CELLS = 16
"""A cell of usual size has the square root of n / `CELLS` pictures."""

PROBES = 128
"""Cells of usual size that a picture is compared with; see docs/benchmarks/curate_scale.md."""

NUMBERS = 256
"""Components of a short vector: with half of them 8 % fewer copies are found."""

CANDIDATES = 48
"""Neighbours by short vectors whose whole vectors are compared, or twice as many as wanted."""

_PART = 4096
"""Pictures whose short vectors are read at a time."""

_GROUP = 8192
"""Pictures of neighbouring cells that are asked about at a time."""

_FIRST = 16
"""Cells around its own that a picture is compared with in any case, before the others."""

_WIDER = 4
"""So many times the reach around a cell are the cells that one of its pictures may be near to."""

_HELD, _HELD_SHORT = 1 << 27, 1 << 25
"""Bytes of cells that are kept as float32: more than are near one among 1,000,000 pictures."""

_SAMPLE = 4096
"""Vectors from which the components are learned."""

_SAMPLES_PER_CELL = 16
_CROWDED = 3
"""A cell with this many times the usual number of pictures is divided again."""

_MAX_DIVISIONS = 3
_GATHERED = 32
"""Pictures whose candidates are gathered at a time: 8 MB."""


class Cells:
    """Vectors in cells; takes over the file, whose order it changes.

    Parameters
    ----------
    file : VectorFile
        Vectors of length 1.
    scratch : Path, optional
        Folder for a second file, of the short vectors.
    seed : int
        Of the cells.

    Attributes
    ----------
    order : ndarray of int64, shape (n,)
        Former row of each row of the file.
    bounds : ndarray of int64
        Row at which each cell begins, and the end.
    reach : int
        Pictures that each is compared with, about.
    """

    def __init__(self, file: VectorFile, scratch: Path | None, seed: int) -> None:
        self._file, self._scratch = file, scratch
        chance = np.random.default_rng(seed)
        sample = np.sort(chance.permutation(len(file))[:_SAMPLE])
        self._short = ShortVectors(file.rows(sample), NUMBERS)
        self._short_file = VectorFile(scratch)
        for at in range(0, len(file), _PART):
            self._short_file.append(self._short.of(file.read(at, min(at + _PART, len(file)))))
        usual = max(1, round((len(file) / CELLS) ** 0.5))
        self.reach = usual * PROBES
        self.order, self.bounds, self._centres = self._sorted(usual, seed)
        for each in (file, self._short_file):
            each.reorder(self.order)
        self._whole_cells = HeldParts(file, self.bounds, _HELD)
        self._short_cells = HeldParts(self._short_file, self.bounds, _HELD_SHORT)

    def close(self) -> None:
        """Remove the file of short vectors."""
        self._short_file.close()

    def nearest(
        self,
        asked: NDArray[np.bool_],
        count: int,
        among: NDArray[np.bool_] | None,
        apart: Sequence[Positions],
    ) -> Iterator[tuple[Positions, Positions, Vectors]]:
        """Yield the nearest neighbours of rows, cell by cell.

        Parameters
        ----------
        asked, among, apart
            As for `VectorIndex.nearest`, but by row.
        count : int
            As there.

        Yields
        ------
        tuple of (ndarray (b,), ndarray (b, count), ndarray (b, count))
            Rows asked about, rows of their neighbours, the nearest first (-1: there is none), and
            cosines of the two.
        """
        there = np.ones(len(self._file), dtype=bool) if among is None else among
        before = np.concatenate([[0], np.cumsum(there)])
        wanted = np.diff(before[self.bounds])
        for cells in self._groups(asked):
            rows = [self._rows(cell, asked) for cell in cells]
            likely = self._likely(cells, rows, max(CANDIDATES, 2 * count), wanted, there, apart)
            at = 0
            for cell, mine in zip(cells, rows, strict=True):
                queries = self._whole_cells[cell][mine - self.bounds[cell]]
                yield mine, *self._compared(queries, likely[at : at + len(mine)], count)
                at += len(mine)

    def _rows(self, cell: int, chosen: NDArray[np.bool_]) -> Positions:
        """Return the chosen rows of a cell."""
        start, end = self.bounds[cell], self.bounds[cell + 1]
        return np.asarray(start + np.flatnonzero(chosen[start:end]))

    def _groups(self, asked: NDArray[np.bool_]) -> Iterator[list[int]]:
        """Yield cells in order, some at a time; they share most of what they are compared with."""
        asked_before = np.concatenate([[0], np.cumsum(asked)])[self.bounds]
        numbers = np.diff(asked_before)
        cells = np.flatnonzero(numbers)
        group = asked_before[cells] // _GROUP
        for part in np.split(cells, np.flatnonzero(np.diff(group)) + 1):
            if len(part):
                yield part.tolist()

    def _likely(
        self,
        cells: list[int],
        rows: list[Positions],
        count: int,
        wanted: Positions,
        there: NDArray[np.bool_],
        apart: Sequence[Positions],
    ) -> Positions:
        """Return the best neighbours of the rows of some cells by short vectors."""
        every = np.concatenate(rows)
        looked_at = np.zeros((len(every), len(self.bounds) - 1), dtype=bool)
        asked = np.empty((len(every), self._short_file.width), np.float32)
        likely = LikelyNeighbours(len(every), count)

        def compare(mine: Positions, cells: list[int]) -> None:
            if not cells:
                return
            found = [self._rows(cell, there) for cell in cells]
            vectors = [
                self._short_cells[cell][which - self.bounds[cell]]
                for cell, which in zip(cells, found, strict=True)
            ]
            positions = np.concatenate(found)
            estimate = self._short.estimated(asked[mine], np.concatenate(vectors))
            set_apart(estimate, every[mine], positions, apart)
            likely.add(mine, estimate, positions)

        at = 0
        for cell, here in zip(cells, rows, strict=True):
            mine = np.arange(at, at + len(here))
            asked[mine] = self._short_cells[cell][here - self.bounds[cell]]
            near, is_near = self._around(cell, asked[mine], wanted)
            looked_at[at : at + len(here), near] = is_near
            # First what is nearest to all of the cell: little of the rest is better than that.
            compare(mine, near[:_FIRST].tolist())
            looked_at[at : at + len(here), near[:_FIRST]] = False
            at += len(here)
        numbers = np.count_nonzero(looked_at, axis=0)
        for cell in np.argsort(-numbers, kind="stable")[: np.count_nonzero(numbers)].tolist():
            compare(np.flatnonzero(looked_at[:, cell]), [cell])
        return likely.best()

    def _compared(
        self, queries: Vectors, likely: Positions, count: int
    ) -> tuple[Positions, Vectors]:
        """Return the best of the candidates by their whole vectors."""
        rows, places = np.unique(likely, return_inverse=True)
        places = places.reshape(likely.shape)
        vectors = self._whole(rows)
        cosine = np.empty(likely.shape, np.float32)
        for at in range(0, len(queries), _GATHERED):
            mine = slice(at, at + _GATHERED)
            candidates = vectors[places[mine]]
            cosine[mine] = np.matmul(candidates, queries[mine][:, :, None])[:, :, 0]
        cosine[likely < 0] = -1
        order = np.lexsort((likely, -cosine), axis=1)[:, :count]
        found = np.take_along_axis(likely, order, axis=1)
        return found, np.take_along_axis(cosine, order, axis=1)

    def _whole(self, rows: Positions) -> Vectors:
        """Return whole vectors of increasing rows; zeros for -1."""
        vectors = np.zeros((len(rows), self._file.width), np.float32)
        cell = np.searchsorted(self.bounds, rows, side="right") - 1
        for one in np.unique(cell[rows >= 0]).tolist():
            there = cell == one
            vectors[there] = self._whole_cells[one][rows[there] - self.bounds[one]]
        return vectors

    def _around(
        self, cell: int, queries: Vectors, wanted: Positions
    ) -> tuple[Positions, NDArray[np.bool_]]:
        """Return the cells around one, and which of them each of its pictures is compared with.

        Those are the cells around the picture, not around its cell: with as many comparisons a
        picture at the edge finds far more of what lies across.
        """
        likeness = _nearness(self._centres, self._centres[cell])
        likeness[cell] = np.inf
        likeness[wanted == 0] = -np.inf
        near = np.argsort(-likeness, kind="stable")[: np.count_nonzero(wanted)]
        numbers = np.cumsum(wanted[near])
        near = near[: 1 + int(np.searchsorted(numbers, _WIDER * self.reach))]
        most = -(-len(near) * self.reach // max(1, int(wanted[near].sum())))
        if most >= len(near):
            return near, np.ones((len(queries), len(near)), dtype=bool)
        centres = self._centres[near]
        distance = (centres**2).sum(axis=1) - 2 * (queries @ centres.T)
        limit = np.partition(distance, most - 1, axis=1)[:, most - 1 : most]
        return near, distance <= limit

    def _sorted(self, usual: int, seed: int) -> tuple[Positions, Positions, Vectors]:
        """Return rows in the order of their cells, where the cells begin, and their centres."""
        n = len(self._short_file)
        centres, cell = self._divided(np.arange(n), -(-n // usual), seed)
        for _ in range(_MAX_DIVISIONS):
            sizes = np.bincount(cell, minlength=len(centres))
            for crowded in np.flatnonzero(sizes > _CROWDED * usual).tolist():
                members = np.flatnonzero(cell == crowded)
                parts, part = self._divided(members, -(-len(members) // usual), seed)
                cell[members] = np.where(part, len(centres) + part - 1, crowded)
                centres[crowded] = parts[0]
                centres = np.concatenate([centres, parts[1:]])
        order = np.argsort(cell, kind="stable")
        bounds = np.searchsorted(cell[order], np.arange(len(centres) + 1))
        # What could not be divided, such as many equal vectors, is cut into pieces.
        pieces = [
            (at, which)
            for which in range(len(centres))
            for at in range(bounds[which], bounds[which + 1], _CROWDED * usual)
        ]
        found = centres[[which for _, which in pieces]]
        starts = np.array([at for at, _ in pieces])
        sizes = np.diff(np.append(starts, n))
        way = _along(found)
        rows = [order[starts[one] : starts[one] + sizes[one]] for one in way.tolist()]
        return np.concatenate(rows), np.concatenate([[0], np.cumsum(sizes[way])]), found[way]

    def _divided(self, rows: Positions, count: int, seed: int) -> tuple[Vectors, Positions]:
        """Return centres and, for each row, the number of its nearest."""
        from sklearn.cluster import MiniBatchKMeans

        chance = np.random.default_rng(seed)
        sample = chance.permutation(rows)[: _SAMPLES_PER_CELL * count]
        step = max(_PART, 2 * count)
        means = MiniBatchKMeans(count, init="random", n_init=1, random_state=seed)
        for at in range(0, max(1, len(sample) - count), step):
            part = sample[at : at + step]
            if len(part) >= count:
                means.partial_fit(self._short_file.rows(np.sort(part)))
        centres = np.asarray(means.cluster_centers_, dtype=np.float32)
        lengths = (centres**2).sum(axis=1) / 2
        nearest = [
            (self._short_file.rows(rows[at : at + _PART]) @ centres.T - lengths).argmax(axis=1)
            for at in range(0, len(rows), _PART)
        ]
        return centres, np.concatenate(nearest)


def _joined(parts: list[tuple[Positions, Vectors]]) -> tuple[Positions, Vectors]:
    return np.concatenate([rows for rows, _ in parts]), np.concatenate([each for _, each in parts])


def _along(centres: Vectors) -> Positions:
    """Return an order in which each centre is followed by the nearest one that is left.

    Cells that follow one another are then compared with mostly the same ones.
    """
    order = np.zeros(len(centres), dtype=np.int64)
    left = np.ones(len(centres), dtype=bool)
    left[0] = False
    for place in range(1, len(centres)):
        likeness = np.where(left, _nearness(centres, centres[order[place - 1]]), -np.inf)
        order[place] = int(likeness.argmax())
        left[order[place]] = False
    return order


def _nearness(centres: Vectors, one: Vectors) -> Vectors:
    return -((centres - one) ** 2).sum(axis=1)
