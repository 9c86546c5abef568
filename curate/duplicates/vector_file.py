"""Feature vectors in a temporary file, read in blocks: memory does not grow with their number."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Positions = NDArray[np.int64]

_SPOOLED = 1 << 26
_GAP = 8
"""Rows between two wanted ones up to which they are read together."""


class VectorFile:
    """Vectors as float16, row after row; up to 64 MB stay in memory.

    Parameters
    ----------
    scratch : Path, optional
        Folder for the temporary file; the system's by default.
    """

    def __init__(self, scratch: Path | None = None) -> None:
        place = None if scratch is None else str(scratch)
        self._scratch = scratch
        self._file: Any = tempfile.SpooledTemporaryFile(max_size=_SPOOLED, dir=place)  # noqa: SIM115
        self._length = self.width = 0

    def __len__(self) -> int:
        return self._length

    def append(self, vectors: NDArray[Any]) -> None:
        """Write vectors, shape (m, d), after the others; d as at the first time."""
        self.width = vectors.shape[1]
        self._length += len(vectors)
        self._file.write(vectors.astype("<f2").tobytes())

    def read(self, start: int, end: int) -> Vectors:
        """Return the rows from `start` up to `end`, shape (end - start, d)."""
        self._file.seek(int(start) * self.width * 2)
        data = self._file.read(int(end - start) * self.width * 2)
        return np.frombuffer(data, "<f2").reshape(-1, self.width).astype(np.float32)

    def rows(self, rows: Positions) -> Vectors:
        """Return some rows; runs of increasing ones that lie together are read at once."""
        steps = np.diff(rows)
        cuts = np.flatnonzero((steps > _GAP) | (steps < 1)) + 1
        parts = []
        for run in np.split(rows, cuts):
            if len(run):
                part = self.read(run[0], run[-1] + 1)
                parts.append(part if len(part) == len(run) else part[run - run[0]])
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros((0, self.width), np.float32)

    def digests(self) -> Iterator[int]:
        """Yield 64 bits of a hash of each row as it is stored."""
        self._file.seek(0)
        for _ in range(self._length):
            digest = hashlib.blake2b(self._file.read(2 * self.width), digest_size=8).digest()
            yield int.from_bytes(digest, "little")

    def reorder(self, order: Positions) -> None:
        """Write the rows again, in the order of their present numbers."""
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        size = 2 * self.width
        ordered = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115
        ordered.truncate(len(order) * size)
        self._file.seek(0)
        for to in place.tolist():
            ordered.seek(to * size)
            ordered.write(self._file.read(size))
        self._file.close()
        self._file = ordered

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


class HeldParts:
    """Reads parts of a file, and keeps those that were read last as float32.

    Parameters
    ----------
    file : VectorFile
        To read from.
    bounds : ndarray of int64, shape (parts + 1,)
        Row at which each part begins.
    size : int
        Bytes to keep.
    """

    def __init__(self, file: VectorFile, bounds: Positions, size: int) -> None:
        self._file, self._bounds, self._size = file, bounds, size
        self._held: dict[int, Vectors] = {}
        self._bytes = 0

    def __getitem__(self, part: int) -> Vectors:
        known = self._held.pop(part, None)
        if known is None:
            known = self._file.read(self._bounds[part], self._bounds[part + 1])
            self._bytes += known.nbytes
        self._held[part] = known
        while self._bytes > self._size and len(self._held) > 1:
            oldest = next(iter(self._held))
            self._bytes -= self._held.pop(oldest).nbytes
        return known


def stored(
    parts: Iterable[tuple[Sequence[str], NDArray[Any]]],
    place: Mapping[str, int],
    scratch: Path | None,
) -> tuple[VectorFile, Positions]:
    """Write the wanted vectors, made to length 1; return the file and the position of each row.

    Parameters
    ----------
    parts : iterable of (sequence of str, ndarray of float, shape (n, d))
        Names and vectors, read once. Of a name that comes twice the first counts; a vector that is
        not finite is left out.
    place : Mapping
        Name -> position of the pictures that are wanted.
    scratch : Path, optional
        As for `VectorFile`.
    """
    file = VectorFile(scratch)
    seen: set[int] = set()
    positions: list[int] = []
    for names, vectors in parts:
        chosen = []
        finite = np.isfinite(vectors).all(axis=1)
        for row, name in enumerate(names):
            position = place.get(name)
            if position is not None and position not in seen and finite[row]:
                seen.add(position)
                positions.append(position)
                chosen.append(row)
        if chosen:
            wanted = np.asarray(vectors)[chosen].astype(np.float32)
            wanted /= np.linalg.norm(wanted, axis=1, keepdims=True) + 1e-12
            file.append(wanted)
    return file, np.array(positions, dtype=np.int64)
