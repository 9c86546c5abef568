"""What was nearest to each picture at the last search, so that only new ones are compared with all.

The answer for a picture depends on its own vector, on those of the pictures that may be its
neighbours, and on who is kept apart from whom. All that is known of a picture besides is one
number, its mark: where two pictures have the marks that they had, they are to one another what they
were. So an answer stands if the picture and all its neighbours have their marks still; it is merged
with what is nearest among the pictures whose mark is new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.duplicates.nearest import Positions, VectorIndex, Vectors

    Answers = tuple[Positions, Positions, Vectors]

VERSION = b"1"
"""Increased when a mark, or the search itself, means something else."""

WORTH = 0.5
"""Share of the answers that must stand; comparing each with each is cheaper otherwise, since there
one product serves both sides."""


class NeighbourMemory:
    """The answers of `VectorIndex.nearest` in one folder, a file per kind of search.

    Parameters
    ----------
    folder : Path
        Of these searches. `bodyshop forget` finds the rows of a picture in it by ``sha256``; what
        is in it may be deleted at any time.
    names : sequence of str, length n
        sha256 by position, in increasing order.
    registered : callable, optional
        Returns the pictures that the catalog has now. A file that was written while one of these
        was erased is removed: `bodyshop forget` may have looked through the folder before.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        registered: Callable[[], Container[str]] | None = None,
    ) -> None:
        self._folder = folder
        self._registered = registered
        self._names = names
        self._hashes = np.array([_number(name.encode()) for name in names], dtype=np.uint64)

    def nearest(
        self,
        what: str,
        index: VectorIndex,
        asked: NDArray[np.bool_],
        count: int,
        *,
        among: NDArray[np.bool_] | None = None,
        apart: Sequence[Positions] = (),
        fixed: Sequence[Positions] = (),
    ) -> Answers:
        """Answer as `VectorIndex.nearest`, comparing only what the last answer does not cover.

        Parameters
        ----------
        what : str
            The kind of search, the name of its file.
        index : VectorIndex
            In which each is compared with each.
        asked, count, among
            As for `VectorIndex.nearest`.
        apart : sequence of ndarray of int64
            By position: numbers of this call, such as those of clusters.
        fixed : sequence of ndarray of int64
            The same, of numbers that mean the same in every call.

        Returns
        -------
        tuple of (ndarray (b,), ndarray (b, count), ndarray (b, count))
            As one block of `VectorIndex.nearest`.
        """
        there = np.zeros(len(self._names), dtype=bool)
        there[index.position] = True
        asked = asked & there
        marks = self._marks(index, among, apart, fixed)
        path = self._folder / f"{what}.parquet"
        old = _read(path, count, self._names)
        same = there & old.there & (old.marks == marks)
        lost = (old.neighbours == GONE) | ((old.neighbours >= 0) & ~same[old.neighbours])
        stands = asked & same & old.answered & ~lost.any(axis=1)
        if stands.sum() < WORTH * asked.sum():
            stands[:] = False
        fresh = there & ~same if among is None else there & ~same & among
        found, cosine = old.neighbours, old.cosine
        kept_apart = [*apart, *fixed]
        if stands.any() and fresh.any():
            for rows, others, near in index.nearest(stands, count, among=fresh, apart=kept_apart):
                found[rows], cosine[rows] = _merged(found[rows], cosine[rows], others, near)
        if not np.array_equal(stands, asked):
            again = asked & ~stands
            for rows, others, near in index.nearest(again, count, among=among, apart=kept_apart):
                found[rows], cosine[rows] = others, near
        unchanged = np.array_equal(same, there) and np.array_equal(same, old.there)
        if old.gone or not unchanged or not np.array_equal(stands, old.answered):
            _write(path, _Known(there, marks, asked, found, cosine), self._names)
            if self._registered is not None:
                registered = self._registered()
                if any(name not in registered for name in self._names):
                    path.unlink(missing_ok=True)
        rows = np.flatnonzero(asked)
        return rows, found[rows], cosine[rows]

    def _marks(
        self,
        index: VectorIndex,
        among: NDArray[np.bool_] | None,
        apart: Sequence[Positions],
        fixed: Sequence[Positions],
    ) -> NDArray[np.uint64]:
        """Return a number per picture: its vector, whether it may be an answer, its groups."""
        marks = index.digests(len(self._names))
        if among is not None:
            marks = _mixed(marks, among.astype(np.uint64))
        for numbers in apart:  # a group goes by the name of its first picture
            _, first, group = np.unique(numbers, return_index=True, return_inverse=True)
            marks = _mixed(marks, self._hashes[first[group]])
        for numbers in fixed:
            marks = _mixed(marks, numbers.astype(np.uint64))
        return marks


