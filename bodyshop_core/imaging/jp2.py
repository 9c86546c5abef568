"""The colour profile of a JPEG 2000 file, which Pillow passes over."""

from __future__ import annotations

import struct
from typing import BinaryIO

SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"

_RESTRICTED, _ANY = 2, 3  # methods of the colour box that hold an ICC profile
_LARGEST = 4 << 20
_MOST_BOXES = 64


def jp2_profile(file: BinaryIO) -> bytes | None:
    """Return the ICC profile in a JP2 file's header (ISO/IEC 15444-1, I.5.3.3).

    Parameters
    ----------
    file : binary file
        Read from its beginning.

    Returns
    -------
    bytes or None
        None for a bare codestream, a header that is broken, and colours that are numbered.
    """
    file.seek(0)
    if file.read(len(SIGNATURE)) != SIGNATURE:
        return None
    for _ in range(_MOST_BOXES):
        head = file.read(16)
        if len(head) < 8:
            return None
        size, kind = struct.unpack(">I4s", head[:8])
        used = 8
        if size == 1 and len(head) == 16:
            size, used = int.from_bytes(head[8:], "big"), 16
        file.seek(used - len(head), 1)
        if kind == b"jp2h":
            return _profile_in(file.read(min(max(0, size - used), _LARGEST)))
        if size < used:  # to the end of the file, or broken
            return None
        file.seek(size - used, 1)
    return None


def _profile_in(header: bytes) -> bytes | None:
    at = 0
    for _ in range(_MOST_BOXES):
        if len(header) < at + 8:
            return None
        size, kind = struct.unpack_from(">I4s", header, at)
        if size < 8 or at + size > len(header):
            return None
        box = header[at + 8 : at + size]
        if kind == b"colr" and box[:1] in (bytes([_RESTRICTED]), bytes([_ANY])):
            return box[3:]
        at += size
    return None
