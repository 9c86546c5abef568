"""The file of a download that is in progress."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import uuid
from pathlib import Path
from typing import BinaryIO, Self

IN_MEMORY = 1 << 21
"""Bytes kept in memory; a larger picture is written to disk while it arrives."""

_PROCESS = uuid.uuid4().hex
_number = itertools.count()


class PartFile:
    """A ``.part`` file that is written at once, unless it is large.

    Data that is not a picture is never written to disk, and a small picture needs four system
    calls: with many threads, each call also waits for the interpreter. As a context manager it
    drops at the end what was not finished.

    Parameters
    ----------
    folder : Path
        For the file; in the workspace: on the same file system as its blobs.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{_PROCESS}-{os.getpid()}-{next(_number)}.part"
        self.size = 0
        self._hasher = hashlib.sha256()
        self._chunks: list[bytes] = []
        self._file: int | None = None
        self._finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if not self._finished:
            self._discard()

    @property
    def sha256(self) -> str:
        """Digest of the bytes so far, hexadecimal."""
        return self._hasher.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Append bytes.

        Raises
        ------
        OSError
            The disk is full.
        """
        self.size += len(chunk)
        self._hasher.update(chunk)
        if self._file is not None:
            self._store(chunk)
            return
        self._chunks.append(chunk)
        if self.size > IN_MEMORY:
            self._spill()

    def content(self) -> bytes | Path:
        """Return the bytes, or the file that contains them if they are many."""
        if self._file is not None:
            return self.path
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0] if self._chunks else b""

    def open(self) -> BinaryIO:
        """Return a seekable file of the bytes so far."""
        content = self.content()
        return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")

    def finish(self) -> Path:
        """Write everything to disk, fsynced, and return the file, which belongs to the caller.

        Raises
        ------
        OSError
            The disk is full.
        """
        if self._file is None:
            self._spill()
        file, self._file = self._file, None
        assert file is not None
        try:
            os.fsync(file)
        finally:
            os.close(file)
        self._finished = True
        return self.path

    def _discard(self) -> None:
        self._chunks = []
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self.path.unlink(missing_ok=True)

    def _spill(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._file = os.open(self.path, flags, 0o666)
        chunks, self._chunks = self._chunks, []
        for chunk in chunks:
            self._store(chunk)

    def _store(self, chunk: bytes) -> None:
        assert self._file is not None
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            error.filename = str(self.path)
            raise
