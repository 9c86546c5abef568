"""A lock that ends with the process that holds it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bodyshop_core.errors import UsageError


@contextmanager
def locked(path: Path, *, wait: bool = False, taken: str = "") -> Iterator[None]:
    """Hold an exclusive lock on a file for the block.

    Parameters
    ----------
    path : Path
        The lock file; it is kept, empty.
    wait : bool
        Wait for the present holder instead of raising.
    taken : str
        Message of the error.

    Raises
    ------
    UsageError
        Another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        if not _take(stream.fileno(), wait):
            raise UsageError(taken or f"{path} is in use by another bodyshop command")
        # The operating system frees it when the file is closed, whatever ends the process.
        yield


def _take(descriptor: int, wait: bool) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            mode = msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK  # type: ignore[attr-defined]
            msvcrt.locking(descriptor, mode, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True
