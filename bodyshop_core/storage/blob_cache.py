"""Copies of remote pictures on this machine, of a bounded size."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import threading
from dataclasses import dataclass, field
from pathlib import Path

from bodyshop_core import atomic

_STEP = 64
"""After `limit` / 64 bytes of its own, a process looks at what all have written, and makes room."""

_DIGITS = 64

_FULL, _KEPT = 7 / 8, 3 / 4
"""Shares of the limit at which room is made, and that are left then."""


@dataclass(frozen=True)
class BlobCache:
    """A folder of copies; the least recently used ones go first.

    Several processes may use it at once: a copy is written whole or not at all, its sha256 is
    compared whenever it is read, and one that another process removed is fetched again. It is used
    on the machine of the workspace only, where `bodyshop forget` can clear it.

    Parameters
    ----------
    root : Path
        The folder; created with the first copy.
    limit : int
        Bytes; 0 keeps nothing. What more than eight processes write in the same moment may exceed
        it.
    machine : str
        The only machine that uses it.
    """

    root: Path
    limit: int
    machine: str = field(default_factory=platform.node)

    def path(self, name: str) -> Path:
        """Return where the copy of an object is or would be, whatever folder it is in."""
        name = name.rpartition("/")[2]
        return self.root / name[:2] / name

    def get(self, name: str) -> bytes | None:
        """Return a copy's bytes; None when there is none, or a damaged one.

        A name that does not hold the sha256 of its content has no copies.
        """
        digest = digest_in(name)
        if not digest or not self._is_used():
            return None
        path = self.path(name)
        try:
            data = path.read_bytes()
        except OSError:  # it is a copy: whatever is wrong with it, the original is elsewhere
            return None
        if hashlib.sha256(data).hexdigest() != digest:
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):  # another process has just removed it
            os.utime(path)
        return data

    def put(self, name: str, data: bytes) -> None:
        """Keep a copy, unless it is larger than the cache.

        Raises
        ------
        OSError
            The disk is full.
        """
        if not digest_in(name) or not self._is_used() or len(data) > self.limit * _KEPT:
            return
        if _written.due(self, len(data)):
            self._make_room(len(data))
        atomic.write_bytes(self.path(name), data)

    def remove(self, sha256: str) -> None:
        """Remove the copies of a picture, its masks and variants."""
        for path in (self.root / sha256[:2]).glob(f"{sha256}[.-]*"):
            path.unlink(missing_ok=True)

    def _is_used(self) -> bool:
        return self.limit > 0 and platform.node() == self.machine

    def _make_room(self, size: int) -> None:
        """Remove copies until `size` bytes fit, the longest unused first."""
        atomic.sweep(self.root)
        copies: list[tuple[float, int, Path]] = []
        for path in self.root.glob("??/*"):
            with contextlib.suppress(FileNotFoundError):
                state = path.stat()
                copies.append((state.st_mtime, state.st_size, path))
        total = sum(each for _, each, _ in copies) + size
        if total <= self.limit * _FULL:
            return
        for _, each, path in sorted(copies):
            if total <= self.limit * _KEPT:
                break
            if path.name.startswith(atomic.TEMPORARY):
                continue
            with contextlib.suppress(OSError):  # Windows removes no open file
                path.unlink()
            total -= each


def digest_in(name: str) -> str:
    """Return the sha256 that stands before a name's extension; empty for other names."""
    before = name.rpartition("/")[2].rpartition(".")[0].rpartition(".")[2]
    is_one = len(before) == _DIGITS and all(each in "0123456789abcdef" for each in before)
    return before if is_one else ""


def with_digest(name: str, data: bytes) -> str:
    """Return a name with the sha256 of its content before its extension."""
    if digest_in(name):
        return name
    start, _, extension = name.rpartition(".")
    return f"{start}.{hashlib.sha256(data).hexdigest()}.{extension}"


class _Written:
    """Bytes that this process has put into each cache since it last made room."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes: dict[Path, int] = {}

    def due(self, cache: BlobCache, size: int) -> bool:
        """Add bytes; return whether it is time to look at the whole cache."""
        with self._lock:
            total = self._bytes.get(cache.root)
            if total is None or total + size > cache.limit / _STEP:
                self._bytes[cache.root] = 0
                return True
            self._bytes[cache.root] = total + size
            return False


_written = _Written()
