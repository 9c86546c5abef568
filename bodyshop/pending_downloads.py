"""Downloads that a killed crawl left between the network and the catalog, seen from `forget`.

`collector.ledger.journal` describes the folder, of which each of several collectors has one below
the first, with a lock: ``finished.jsonl`` has one JSON object per finished download, and each
download in flight or finished but not yet stored is a ``.part`` file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bodyshop_core import atomic
from bodyshop_core.catalog import schema
from bodyshop_core.locking import is_locked
from bodyshop_core.processes import is_alive
from bodyshop_core.workspace import Workspace

FOLDER, JOURNAL, PARTS = "incoming", "finished.jsonl", "*.part"
LOCK = "lock"
"""In the folder of each of several collectors; held while that one is alive."""


@dataclass(frozen=True)
class PendingDownload:
    """One line of the journal.

    Parameters
    ----------
    line : str
        As it stands in the file.
    sha256 : str
        Of the bytes.
    part : str
        Name of the ``.part`` file, which may have become a blob already.
    addresses : tuple of str
        Every URL known for it: its own, its candidates' and its page's.
    """

    line: str
    sha256: str
    part: str
    addresses: tuple[str, ...]


def read_pending(workspace: Workspace) -> list[PendingDownload]:
    """Return the finished downloads that are not in the catalog yet, in the journal's order."""
    return [each for folder in _folders(workspace) for each in _read(workspace, folder)]


def _read(workspace: Workspace, folder: Path) -> list[PendingDownload]:
    journal = folder / JOURNAL
    if not journal.is_file():
        return []
    found = []
    with workspace.catalog.read() as connection:
        for line in journal.read_text(encoding="utf-8", errors="surrogatepass").split("\n"):
            try:
                entry = json.loads(line)
            except ValueError:  # the last line: empty, or cut by the kill and never promised
                continue
            key = schema.candidates.c.key == entry["key"]
            details = connection.scalar(select(schema.candidates.c.details).where(key))
            found.append(
                PendingDownload(
                    line,
                    entry["sha256"],
                    Path(entry["part"]).name,
                    tuple(_addresses([entry, details])),
                )
            )
    return found


def erase_pending(workspace: Workspace, gone: Callable[[PendingDownload], bool]) -> None:
    """Remove pending downloads: their lines and their parts; a blob is left to the caller.

    Parts that no line promises are removed too, unless the crawl that writes them is alive: it
    is unknown what they hold, and the next crawl would not use them.

    While the crawl that writes the journal is alive, its lines are kept: it has the file open, and
    what it appends to a file that was replaced would be lost in a kill. It drops a line without
    bytes, or with a tombstone, by itself.

    Parameters
    ----------
    workspace : Workspace
        An existing workspace.
    gone : callable
        Says which are erased.
    """
    for folder in _folders(workspace):
        _erase(folder, _read(workspace, folder), gone)


def _folders(workspace: Workspace) -> list[Path]:
    """Return the folders with journals: of the one crawl, and of each of several collectors."""
    folder = workspace.root / FOLDER
    return [folder, *sorted(folder.glob("*/"))]


def _erase(
    folder: Path, pending: list[PendingDownload], gone: Callable[[PendingDownload], bool]
) -> None:
    erased = [each for each in pending if gone(each)]
    for part in [*(folder / each.part for each in erased), *_abandoned(folder, pending)]:
        part.unlink(missing_ok=True)
    if erased and not _is_being_written(folder, [each.part for each in pending]):
        lines = "".join(f"{each.line}\n" for each in pending if each not in erased)
        atomic.write_bytes(folder / JOURNAL, lines.encode("utf-8", "surrogatepass"))


def _addresses(value: Any) -> Iterator[str]:
    """Yield every URL in JSON-able values, however deep."""
    if isinstance(value, str):
        if "://" in value:
            yield value
    elif isinstance(value, dict):
        yield from _addresses(list(value.values()))
    elif isinstance(value, list):
        for each in value:
            yield from _addresses(each)


def _abandoned(folder: Path, pending: Iterable[PendingDownload]) -> list[Path]:
    promised = {each.part for each in pending}
    parts = (path for path in folder.glob(PARTS) if path.name not in promised)
    return [path for path in parts if not _is_being_written(folder, [path.name])]


def _is_being_written(folder: Path, parts: Iterable[str]) -> bool:
    """Return whether the process that named one of these parts is alive.

    One of several collectors may be on another machine, or in a container with other process
    numbers: its lock tells.
    """
    if (folder / LOCK).exists():
        return is_locked(folder / LOCK)
    processes = [part.split("-")[1:2] for part in parts]  # <random>-<process>-<number>.part
    return any(each and each[0].isdigit() and is_alive(int(each[0])) for each in processes)
