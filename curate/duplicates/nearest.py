"""The nearest of many feature vectors, in memory that does not grow with their number.

Up to `EXACT` pictures every vector is compared with every other. Beyond, vectors are sorted into
cells around centres (an inverted file: Sivic and Zisserman, ICCV 2003), and each is compared with
those of the cells around its own only, so that the work grows with n to the power of 1.5. Vectors
lie in a temporary file, cell after cell, and are read in blocks.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.duplicates.best_neighbours import BestNeighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Positions = NDArray[np.int64]

EXACT = 200_000
"""Pictures up to which each is compared with each: 119 CPU-seconds for 100,000."""

CELLS = 16
"""A cell of usual size has the square root of n / `CELLS` pictures."""

PROBES = 64
"""Cells of usual size that a picture is compared with. With 16 a fifth of the copies among 25,000
pictures is missed; see docs/benchmarks/curate_scale.md."""

_BLOCK, _PART = 4096, 2048
"""Pictures that are compared at a time, and with how many: 32 MB of cosines."""

_SPOOLED = 1 << 26
_SAMPLES_PER_CELL = 16
_CROWDED = 3
"""A cell with this many times the usual number of pictures is divided again."""

_MAX_DIVISIONS = 3


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
        self._file, self.position, self._width = _stored(parts, place, scratch)
        n = len(self.position)
        self.exact = n <= exact
        self._bounds = np.append(np.arange(0, n, _BLOCK), n)
        self._centres: Vectors | None = None
        self._held: dict[int, Vectors] = {}
        self._held_bytes = 0
        self.reach = n
        if not self.exact:
            self._sort_into_cells(scratch, seed)

    def __enter__(self) -> VectorIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self.position)

    @property
    def largest_cell(self) -> int:
        """Pictures in the largest cell; all of a block where there are no cells."""
        return int(np.diff(self._bounds).max(initial=0))

    def digests(self, n: int) -> NDArray[np.uint64]:
        """Return 64 bits of a hash of each vector, by position, shape (n,); 0 where there is none.

        Those are the stored ones: of length 1, as float16.
        """
        digests = np.zeros(n, dtype=np.uint64)
        size = 2 * self._width
        self._file.seek(0)
        for position in self.position.tolist():
            digest = hashlib.blake2b(self._file.read(size), digest_size=8).digest()
            digests[position] = int.from_bytes(digest, "little")
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
        if self._centres is None:
            yield from self._compared_with_all(asked, count, among, apart)
            return
        for cell in range(len(self._bounds) - 1):
            start, end = self._bounds[cell], self._bounds[cell + 1]
            rows = start + np.flatnonzero(asked[self.position[start:end]])
            if not len(rows):
                continue
            queries = self._read(start, end)[rows - start]
            best = BestNeighbours(len(rows), count)
            for found, vectors in self._around(cell, among):
                cosine = queries @ vectors.T
                self._set_apart(cosine, rows, found, apart)
                best.add(0, cosine, self.position[found])
            yield self.position[rows], best.positions, best.cosine

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
        best = BestNeighbours(len(rows), count)
        for start in range(0, len(rows), _BLOCK):
            mine = rows[start : start + _BLOCK]
            queries = self._rows(mine)
            for at in range(start if mutual else 0, len(answers), _PART):
                others = answers[at : at + _PART]
                cosine = queries @ self._rows(others).T
                self._set_apart(cosine, mine, others, apart)
                best.add(start, cosine, self.position[others])
                if mutual and at + len(others) > start + len(mine):
                    later = max(0, start + len(mine) - at)
                    best.add(at + later, cosine[:, later:].T, self.position[mine])
            done = slice(start, start + len(mine))
            yield self.position[mine], best.positions[done], best.cosine[done]

    def _set_apart(
        self, cosine: Vectors, rows: Positions, found: Positions, apart: Sequence[Positions]
    ) -> None:
        for numbers in apart:
            cosine[_equal(numbers[self.position[rows]], numbers[self.position[found]])] = -1

    def _around(
        self, cell: int, among: NDArray[np.bool_] | None
    ) -> Iterator[tuple[Positions, Vectors]]:
        """Yield rows and vectors of the cells near one, the nearest first, up to the reach."""
        assert self._centres is not None
        likeness = self._centres @ self._centres[cell]
        order = [cell, *np.argsort(-likeness, kind="stable").tolist()]
        waiting: list[tuple[Positions, Vectors]] = []
        left, held = self.reach, 0
        for one in dict.fromkeys(order):
            rows = np.arange(self._bounds[one], self._bounds[one + 1])
            vectors = self._cell(one)
            if among is not None:
                wanted = among[self.position[rows]]
                rows, vectors = rows[wanted], vectors[wanted]
            waiting.append((rows, vectors))
            held += len(rows)
            left -= len(rows)
            if held >= _PART or left <= 0:
                yield _joined(waiting)
                waiting, held = [], 0
            if left <= 0:
                return
        if held:
            yield _joined(waiting)

    def _cell(self, cell: int) -> Vectors:
        """Return the vectors of a cell; those of the last cells are kept, as neighbours share them.

        Without that, three quarters of the time goes into reading and into float16.
        """
        known = self._held.pop(cell, None)
        if known is None:
            known = self._read(self._bounds[cell], self._bounds[cell + 1])
            self._held_bytes += known.nbytes
        self._held[cell] = known
        while self._held_bytes > _HELD and len(self._held) > 1:
            oldest = next(iter(self._held))
            self._held_bytes -= self._held.pop(oldest).nbytes
        return known

    def _rows(self, rows: Positions) -> Vectors:
        """Read rows; runs of increasing ones that lie together are read at once."""
        steps = np.diff(rows)
        cuts = np.flatnonzero((steps > _GAP) | (steps < 1)) + 1
        parts = []
        for run in np.split(rows, cuts):
            if len(run):
                part = self._read(run[0], run[-1] + 1)
                parts.append(part if len(part) == len(run) else part[run - run[0]])
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros((0, self._width), np.float32)

    def _read(self, start: int, end: int) -> Vectors:
        self._file.seek(int(start) * self._width * 2)
        data = self._file.read(int(end - start) * self._width * 2)
        return np.frombuffer(data, "<f2").reshape(-1, self._width).astype(np.float32)

    def _sort_into_cells(self, scratch: Path | None, seed: int) -> None:
        n = len(self.position)
        usual = max(1, round((n / CELLS) ** 0.5))
        self.reach = usual * PROBES
        everything = np.arange(n)
        centres, cell = self._divided(everything, -(-n // usual), seed)
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
        self._centres = found[way]
        self._bounds = np.concatenate([[0], np.cumsum(sizes[way])])
        rows = [order[starts[one] : starts[one] + sizes[one]] for one in way.tolist()]
        self._reorder(np.concatenate(rows), scratch)

    def _divided(self, rows: Positions, count: int, seed: int) -> tuple[Vectors, Positions]:
        """Return unit centres and, for each row, the number of its nearest."""
        from sklearn.cluster import MiniBatchKMeans

        chance = np.random.default_rng(seed)
        sample = chance.permutation(rows)[: _SAMPLES_PER_CELL * count]
        step = max(_PART, 2 * count)
        means = MiniBatchKMeans(count, init="random", n_init=1, random_state=seed)
        for at in range(0, max(1, len(sample) - count), step):
            part = sample[at : at + step]
            if len(part) >= count:
                means.partial_fit(self._rows(np.sort(part)))
        centres = np.asarray(means.cluster_centers_, dtype=np.float32)
        centres /= np.linalg.norm(centres, axis=1, keepdims=True) + 1e-12
        nearest = [
            (self._rows(rows[at : at + _PART]) @ centres.T).argmax(axis=1)
            for at in range(0, len(rows), _PART)
        ]
        return centres, np.concatenate(nearest)

    def _reorder(self, order: Positions, scratch: Path | None) -> None:
        """Write the vectors again, cell after cell."""
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        size = 2 * self._width
        ordered = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115
        ordered.truncate(len(order) * size)
        self._file.seek(0)
        for to in place.tolist():
            ordered.seek(to * size)
            ordered.write(self._file.read(size))
        self._file.close()
        self._file, self.position = ordered, self.position[order]


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
        likeness = np.where(left, centres @ centres[order[place - 1]], -2)
        order[place] = int(likeness.argmax())
        left[order[place]] = False
    return order


_HELD = 1 << 27
"""Bytes of cells that are kept as float32: more than are near one among 1,000,000 pictures."""

_GAP = 8
"""Rows between two wanted ones up to which they are read together."""


def _equal(first: Positions, second: Positions) -> tuple[Positions, Positions]:
    """Return the places (row, column) at which two arrays of numbers hold the same one."""
    order = np.argsort(first, kind="stable")
    ordered = first[order]
    low = np.searchsorted(ordered, second, side="left")
    counts = np.searchsorted(ordered, second, side="right") - low
    columns = np.repeat(np.arange(len(second)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.repeat(low, counts) + within], columns


def _stored(
    parts: Iterable[tuple[Sequence[str], NDArray[Any]]],
    place: Mapping[str, int],
    scratch: Path | None,
) -> tuple[Any, Positions, int]:
    """Write the wanted vectors, of length 1 and as float16; return file, positions and width."""
    place_of_file = None if scratch is None else str(scratch)
    file = tempfile.SpooledTemporaryFile(max_size=_SPOOLED, dir=place_of_file)  # noqa: SIM115
    seen: set[int] = set()
    positions: list[int] = []
    width = 0
    for names, vectors in parts:
        chosen = []
        for row, name in enumerate(names):
            position = place.get(name)
            if position is not None and position not in seen:
                seen.add(position)
                positions.append(position)
                chosen.append(row)
        if chosen:
            wanted = np.asarray(vectors)[chosen].astype(np.float32)
            wanted /= np.linalg.norm(wanted, axis=1, keepdims=True) + 1e-12
            width = wanted.shape[1]
            file.write(wanted.astype("<f2").tobytes())
    return file, np.array(positions, dtype=np.int64), width
