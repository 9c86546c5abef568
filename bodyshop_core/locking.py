"""A lock that ends with the process that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.processes import take_lock


@contextmanager
def locked(
    path: Path, *, wait: bool = False, taken: str = "", hint: str | None = None
) -> Iterator[None]:
    """Hold an exclusive lock on a file for the block.

    Parameters
    ----------
    path : Path
        The lock file; it is kept, empty.
    wait : bool
        Wait for the present holder instead of raising.
    taken : str
        Message of the error.
    hint : str, optional
        Its next step.

    Raises
    ------
    UsageError
        Another process holds the lock.
    BodyshopError
        The file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        if not _free(path, stream, wait):
            raise UsageError(taken or f"{path} is in use by another bodyshop command", hint=hint)
        # The operating system frees it when the file is closed, whatever ends the process.
        yield


def is_locked(path: Path) -> bool:
    """Return whether somebody holds the lock on a file, also on another machine; create nothing.

    Raises
    ------
    BodyshopError
        The file system has no locks.
    """
    try:
        stream = path.open("r+b")
    except FileNotFoundError:
        return False
    with stream:
        return not _free(path, stream, wait=False)


def _free(path: Path, stream: BinaryIO, wait: bool) -> bool:
    try:
        return take_lock(stream.fileno(), wait=wait)
    except OSError as error:
        raise BodyshopError(
            f"{path} can't be locked: {error.strerror}",
            hint="put the workspace on a file system with locks: a local disk, or NFS 4",
        ) from error
