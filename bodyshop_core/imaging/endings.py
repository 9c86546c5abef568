"""Detection of truncated files."""

from __future__ import annotations

import os
from typing import BinaryIO

_ENDINGS = {"jpg": b"\xff\xd9", "png": b"IEND"}


def has_end(file: BinaryIO, extension: str) -> bool:
    """Return whether the file has the end marker of its format, so that it is not truncated.

    Parameters
    ----------
    file : binary file
        Seekable.
    extension : str
        Of the sniffed type.
    """
    size = file.seek(0, os.SEEK_END)
    tail = max(0, size - (1 << 16))  # some cameras and editors append data after the end mark
    if extension == "webp":
        file.seek(4)
        return size >= int.from_bytes(file.read(4), "little") + 8
    if extension == "jpg":
        tail = max(tail, _scan_of(file))  # the thumbnail in the header has an end mark of its own
    mark = _ENDINGS.get(extension)
    file.seek(tail)
    rest = file.read()
    if extension == "gif":
        return rest.rstrip(b"\0").endswith(b"\x3b")
    return mark is None or rest.rfind(mark) >= 0  # from the end, where it nearly always is


def _scan_of(file: BinaryIO) -> int:
    """Return where a JPEG's scan begins: behind all header segments (ITU T.81, B.1.1.4)."""
    at = 2
    while True:
        file.seek(at)
        segment = file.read(4)
        if len(segment) < 4 or segment[0] != 0xFF or segment[1] == 0xDA:
            return at
        at += 2 + int.from_bytes(segment[2:], "big")
