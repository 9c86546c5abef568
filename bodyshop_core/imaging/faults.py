"""Damage inside of a picture's data: a decoder repairs it without a word, and shows something else.

Pillow keeps the warnings of libjpeg to itself and does not check the sums of a PNG's picture data.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from bodyshop_core.imaging.limits import MAX_PIXELS

RUN = 64
"""Equal bytes in a row inside of a damaged JPEG's scan that show where a part was overwritten."""

ZEROS = 16
"""More zero bytes in a row inside of a scan mean nothing that a picture could have, by most tables:
dozens of equal coefficients, each the most negative one of its size. See `_meaningless_zeros`."""

_ENOUGH_ZEROS = bytes(ZEROS + 1)

_DAMAGE = ("Corrupt JPEG data", "Premature end of JPEG file", "Invalid JPEG file structure")
"""What libjpeg says of damage; its other warnings are about versions and colour conventions."""

_HARMLESS = re.compile(r"bad ICC marker|extraneous bytes before marker 0x(?!d[0-9a]|c4)")
"""Of these, what concerns the header only."""

_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_GENTLE = 2  # category of a difference of brightness (ITU T.81, table F.1) that a sky may repeat
_FRAMES = {0xC0, 0xC1}  # sequential (ITU T.81, table B.1)
_SCAN, _RESTART, _HUFFMAN = 0xDA, 0xDD, 0xC4
_SCAN_ENDS = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")  # at a marker that is no restart
_ROWS = 16  # of the largest block that is coded together


@dataclass(frozen=True)
class Fault:
    """Damage that was found.

    Parameters
    ----------
    share : float
        Share of the picture's data behind the first damaged place, 0 to 1; 1 when the place is not
        known.
    note : str
        What the decoder says.
    """

    share: float
    note: str


def find_fault(data: bytes) -> Fault | None:
    """Look for damage in the data of a JPEG or PNG.

    Parameters
    ----------
    data : bytes
        The whole file; of another format nothing is looked for.

    Returns
    -------
    Fault or None
        None without damage, or when it can't be seen: pixels of another picture, correctly
        compressed, are no fault of the file; a JPEG has no check sums, so single wrong bits may go
        unnoticed.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg_fault(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png_fault(data)
    return None


def decoder_warning(data: bytes) -> str | None:
    """Return libjpeg's first warning of damage in a JPEG; None without one.

    An error of the decoder counts as a warning; a colour space that this decoder does not read
    says nothing, nor does a picture of more than `MAX_PIXELS`, which is not decoded.
    """
    import simplejpeg

    try:
        height, width, components, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # a header that it can't name: the decoder itself will tell
        height, width, components = 0, 0, ""
    if width * height > MAX_PIXELS:
        return None
    try:
        simplejpeg.decode_jpeg(
            data,
            colorspace="CMYK" if components == "CMYK" else "GRAY",
            fastdct=True,
            fastupsample=True,
            min_height=1,
            min_width=1,
            strict=True,
        )
    except ValueError as error:
        text = str(error)
        return (
            text if any(each in text for each in _DAMAGE) and not _HARMLESS.search(text) else None
        )
    except KeyError:
        return None
    return None


def _jpeg_fault(data: bytes) -> Fault | None:
    note = decoder_warning(data)
    if note is None:
        return _zeros_fault(data)
    start, height_at, restarts = _layout(data)
    end = data.rfind(b"\xff\xd9")
    if end < start:  # without its end mark only
        end, data = len(data), data + b"\xff\xd9"
        note = decoder_warning(data)
        if note is None:
            return _zeros_fault(data)
    left_over = _EXTRANEOUS.search(note)
    if left_over is not None and _is_padding(data[end - int(left_over[1]) : end]):
        return _zeros_fault(data)
    places = [(found - start) / max(1, end - start) for found in _runs(data, start, end)]
    if (zeros := _meaningless_zeros(data)) is not None:
        places.append(1 - zeros[1])
    if left_over is None and height_at is not None and not restarts:
        places.append(_first_bad_row(data, height_at))
    return Fault(round(1 - min(places, default=0.0), 4), note)


def _is_padding(data: bytes) -> bool:
    """Return whether bytes before the end mark are filling: at most two values."""
    return len(set(data)) <= 2


def _runs(data: bytes, start: int, end: int) -> list[int]:
    found = re.search(rb"([^\xff])\1{%d}" % (RUN - 1), data[start:end], re.DOTALL)
    return [start + found.start()] if found else []


def _first_bad_row(data: bytes, height_at: int) -> float:
    """Return where the decoder first stumbles, as a share of the height.

    The same data are decoded with a smaller height in their header: as long as it lies above the
    damage, all that the decoder says is that there are bytes left over.
    """
    height = int.from_bytes(data[height_at : height_at + 2], "big")
    good, bad = 0, -(-height // _ROWS)
    while bad - good > 1:
        middle = (good + bad) // 2
        rows = min(height, middle * _ROWS).to_bytes(2, "big")
        note = decoder_warning(data[:height_at] + rows + data[height_at + 2 :])
        if note is None or "extraneous" in note:
            good = middle
        else:
            bad = middle
    return min(1.0, good * _ROWS / max(1, height))


def _layout(data: bytes) -> tuple[int, int | None, bool]:
    """Return where the scan begins, where a sequential frame's height is, and restart markers."""
    at, height_at, restarts = 2, None, False
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAMES:
            height_at = at + 5
        restarts |= marker == _RESTART
        if marker == _SCAN:
            break
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at, height_at, restarts


