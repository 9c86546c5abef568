"""Size and mode of a plain JPEG from its segments, without an image library.

Four of five pictures of a crawl are JPEGs, and reading their headers takes most of the time besides
copying. Files with EXIF, XMP, several pictures or unusual segments, and all errors, are left to
Pillow.
"""

from __future__ import annotations

_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended and progressive (ITU T.81, table B.1)
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_SCAN, _TABLES = 0xDA, 0xDB
_PASSED_OVER = {0xC4, 0xDD, 0xFE}  # Huffman tables, restart interval, comment
_KNOWN_APPS = {0xE0: (b"JFIF\0", 14), 0xE2: (b"ICC_PROFILE\0", 14), 0xEE: (b"Adobe", 12)}


def plain_header(data: bytes) -> tuple[int, int, str] | None:
    """Return width, height and Pillow's mode; None when this is not a plain JPEG.

    Parameters
    ----------
    data : bytes
        A whole file, or its beginning up to the first scan.
    """
    if data[:2] != b"\xff\xd8":
        return None
    at, frame, size = 2, None, len(data)
    while at + 4 <= size and data[at] == 0xFF:
        marker = data[at + 1]
        start, length = at + 4, int.from_bytes(data[at + 2 : at + 4], "big") - 2
        if length < 0 or start + length > size:
            return None
        if marker == _SCAN:
            return frame
        if marker in _FRAMES:
            if frame is not None or length < 9 or data[start] != 8:
                return None
            layers = data[start + 5]
            height = int.from_bytes(data[start + 1 : start + 3], "big")
            width = int.from_bytes(data[start + 3 : start + 5], "big")
            if layers not in _MODES or length != 6 + 3 * layers or not (width and height):
                return None
            frame = (width, height, _MODES[layers])
        elif marker == _TABLES:
            if not _whole_tables(data, start, length):
                return None
        elif marker in _KNOWN_APPS:
            name, least = _KNOWN_APPS[marker]
            if length < least or not data.startswith(name, start):
                return None
        elif marker not in _PASSED_OVER:
            return None
        at = start + length
    return None


def _whole_tables(data: bytes, at: int, length: int) -> bool:
    """Return whether a segment consists of whole quantization tables (T.81, B.2.4.1)."""
    end = at + length
    while at < end:
        at += 65 if data[at] < 16 else 129
    return at == end
