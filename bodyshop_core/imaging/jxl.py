"""Size of a JPEG XL picture from its first bytes: its decoder decodes all when it is opened."""

from __future__ import annotations

from typing import BinaryIO

_CODESTREAM = b"\xff\x0a"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height by the header's 3-bit ratio, from 1 on (ISO/IEC 18181-1, SizeHeader)."""

_SIZES = (9, 13, 18, 30)
_LONGEST = 12
"""Bytes that hold the signature and the longest SizeHeader: 16 + 1 + 2 x 32 + 3 bits."""

_MAX_BOXES = 1000


def jxl_size(file: BinaryIO) -> tuple[int, int] | None:
    """Return width and height as stored; None when they can't be read.

    Parameters
    ----------
    file : binary file
        Seekable: a bare codestream, or a container with boxes (ISO/IEC 18181-2).
    """
    file.seek(0)
    head = file.read(_LONGEST)
    if not head.startswith(_CODESTREAM):
        head = _codestream_in_boxes(file)
    if not head.startswith(_CODESTREAM) or len(head) < 3:
        return None
    return _size_of(int.from_bytes(head[2:], "little"), 8 * len(head) - 16)


def _codestream_in_boxes(file: BinaryIO) -> bytes:
    """Return the codestream's first bytes, from one ``jxlc`` box or several ``jxlp``."""
    at, head = 0, b""
    for _ in range(_MAX_BOXES):
        file.seek(at)
        size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        start = 8
        if size == 1:
            size, start = int.from_bytes(file.read(8), "big"), 16
        if not kind or 0 < size < start or size >= 1 << 63:
            break
        if kind == b"jxlp":
            file.seek(4, 1)  # its number
            start += 4
        if kind in {b"jxlc", b"jxlp"}:
            wanted = _LONGEST - len(head)
            head += file.read(min(wanted, max(0, size - start)) if size else wanted)
        if kind == b"jxlc" or len(head) == _LONGEST or size == 0:
            break
        at += size
    return head


def _size_of(bits: int, count: int) -> tuple[int, int] | None:
    """Read a SizeHeader (ISO/IEC 18181-1): least significant bit first."""
    at = 0

    def take(width: int) -> int:
        nonlocal at
        at += width
        return (bits >> (at - width)) & ((1 << width) - 1)

    def take_side() -> int:
        return 8 * (take(5) + 1) if small else take(_SIZES[take(2)]) + 1

    small = take(1)
    height = take_side()
    if ratio := take(3):
        over, under = _RATIOS[ratio - 1]
        width = height * over // under
    else:
        width = take_side()
    return (width, height) if at <= count else None