def _zeros_fault(data: bytes) -> Fault | None:
    """Return the damage of a JPEG whose decoder says nothing, since it found back by chance."""
    found = _meaningless_zeros(data)
    if found is None:
        return None
    at, share = found
    return Fault(round(share, 4), f"zeros from byte {at} on, where the picture's data should be")


def _meaningless_zeros(data: bytes) -> tuple[int, float] | None:
    """Look for zeros in the scan of a sequential JPEG that no picture is coded as.

    A lost block of a disk reads as zeros. To a Huffman decoder they are the first code of its
    tables, again and again. Where that is the code of an even block, zeros are an even surface, and
    nothing is said; mostly it is a small coefficient, and no picture has hundreds in a row.

    Returns
    -------
    tuple of (int, float) or None
        The first byte, and the share of the scan from there on. None without such zeros, or when
        the file has several scans (progressive ones among them), whose zeros may mean something.
    """
    at, firsts, frame = 2, dict[int, int](), 0
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _SCAN:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAMES:
            frame = data[at + 9] if at + 9 < len(data) else 0
        elif marker == _HUFFMAN:
            firsts |= _first_symbols(data[at + 4 : at + 2 + size])
        at += 2 + size
    size = int.from_bytes(data[at + 2 : at + 4], "big")
    head, start = data[at + 4 : at + 2 + size], at + 2 + size
    if not frame or not head or head[0] != frame or len(head) < 1 + 2 * frame:
        return None
    tables = {head[2 + 2 * each] for each in range(frame)}
    if all(
        firsts.get(table >> 4, 0) <= _GENTLE and firsts.get(0x10 | table & 15) == 0
        for table in tables
    ):
        return None  # an even block, as bright as the one before or hardly darker
    if data.find(_ENOUGH_ZEROS, start) < 0:
        return None  # known in a tenth of the time that the patterns below take
    ends = _SCAN_ENDS.search(data, start)
    end = len(data) if ends is None else ends.start()
    for zeros in re.finditer(rb"\x00{%d,}" % (ZEROS + 1), data[start:end]):
        if data[start + zeros.end() : start + zeros.end() + 1] not in {b"", b"\xff"}:
            found = start + zeros.start() + (data[start + zeros.start() - 1] == 0xFF)
            return found, (end - found) / max(1, end - start)
    return None


def _first_symbols(tables: bytes) -> dict[int, int]:
    """Return what the code of zeros only stands for: table's class and number -> its first symbol.

    Codes are given in the order of the symbols, from zeros on (ITU T.81, B.2.4.2 and annex C).
    """
    found, at = dict[int, int](), 0
    while at + 17 < len(tables):
        found[tables[at]] = tables[at + 17]
        at += 17 + sum(tables[at + 1 : at + 17])
    return found


def _png_fault(data: bytes) -> Fault | None:
    """Check the sums of the chunks with picture data (PNG, third edition, 5.3)."""
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], memoryview(data)[at + 8 : at + 8 + size]
        stated = int.from_bytes(data[at + 8 + size : at + 12 + size], "big")
        if kind == b"IDAT" and zlib.crc32(body, zlib.crc32(kind)) != stated:
            return Fault(round(1 - at / len(data), 4), f"wrong check sum of IDAT at byte {at}")
        if kind == b"IEND":
            break
        at += 12 + size
    return None
