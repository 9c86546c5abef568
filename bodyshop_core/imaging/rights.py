"""Artist and copyright that a picture states itself: EXIF, XMP and IPTC.

In the order of the Metadata Working Group's guidance for image metadata (2.0, section 5). All of it
is untrusted: XMP is searched as text, no XML parser reads it.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from PIL import Image

MAX_TEXT = 500
_EXIF_ARTIST, _EXIF_COPYRIGHT, _TIFF_XMP, _TIFF_IPTC = 0x013B, 0x8298, 700, 33723
_IPTC_RESOURCE = 0x0404  # of a Photoshop block (APP13)
_IPTC_BYLINE, _IPTC_COPYRIGHT = 80, 116  # datasets of record 2 (IPTC IIM 4.2)
_HOLDERS = ("exif", "xmp", "XML:com.adobe.xmp", "photoshop", "Author", "Copyright")
_XMP = {
    "artist": re.compile(r"<dc:creator\b[^>]*>(.*?)</dc:creator>", re.DOTALL),
    "copyright": re.compile(r"<dc:rights\b[^>]*>(.*?)</dc:rights>", re.DOTALL),
}
_XMP_ITEM = re.compile(r"<rdf:li\b[^>]*>(.*?)</rdf:li>", re.DOTALL)


def rights_of(image: Image.Image) -> dict[str, str | None]:
    """Read artist and copyright of an opened picture; no pixel is decoded.

    Returns
    -------
    dict
        ``artist`` and ``copyright``, each one line of at most `MAX_TEXT` characters, or None.
    """
    found: dict[str, str | None] = {"artist": None, "copyright": None}
    if image.format != "TIFF" and not any(name in image.info for name in _HOLDERS):
        return found
    try:
        for name, text in _statements(image):
            found[name] = found[name] or _line(text) or None
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - hostile metadata raise nearly anything, and they are optional
        return found
    return found


def _statements(image: Image.Image) -> Iterator[tuple[str, str]]:
    exif, info = image.getexif(), image.info
    yield "artist", _decoded(exif.get(_EXIF_ARTIST))
    # EXIF 2.32, 4.6.5: the photographer's and the editor's notice, with a NUL between them.
    notice = _decoded(exif.get(_EXIF_COPYRIGHT))
    yield "copyright", ", ".join(part.strip() for part in notice.split("\0") if part.strip())
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp") or exif.get(_TIFF_XMP) or ""
    text = _decoded(xmp)
    for name, pattern in _XMP.items():
        block = pattern.search(text)
        items = _XMP_ITEM.findall(block[1]) if block else []
        yield name, ", ".join(html.unescape(item) for item in items if item.strip())
    blocks = info.get("photoshop")
    iptc = blocks.get(_IPTC_RESOURCE) if isinstance(blocks, dict) else exif.get(_TIFF_IPTC)
    if isinstance(iptc, bytes):
        yield from _iptc(iptc)
    yield "artist", _decoded(info.get("Author"))
    yield "copyright", _decoded(info.get("Copyright"))


def _iptc(data: bytes) -> Iterator[tuple[str, str]]:
    """Walk the datasets: marker, record, number, two bytes of length, value (IPTC IIM 4.2, 1.5)."""
    names = {_IPTC_BYLINE: "artist", _IPTC_COPYRIGHT: "copyright"}
    at = 0
    while at + 5 <= len(data) and data[at] == 0x1C:
        record, number = data[at + 1], data[at + 2]
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        if size & 0x8000:  # an extended dataset: nothing as short as a name is one
            return
        if record == 2 and number in names:
            yield names[number], _decoded(data[at + 5 : at + 5 + size])
        at += 5 + size


def _decoded(value: Any) -> str:
    """Return text as UTF-8, else Latin-1; Pillow returns EXIF text as the latter."""
    if isinstance(value, str):
        try:
            data = value.encode("latin-1")
        except UnicodeEncodeError:
            return value
    elif isinstance(value, bytes):
        data = value
    else:
        return ""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _line(text: str) -> str:
    kept = "".join(
        " " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} else char
        for char in text[: 4 * MAX_TEXT]
        if unicodedata.category(char) not in {"Cs", "Cf"}
    )
    return unicodedata.normalize("NFC", " ".join(kept.split()))[:MAX_TEXT]
