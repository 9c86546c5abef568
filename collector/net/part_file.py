"""The bytes of one download on their way to disk."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import uuid
from pathlib import Path
from typing import BinaryIO

IN_MEMORY = 1 << 21
"""Bytes that wait in memory; a larger picture goes to disk while it comes."""

_PROCESS = uuid.uuid4().hex
_number = itertools.count()


class PartFile:
    """A ``.part`` file that comes into being in one write, unless it is large.

    What turns out to be no picture never touches the disk, and a small one costs four system calls:
    with many threads each call is also a wait for the interpreter.

    Parameters
    ----------
    folder : Path
        Where the file goes; the same file system as the blobs.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{_PROCESS}-{os.getpid()}-{next(_number)}.part"
        self.size = 0
        self._hasher = hashlib.sha256()
        self._chunks: list[bytes] = []
        self._file: int | None = None

    @property
    def sha256(self) -> str:
        """Digest of what was written so far, hexadecimal."""
        return self._hasher.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Take bytes in.

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
        """Return the bytes, or the file that holds them when they are many."""
        if self._file is not None:
            return self.path
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0] if self._chunks else b""

    def open(self) -> BinaryIO:
        """Return a seekable file of what was written."""
        content = self.content()
        return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")

    def finish(self) -> Path:
        """Bring everything to disk, fsynced, and return the file.

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
        return self.path

    def discard(self) -> None:
        """Forget the bytes and remove the file, if there is one."""
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
