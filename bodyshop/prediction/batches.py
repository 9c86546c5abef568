"""The pictures of one command in batches: files, folders, addresses, or a list on stdin."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bodyshop.prediction.predictor import CHUNK
from bodyshop.prediction.sources import PictureFile, list_pictures
from bodyshop_core.errors import BodyshopError, NothingFoundError, UsageError

LIST = "-"
"""Given instead of pictures: their paths or addresses are on stdin, one a line."""


def is_address(text: str) -> bool:
    """Return whether a text is a web address rather than a path."""
    return text.lower().startswith(("http://", "https://"))


def list_entries(places: Sequence[str]) -> list[str] | None:
    """Return the files and addresses that are meant; folders are replaced by their pictures.

    Parameters
    ----------
    places : sequence of str
        Files, folders and addresses, or `LIST` alone.

    Returns
    -------
    list of str or None
        None for `LIST`.

    Raises
    ------
    NothingFoundError
        A file or folder does not exist, or there is no picture.
    UsageError
        There are other pictures beside `LIST`.
    """
    if LIST in places:
        if len(places) > 1:
            raise UsageError("'-' stands for the whole list of pictures", hint="give it alone")
        return None
    entries: list[str] = []
    for place in places:
        entries += [place] if is_address(place) else map(str, list_pictures([Path(place)]))
    return entries


def batches_of(
    entries: Sequence[str], fetch: Callable[[str], PictureFile]
) -> Iterator[list[PictureFile]]:
    """Yield the pictures of a known list; `fetch` downloads addresses, batch by batch."""
    for start in range(0, len(entries), CHUNK):
        yield [_opened(entry, fetch) for entry in entries[start : start + CHUNK]]


def batches_as_they_come(
    lines: Iterable[bytes], fetch: Callable[[str], PictureFile]
) -> Iterator[list[PictureFile]]:
    """Yield what has arrived of a list by now: a slow writer gets each answer at once.

    Parameters
    ----------
    lines : iterable of bytes
        A path or an address each, in any encoding: file names are bytes. They are read in a thread.
        Empty lines are left out.
    fetch : callable
        Downloads an address.

    Raises
    ------
    NothingFoundError
        The list is empty.
    BodyshopError
        The list could not be read to its end; all before it has been yielded.
    """
    arrived: queue.Queue[str | _End] = queue.Queue(maxsize=4 * CHUNK)

    def read() -> None:
        problem = None
        try:
            for line in lines:
                if entry := os.fsdecode(line.rstrip(b"\r\n")):
                    arrived.put(entry)
        except Exception as error:  # noqa: BLE001 - raised where the list is read
            problem = error
        arrived.put(_End(problem))

    threading.Thread(target=read, name="list", daemon=True).start()
    entry = arrived.get()
    if isinstance(entry, _End) and entry.problem is None:
        raise NothingFoundError("the list on stdin is empty", hint="one path or address a line")
    while isinstance(entry, str):
        batch = [_opened(entry, fetch)]
        following: str | _End | None = None
        while len(batch) < CHUNK and isinstance(following := _waiting(arrived), str):
            batch.append(_opened(following, fetch))
        yield batch
        entry = following if isinstance(following, _End) else arrived.get()
    if entry.problem is not None:
        raise BodyshopError(
            f"the list on stdin ended early: {entry.problem}",
            hint="give it again; --json-lines prints each answer as soon as it is known",
        ) from entry.problem


@dataclass(frozen=True)
class _End:
    """The end of a list, and what ended it early."""

    problem: Exception | None


def _waiting(arrived: queue.Queue[str | _End]) -> str | _End | None:
    try:
        return arrived.get_nowait()
    except queue.Empty:
        return None


def _opened(entry: str, fetch: Callable[[str], PictureFile]) -> PictureFile:
    return fetch(entry) if is_address(entry) else PictureFile(entry, Path(entry))
