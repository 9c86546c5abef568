"""Finished downloads that are not in the catalog yet: a file of lines that survives a kill.

A worker writes a line *before* it moves the bytes into the blob store; the driving thread removes
the lines when the catalog has them. Whenever a process is killed, either the bytes are a ``.part``
file that no line mentions, or a line says whose they are: nothing finished is downloaded twice, and
no sighting is lost. The exception is a version of bodyshop that writes other lines
(`JOURNAL_VERSION`): it drops the lines that it finds, and downloads these pictures again. Whether
the user erased a picture in the meantime is checked when the lines are written to the catalog
(`CrawlLedger.ingest`).
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bodyshop_core.catalog import BlobStore

_encoder = json.JSONEncoder(ensure_ascii=False)


class Journal:
    """One file of JSON lines in the folder of the ``.part`` files.

    Parameters
    ----------
    folder : Path
        In the workspace; created.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._path = folder / "finished.jsonl"
        self._lock = threading.Lock()
        self._pending = 0
        self._unsettled: Counter[str] = Counter()
        self._file: int | None = None

    def promise(self, entry: dict[str, Any]) -> None:
        """Append a finished download: ``key``, ``part``, ``sha256``, ``size``, ``extension``..."""
        line = (_encoder.encode(entry) + "\n").encode("utf-8", "surrogatepass")
        with self._lock:
            # One write of a whole line; no fsync: a line lost in a power cut costs a download.
            if self._file is None:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            if os.write(self._file, line) != len(line):
                raise OSError(errno.ENOSPC, "No space left on device", str(self._path))
            self._pending += 1
            self._unsettled[entry["sha256"]] += 1

    def settled(self, sha256s: Collection[str]) -> None:
        """Note which lines are in the catalog, one digest each; empty the file when all are."""
        with self._lock:
            self._pending -= len(sha256s)
            self._unsettled -= Counter(sha256s)
            if self._pending == 0:
                self._empty()

    @contextmanager
    def promised(self, *, but: Iterable[str] = ()) -> Iterator[set[str]]:
        """Give the sha256 of the pictures that this process promised and has not settled.

        While the context is open no line is added: a worker that is about to store one of the
        other pictures waits, and stores its bytes afterwards.

        Parameters
        ----------
        but : iterable of str
            Digests of lines, one each, that the caller has written to the catalog already.
        """
        with self._lock:
            yield set(self._unsettled - Counter(but))

    def recover(self, blobs: BlobStore) -> list[dict[str, Any]]:
        """Return the lines that a killed run left, and move their bytes into the blob store.

        Parts that no line mentions are removed: these downloads were not finished.
        """
        entries = []
        if self._path.exists():
            for line in self._path.read_bytes().splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:  # the last line, cut by the kill: its part is removed below
                    continue
                if self._adopted(entry, blobs):
                    entries.append(entry)
        for part in self.folder.glob("*.part"):
            part.unlink()
        self._pending = len(entries)
        return entries

    def discard(self) -> None:
        """Empty the file: its lines are in the catalog."""
        with self._lock:
            self._empty()
            self._pending = 0
            self._unsettled.clear()

    def close(self) -> None:
        """Close the file; an empty one is removed."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None
            if self._pending == 0:
                self._path.unlink(missing_ok=True)

    def _empty(self) -> None:
        if self._file is None:
            self._path.unlink(missing_ok=True)
        else:
            # It stays: ext4 gives no new file the inode of one that was removed in the last
            # minutes, and looks at each of these whenever a picture is created.
            os.ftruncate(self._file, 0)

    def _adopted(self, entry: dict[str, Any], blobs: BlobStore) -> bool:
        part = self.folder / Path(entry["part"]).name
        if part.exists() and part.stat().st_size == entry["size"]:
            blobs.adopt(part, entry["sha256"], entry["extension"])
        return blobs.has(entry["sha256"], entry["extension"], entry["size"])
