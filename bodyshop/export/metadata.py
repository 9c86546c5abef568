"""Pictures without their metadata (place, owner, editor), with the same pixels.

JPEG, PNG, WebP and GIF are split into the parts of their format and joined again without those
that hold metadata. The colour profile is kept, and so is the orientation, in a minimal EXIF block:
without it, viewers would show the picture rotated.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bodyshop_core.errors import UnreadableImageError

if TYPE_CHECKING:
    pass

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_STANDALONE = {0x01, *range(0xD0, 0xD8)}

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_DROPPED = {b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME", b"zxIf"}

_GIF_LOOPS = {b"NETSCAPE2.0", b"ANIMEXTS1.0"}


def without_metadata(data: bytes, extension: str, orientation: int = 1) -> tuple[bytes, str]:
    """Remove EXIF, XMP, IPTC, comments, thumbnails and appended data from a picture.

    Parameters
    ----------
    data : bytes
        The file.
    extension : str
        Of the sniffed type, with no dot.
    orientation : int
        EXIF orientation, 1 to 8; kept when it is not 1.

    Returns
    -------
    tuple of (bytes, str)
        The new file and its extension. JPEG, PNG, WebP and GIF keep their compressed pixels, BMP
        has no metadata; TIFF and AVIF are decoded and become PNG (upright).

    Raises
    ------
    UnreadableImageError
        The file does not follow its format.
    """
    cleaner = {"jpg": _jpeg, "png": _png, "webp": _webp, "gif": _gif}.get(extension)
    if extension == "bmp":
        return data, extension
    if cleaner is None:
        return _as_png(data), "png"
    try:
        return cleaner(data, orientation), extension
    except (IndexError, struct.error, ValueError) as error:
        raise UnreadableImageError(f"not a well-formed {extension} file: {error}") from error


def upright_png(data: bytes) -> bytes:
    """Decode a picture, apply its orientation and encode it as PNG, for tools that ignore EXIF."""
    return _as_png(data)


def _jpeg(data: bytes, orientation: int) -> bytes:
    """Keep JFIF, the colour profile and Adobe's colour transform of the APPn segments (T.81)."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("no start of image")
    kept, start = bytearray(b"\xff\xd8"), 2
    exif = _exif(orientation)
    if exif:
        kept += b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif
    while True:
        while data[start] == 0xFF and data[start + 1] == 0xFF:
            start += 1  # fill bytes
        if data[start] != 0xFF:
            raise ValueError(f"no marker at byte {start}")
        marker = data[start + 1]
        if marker == _EOI:
            return bytes(kept + b"\xff\xd9")  # what follows may be another picture with its EXIF
        if marker in _STANDALONE:
            kept += data[start : start + 2]
            start += 2
            continue
        end = start + 2 + struct.unpack_from(">H", data, start + 2)[0]
        if end > len(data):
            raise ValueError("a segment ends after the file")
        if _is_worth_keeping(marker, data[start + 4 : end]):
            kept += data[start:end]
        start = end
        if marker == _SOS:
            end = _end_of_scan(data, start)
            kept += data[start:end]
            start = end
            if start >= len(data) - 1:  # truncated: tolerant decoders still accept it
                return bytes(kept + b"\xff\xd9")


def _is_worth_keeping(marker: int, payload: bytes) -> bool:
    if marker == 0xFE:  # comment
        return False
    if not 0xE0 <= marker <= 0xEF:
        return True
    return (
        (marker == 0xE0 and payload.startswith(b"JFIF\0"))
        or (marker == 0xE2 and payload.startswith(b"ICC_PROFILE\0"))
        or (marker == 0xEE and payload.startswith(b"Adobe"))
    )


def _end_of_scan(data: bytes, start: int) -> int:
    """Find the marker that ends entropy-coded data: not a stuffed zero, not a restart."""
    while True:
        start = data.find(b"\xff", start)
        if start < 0 or start + 1 >= len(data):
            return len(data)
        if data[start + 1] != 0 and not 0xD0 <= data[start + 1] <= 0xD7:
            return start
        start += 2


def _png(data: bytes, orientation: int) -> bytes:
    if data[:8] != _PNG_SIGNATURE:
        raise ValueError("no PNG signature")
    kept = bytearray(_PNG_SIGNATURE)
    for kind, chunk in _png_chunks(data):
        if kind in _PNG_DROPPED:
            continue
        kept += chunk
        exif = _exif(orientation)
        if kind == b"IHDR" and exif:
            checksum = zlib.crc32(b"eXIf" + exif)
            kept += struct.pack(">I", len(exif)) + b"eXIf" + exif + struct.pack(">I", checksum)
    return bytes(kept)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 8
    while start + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, start)
        end = start + 12 + length
        kind = data[start + 4 : start + 8]
        yield kind, data[start:end]
        if kind == b"IEND":
            return
        start = end
    raise ValueError("no IEND chunk")


def _webp(data: bytes, orientation: int) -> bytes:
    """Drop EXIF and XMP of the RIFF container (developers.google.com/speed/webp)."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise ValueError("no WebP container")
    chunks, start = [], 12
    stop = min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    while start + 8 <= stop:
        (length,) = struct.unpack_from("<I", data, start + 4)
        kind, end = data[start : start + 4], start + 8 + length
        if kind not in (b"EXIF", b"XMP "):
            chunks.append((kind, data[start + 8 : end]))
        start = end + length % 2
    exif = _exif(orientation)
    body = bytearray()
    for kind, payload in chunks:
        if kind == b"VP8X":  # flags: bit 3 EXIF, bit 2 XMP
            payload = bytes([payload[0] & ~0x0C | (0x08 if exif else 0)]) + payload[1:]
        body += kind + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)
    if exif and chunks and chunks[0][0] == b"VP8X":
        body += b"EXIF" + struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + bytes(body)


def _gif(data: bytes, _orientation: int) -> bytes:
    """Drop comments and application data other than the number of loops (GIF89a)."""
    if data[:3] != b"GIF":
        raise ValueError("no GIF signature")
    flags = data[10]
    start = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    kept = bytearray(data[:start])
    while start < len(data):
        block = data[start]
        if block == 0x3B:
            break
        if block == 0x2C:
            head = start + 10
            flags = data[start + 9]
            head += 3 << ((flags & 7) + 1) if flags & 0x80 else 0
            end, keep = _end_of_blocks(data, head + 1), True
        elif block == 0x21:
            end = _end_of_blocks(data, start + 2)
            label, name = data[start + 1], data[start + 3 : start + 14]
            keep = label in (0xF9, 0x01) or (label == 0xFF and name in _GIF_LOOPS)
        else:
            raise ValueError(f"unknown block {block:#x}")
        if keep:
            kept += data[start:end]
        start = end
    return bytes(kept + b"\x3b")


def _end_of_blocks(data: bytes, start: int) -> int:
    while data[start]:
        start += data[start] + 1
    return start + 1


def _exif(orientation: int) -> bytes:
    """Return a TIFF structure with the orientation (tag 0x0112, EXIF 2.3) and nothing else."""
    if orientation == 1:
        return b""
    header = b"MM\0*\0\0\0\x08"
    return header + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def _as_png(data: bytes) -> bytes:
    from PIL import Image

    from bodyshop_core.imaging import load_rgb

    buffer = io.BytesIO()
    Image.fromarray(load_rgb(data)).save(buffer, "PNG")
    return buffer.getvalue()
