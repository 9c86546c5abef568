"""Detection of truncated files."""

from __future__ import annotations

import os
from typing import BinaryIO

from bodyshop_core.imaging.faults import decoder_warning

END_OF_JPEG = b"\xff\xd9"

_TAIL = 1 << 16

_CONTENT = frozenset({b"jp2c", b"mdat", b"jxlc", b"jxlp"})
"""Types of the boxes with the picture itself."""

_MOST_SEGMENTS = 10_000
"""More than a JPEG's header has; each costs a read."""


def has_end(file: BinaryIO, extension: str) -> bool:
    """Return whether a file is complete: it has its end mark, or a JPEG all of its rows.

    Parameters
    ----------
    file : binary file
        Seekable.
    extension : str
        Of the sniffed type.
    """
    size = file.seek(0, os.SEEK_END)
    if extension == "jpg":
        return _has_jpeg_end(file) or lacks_end_only(file)
    if extension == "webp":
        file.seek(4)
        return size >= int.from_bytes(file.read(4), "little") + 8
    if extension == "png":
        return _has_last_chunk(file, size)
    if extension == "gif":
        return _has_trailer(file)
    if extension in {"jp2", "avif", "heic", "jxl"}:
        return _has_boxes(file, size)
    return True


def lacks_end_only(file: BinaryIO) -> bool:
    """Return whether a JPEG holds all of its rows and only its end mark is missing.

    Some programs omit the mark; decoders differ in whether they accept that. A file with an end
    mark costs two reads, one without is decoded.
    """
    if _has_jpeg_end(file):
        return False
    file.seek(0)
    return decoder_warning(file.read().rstrip(b"\0") + END_OF_JPEG) is None


def _has_jpeg_end(file: BinaryIO) -> bool:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2))
    if file.read(2) == END_OF_JPEG:
        return True
    # The thumbnail in the header has an end mark of its own; in a scan the bytes can't occur.
    scan = _scan_of(file)
    file.seek(max(scan, size - _TAIL))
    if file.read().rfind(END_OF_JPEG) >= 0:  # from the end: few bytes follow it
        return True
    file.seek(scan)  # motion photos append a film of megabytes
    return END_OF_JPEG in file.read()


def _has_last_chunk(file: BinaryIO, size: int) -> bool:
    """Walk through a PNG's chunks to its last (W3C PNG, 5.3); what follows it does not matter."""
    at = 8
    while at + 8 <= size:
        file.seek(at)
        length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if kind == b"IEND":
            return True
        at += length + 12
    return False


def _has_trailer(file: BinaryIO) -> bool:
    """Walk through a GIF's blocks to its trailer (GIF89a, 27); what follows it does not matter."""
    file.seek(0)
    data = file.read()  # a block may be one byte long: a read for each takes seconds
    size = len(data)
    at = 13 + _colours(data, 10)
    while at < size:
        kind = data[at]
        if kind == 0x3B:
            return True
        if kind == 0x21:
            at += 2
        elif kind == 0x2C:
            at += 11 + _colours(data, at + 9)
        else:
            return False
        while at < size and (length := data[at]):
            at += length + 1
        at += 1
    return False


def _has_boxes(file: BinaryIO, size: int) -> bool:
    """Walk through the boxes of JPEG 2000, JPEG XL and HEIF to the one with the picture.

    ISO/IEC 15444-1, annex I, and 14496-12, 4.2. A bare codestream of JPEG 2000 has an end mark of
    its own, one of JPEG XL has none. What follows the last box does not matter.
    """
    file.seek(0)
    head = file.read(2)
    if head == b"\xff\x0a":
        return True
    if head == b"\xff\x4f":
        return _has_codestream_end(file, size)
    at, content = 0, False
    while at + 8 <= size:
        file.seek(at)
        length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        if length == 0:  # to the end of the file
            whole = kind == b"jp2c" and _has_codestream_end(file, size)
            return whole or content or kind in _CONTENT - {b"jp2c"}
        if length < 8 or at + length > size:
            return content and kind not in _CONTENT | {b"meta"}
        content = content or kind in _CONTENT or (kind == b"meta" and b"idat" in file.read(length))
        at += length
    return content


def _has_codestream_end(file: BinaryIO, size: int) -> bool:
    file.seek(max(0, size - _TAIL))
    return file.read().rstrip(b"\0\r\n").endswith(END_OF_JPEG)  # the same two bytes


def _colours(data: bytes, at: int) -> int:
    """Return the size of the colour table that a GIF's flags announce."""
    return 3 << ((data[at] & 7) + 1) if at < len(data) and data[at] & 128 else 0


def _scan_of(file: BinaryIO) -> int:
    """Return where a JPEG's scan begins: behind all header segments (ITU T.81, B.1.1.4)."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        file.seek(at)
        segment = file.read(4)
        if len(segment) < 4 or segment[0] != 0xFF or segment[1] == 0xDA:
            break
        at += 2 + int.from_bytes(segment[2:], "big")
    return at