GONE = -2
"""Instead of a neighbour that is not there any more; -1 is none at all."""


@dataclass
class _Known:
    """The last answers, by the positions of today."""

    there: NDArray[np.bool_]
    marks: NDArray[np.uint64]
    answered: NDArray[np.bool_]
    neighbours: Positions
    cosine: Vectors
    gone: bool = False


def _read(path: Path, count: int, names: Sequence[str]) -> _Known:
    import pyarrow as pa
    import pyarrow.parquet as pq

    n = len(names)
    known = _Known(
        np.zeros(n, dtype=bool),
        np.zeros(n, dtype=np.uint64),
        np.zeros(n, dtype=bool),
        np.full((n, count), -1, dtype=np.int64),
        np.full((n, count), -1, dtype=np.float32),
    )
    if not path.exists():
        return known
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise BodyshopError(
            f"{path} is damaged: {error}",
            hint="delete that file; the next curate compares its pictures again",
        ) from error
    if (table.schema.metadata or {}).get(b"search") != _kind(count):
        return known
    place = {name: position for position, name in enumerate(names)}
    today = np.array([place.get(name, GONE) for name in table["sha256"].to_pylist()], np.int64)
    number = table["number"].to_numpy()
    position_of = np.full(int(number.max(initial=-1)) + 2, GONE, dtype=np.int64)
    position_of[-1] = -1  # of none
    position_of[number] = today
    kept = today >= 0
    rows = today[kept]
    known.there[rows] = True
    known.marks[rows] = table["mark"].to_numpy()[kept]
    known.answered[rows] = table["answered"].to_numpy()[kept]
    numbers = _matrix(table, "neighbours", "<i4", count)[kept].astype(np.int64)
    beyond = numbers >= len(position_of) - 1
    numbers[beyond] = -1
    known.neighbours[rows] = np.where(beyond, GONE, position_of[numbers])
    known.cosine[rows] = _matrix(table, "cosine", "<f4", count)[kept]
    known.gone = not kept.all()
    return known


def _write(path: Path, known: _Known, names: Sequence[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = np.flatnonzero(known.there)
    count = known.neighbours.shape[1]
    neighbours = np.where(known.answered[:, None], known.neighbours, -1)[rows]
    table = pa.table(
        {
            "sha256": pa.array([names[row] for row in rows.tolist()], pa.string()),
            "number": pa.array(rows.astype(np.int32)),
            "mark": pa.array(known.marks[rows]),
            "answered": pa.array(known.answered[rows]),
            "neighbours": _packed(neighbours.astype("<i4")),
            "cosine": _packed(known.cosine[rows].astype("<f4")),
        }
    ).replace_schema_metadata({b"search": _kind(count)})
    with atomic.replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _kind(count: int) -> bytes:
    return VERSION + b" " + str(count).encode()


def _matrix(table: object, name: str, kind: str, width: int) -> NDArray[np.generic]:
    data = b"".join(table[name].to_pylist())  # type: ignore[index]
    return np.frombuffer(data, kind).reshape(-1, width)


def _packed(matrix: NDArray[np.generic]) -> object:
    import pyarrow as pa

    return pa.array([row.tobytes() for row in matrix], pa.binary())


def _merged(
    found: Positions, cosine: Vectors, more: Positions, values: Vectors
) -> tuple[Positions, Vectors]:
    """Return the best of two answers, the nearest first; of equal ones the first picture."""
    count = found.shape[1]
    positions = np.concatenate([found, more], axis=1)
    both = np.concatenate([cosine, values], axis=1)
    order = np.lexsort((positions, -both), axis=1)[:, :count]
    return np.take_along_axis(positions, order, axis=1), np.take_along_axis(both, order, axis=1)


def _mixed(marks: NDArray[np.uint64], more: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return one number for two (the finaliser of SplitMix64: Steele et al., OOPSLA 2014)."""
    mixed = marks * np.uint64(0x9E3779B97F4A7C15) + more
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
