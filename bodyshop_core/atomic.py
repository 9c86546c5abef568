"""Files that are written completely or not at all: temporary file, fsync, rename."""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bodyshop_core.errors import UsageError
from bodyshop_core.processes import is_alive

TEMPORARY = ".tmp-"
"""Prefix of temporary files; the host and the process that write them follow."""

ABANDONED_S = 86_400
"""Age in seconds at which a temporary file of another machine counts as abandoned."""


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block succeeds.

    Parameters
    ----------
    path : Path
        The file to create or replace; its folder is created.
    durable : bool
        Whether the file outlives a power cut from here on, which costs an fsync. False is for many
        files that are checked before they are taken for finished and cheap to make again.

    Yields
    ------
    Path
        A file in the same folder with the same suffix, removed again when the block raises. One
        that a killed process leaves is removed by `sweep`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _create_beside(path)
    try:
        yield temporary
        if durable:
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
        temporary.replace(path)
        if durable:
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def require_folder(folder: Path) -> None:
    """Refuse a place for results where no folder can be, before the work is done.

    Raises
    ------
    UsageError
        A file is there, or in place of one of the folders above.
    """
    for place in (folder, *folder.parents):
        if place.is_dir():
            return
        if place.exists():
            raise UsageError(f"{place} is a file, but {folder} has to be a folder")


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write `data` to `path` atomically; `durable` as in `replacing`."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, UTF-8 with the newlines as given."""
    write_bytes(path, text.encode("utf-8"))


def sweep(folder: Path) -> int:
    """Remove the temporary files of killed processes in a folder and its subfolders.

    Files of running processes of this machine are kept, and files of other machines for
    `ABANDONED_S` seconds.

    Returns
    -------
    int
        Files removed.
    """
    abandoned = [path for path in folder.rglob(f"{TEMPORARY}*") if _is_abandoned(path)]
    for path in abandoned:
        path.unlink(missing_ok=True)
    return len(abandoned)


def _is_abandoned(path: Path) -> bool:
    host, _, rest = path.name.removeprefix(TEMPORARY).partition("~")
    process = rest.partition("~")[0]
    if os.name == "posix" and host == platform.node() and process.isdigit():
        return not is_alive(int(process))
    try:
        return time.time() - path.stat().st_mtime > ABANDONED_S
    except FileNotFoundError:  # finished and renamed meanwhile
        return False


def _create_beside(path: Path) -> Path:
    """Create an empty file with a new name and the mode of any file that the user writes.

    The kernel applies the umask: asking for it means setting it, for all threads at once.
    """
    name = f"{TEMPORARY}{platform.node()}~{os.getpid()}~{uuid.uuid4().hex[:12]}{path.suffix}"
    temporary = path.with_name(name)
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return temporary


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; not every system can open a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
