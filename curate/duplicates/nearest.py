"""The nearest of many feature vectors, in memory that does not grow with their number.

Up to `EXACT` pictures every vector is compared with every other, beyond with those of the cells
around its own (`curate.duplicates.cells`), so that the work grows with n to the power of 1.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.duplicates.best_neighbours import BestNeighbours, set_apart
from curate.duplicates.cells import Cells
from curate.duplicates.vector_file import stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Positions = NDArray[np.int64]

EXACT = 200_000
"""Pictures up to which each is compared with each: 119 CPU-seconds for 100,000."""

_BLOCK, _PART = 4096, 2048
"""Pictures that are compared at a time, and with how many: 32 MB of cosines."""


class VectorIndex:
    """Feature vectors of pictures, to be asked which are nearest to which; a context manager.

    Parameters
    ----------
    parts : iterable of (sequence of str, ndarray of float, shape (n, d))
        Names and vectors, in any order and of any length but 0; read once.
    place : Mapping
        Name -> position of the pictures that are wanted. Others are left out, and of a name that
        comes twice the second.
    scratch : Path, optional
        Folder for the temporary file; the system's by default. Up to 64 MB stay in memory.
    exact : int
        Pictures up to which each is compared with each.
    seed : int
        Of the cells.

    Attributes
    ----------
    position : ndarray of int64, shape (n,)
        Of the pictures with a vector, in the order of the file.
    reach : int
        Pictures that each is compared with, about.
    """

    def __init__(
        self,
        parts: Iterable[tuple[Sequence[str], NDArray[Any]]],
        place: Mapping[str, int],
        *,
        scratch: Path | None = None,
        exact: int = EXACT,
        seed: int = 7,
    ) -> None:
        self._file, self.position = stored(parts, place, scratch)
        self.reach = len(self.position)
        self.exact = len(self) <= exact
        self._cells: Cells | None = None
        if not self.exact:
            self._cells = Cells(self._file, scratch, seed)
            self.reach = self._cells.reach
            self.position = self.position[self._cells.order]

    def __enter__(self) -> VectorIndex:
        return self

    def __exit__(self, *_: object) -> None:
        if self._cells is not None:
            self._cells.close()
        self._file.close()

    def __len__(self) -> int:
        return len(self.position)

    @property
    def largest_cell(self) -> int:
        """Pictures in the largest cell; all of a block where there are no cells."""
        if self._cells is None:
            return min(len(self), _BLOCK)
        return int(np.diff(self._cells.bounds).max())

    def digests(self, n: int) -> NDArray[np.uint64]:
        """Return 64 bits of a hash of each vector, by position, shape (n,); 0 where there is none.

        Those are the stored ones: of length 1, as float16.
        """
        digests = np.zeros(n, dtype=np.uint64)
        digests[self.position] = np.fromiter(self._file.digests(), np.uint64, len(self))
        return digests

    def nearest(
        self,
        asked: NDArray[np.bool_],
        count: int,
        *,
        among: NDArray[np.bool_] | None = None,
        apart: Sequence[Positions] = (),
    ) -> Iterator[tuple[Positions, Positions, Vectors]]:
        """Yield the nearest neighbours of pictures, block by block.

        Parameters
        ----------
        asked : ndarray of bool
            By position: whose neighbours are wanted.
        count : int
            How many, at least 1.
        among : ndarray of bool, optional
            By position: what may be a neighbour; everything by default.
        apart : sequence of ndarray of int64
            By position: numbers; pictures of the same number are no neighbours. One of them must
            tell every picture from itself, else each is its own nearest.

        Yields
        ------
        tuple of (ndarray (b,), ndarray (b, count), ndarray (b, count))
            Positions asked about, positions of their neighbours, the nearest first (-1: there is
            none), and cosines of the two.
        """
        if self._cells is None:
            yield from self._compared_with_all(asked, count, among, apart)
            return
        of_row = [numbers[self.position] for numbers in apart]
        wanted = None if among is None else among[self.position]
        found = self._cells.nearest(asked[self.position], count, wanted, of_row)
        for rows, neighbours, cosine in found:
            positions = np.where(neighbours < 0, -1, self.position[neighbours])
            yield self.position[rows], positions, cosine

    def _compared_with_all(
        self,
        asked: NDArray[np.bool_],
        count: int,
        among: NDArray[np.bool_] | None,
        apart: Sequence[Positions],
    ) -> Iterator[tuple[Positions, Positions, Vectors]]:
        """Compare block with block; where both ask and answer, one product serves them both."""
        rows = np.flatnonzero(asked[self.position])
        answers = np.arange(len(self)) if among is None else np.flatnonzero(among[self.position])
        mutual = np.array_equal(rows, answers)
        of_row = [numbers[self.position] for numbers in apart]
        best = BestNeighbours(len(rows), count)
        for start in range(0, len(rows), _BLOCK):
            mine = rows[start : start + _BLOCK]
            queries = self._file.rows(mine)
            for at in range(start if mutual else 0, len(answers), _PART):
                others = answers[at : at + _PART]
                cosine = queries @ self._file.rows(others).T
                set_apart(cosine, mine, others, of_row)
                best.add(start, cosine, self.position[others])
                if mutual and at + len(others) > start + len(mine):
                    later = max(0, start + len(mine) - at)
                    best.add(at + later, cosine[:, later:].T, self.position[mine])
            done = slice(start, start + len(mine))
            yield self.position[mine], best.positions[done], best.cosine[done]
