"""Detection of truncated files."""

from __future__ import annotations

import os
from typing import BinaryIO

_TAIL = 1 << 16
_STEP = 1 << 20


def has_end(file: BinaryIO, extension: str) -> bool:
    """Return whether the file has the end marker of its format, so that it is not truncated.

    Data behind the end do not matter: motion photos and gain maps append megabytes.

    Parameters
    ----------
    file : binary file
        Seekable.
    extension : str
        Of the sniffed type.
    """
    size = file.seek(0, os.SEEK_END)
    if extension == "webp":
        file.seek(4)
        return size >= int.from_bytes(file.read(4), "little") + 8
    if extension == "jpg":
        # The thumbnail in the header has an end mark of its own; inside a scan none can occur.
        scan = _scan_of(file)
        file.seek(max(scan, size - _TAIL))
        return b"\xff\xd9" in file.read() or _contains(file, b"\xff\xd9", scan)
    if extension == "png":
        return _has_last_chunk(file, size)
    if extension == "gif":
        file.seek(max(0, size - _TAIL))
        return file.read().rstrip(b"\0").endswith(b"\x3b")
    return True


def _contains(file: BinaryIO, mark: bytes, start: int) -> bool:
    file.seek(start)
    before = b""
    while block := file.read(_STEP):
        if mark in before + block:
            return True
        before = block[1 - len(mark) :]
    return False


def _has_last_chunk(file: BinaryIO, size: int) -> bool:
    """Walk through a PNG's chunks to its last (W3C PNG, 5.3)."""
    at = 8
    while at + 8 <= size:
        file.seek(at)
        length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if kind == b"IEND":
            return True
        at += length + 12
    return False


def _scan_of(file: BinaryIO) -> int:
    """Return where a JPEG's scan begins: behind all header segments (ITU T.81, B.1.1.4)."""
    at = 2
    while True:
        file.seek(at)
        segment = file.read(4)
        if len(segment) < 4 or segment[0] != 0xFF or segment[1] == 0xDA:
            return at
        at += 2 + int.from_bytes(segment[2:], "big")
