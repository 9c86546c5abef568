"""What kind of picture some bytes are, by their content, and which decoder reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class PictureType:
    """A kind of picture file.

    Parameters
    ----------
    name : str
        As people call it.
    decoder : str
        Pillow's name of the format; ``RAW`` for camera files, whose embedded preview is read.
    suffixes : tuple of str
        Endings of file names, with the dot, lower case.
    """

    name: str
    decoder: str
    suffixes: tuple[str, ...]


PICTURE_TYPES: dict[str, PictureType] = {
    "jpg": PictureType("JPEG", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")),
    "png": PictureType("PNG", "PNG", (".png", ".apng")),
    "gif": PictureType("GIF", "GIF", (".gif",)),
    "bmp": PictureType("BMP", "BMP", (".bmp", ".dib")),
    "tif": PictureType("TIFF", "TIFF", (".tif", ".tiff")),
    "webp": PictureType("WebP", "WEBP", (".webp",)),
    "avif": PictureType("AVIF", "AVIF", (".avif", ".avifs")),
    "heic": PictureType("HEIC", "HEIF", (".heic", ".heics", ".heif", ".heifs", ".hif")),
    "jp2": PictureType("JPEG 2000", "JPEG2000", (".jp2", ".j2k", ".j2c", ".jpc", ".jpx", ".jpf")),
    "jxl": PictureType("JPEG XL", "JXL", (".jxl",)),
    "psd": PictureType("Photoshop", "PSD", (".psd",)),
    "cr2": PictureType("Canon RAW", "RAW", (".cr2",)),
    "cr3": PictureType("Canon RAW", "RAW", (".cr3",)),
    "nef": PictureType("Nikon RAW", "RAW", (".nef", ".nrw")),
    "arw": PictureType("Sony RAW", "RAW", (".arw", ".srf", ".sr2")),
    "dng": PictureType("DNG RAW", "RAW", (".dng",)),
    "raf": PictureType("Fujifilm RAW", "RAW", (".raf",)),
    "rw2": PictureType("Panasonic RAW", "RAW", (".rw2",)),
    "orf": PictureType("Olympus RAW", "RAW", (".orf",)),
    "pef": PictureType("Pentax RAW", "RAW", (".pef",)),
}
"""The catalog's extension -> kind. All are recorded; which ones can be decoded depends on what is
installed."""

SUFFIXES = {suffix: key for key, kind in PICTURE_TYPES.items() for suffix in kind.suffixes}
"""File suffix -> the catalog's extension."""

HEAD = 64
"""Bytes from the start of a file that `sniff` needs."""

_SIGNATURES: tuple[tuple[bytes, int, str], ...] = (
    (b"\xff\xd8\xff", 0, "jpg"),
    (b"\x89PNG\r\n\x1a\n", 0, "png"),
    (b"GIF87a", 0, "gif"),
    (b"GIF89a", 0, "gif"),
    (b"BM", 0, "bmp"),
    (b"CR", 8, "cr2"),
    (b"II*\x00", 0, "tif"),
    (b"MM\x00*", 0, "tif"),
    (b"WEBP", 8, "webp"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", 0, "jp2"),
    (b"\xff\x4f\xff\x51", 0, "jp2"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", 0, "jxl"),
    (b"\xff\x0a", 0, "jxl"),
    (b"8BPS\x00\x01", 0, "psd"),
    (b"FUJIFILMCCD-RAW", 0, "raf"),
    (b"IIU\x00", 0, "rw2"),
    (b"IIRO", 0, "orf"),
    (b"IIRS", 0, "orf"),
    (b"MMOR", 0, "orf"),
)
_TIFF = (b"II*\x00", b"MM\x00*")
_AVIF = {b"avif", b"avis"}
_HEIF = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}
_SUB_IFDS, _PHOTOMETRIC, _DNG_VERSION = 330, 262, 50706
_SENSOR = {32803, 34892}  # colour filter array, linear raw (DNG 1.7, "PhotometricInterpretation")
_MAX_IFDS, _MAX_ENTRIES = 12, 512


def sniff(data: bytes) -> str | None:
    """Detect the type of a picture by its first bytes, whatever its name or header claims.

    Parameters
    ----------
    data : bytes
        At least the first 16 bytes; `HEAD` tell all types apart.

    Returns
    -------
    str or None
        A key of `PICTURE_TYPES`; None for anything else. A camera file that is a TIFF inside is
        ``tif``: see `is_raw_tiff`.
    """
    if data[4:8] == b"ftyp":
        return _of_brands(data)
    for signature, offset, extension in _SIGNATURES:
        if data[offset : offset + len(signature)] == signature:
            if extension == "cr2" and data[:4] not in _TIFF:
                continue
            return extension
    return None


def pictures_below(folder: Path) -> list[Path]:
    """Return the files of a folder that are meant to be pictures, readable or not, sorted.

    By their names, or by their first bytes where a name does not say so: an empty ``front.jpg`` is
    a picture that can't be read, not nothing. Hidden files and folders are passed over.
    """
    return [
        path
        for path in sorted(folder.rglob("*"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
        and _is_meant_to_be_picture(path)
    ]


def _is_meant_to_be_picture(path: Path) -> bool:
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return sniff(file.read(HEAD)) is not None
    except OSError:
        return False


def is_raw_tiff(file: BinaryIO) -> bool:
    """Return whether a TIFF holds sensor data: then its first picture is a thumbnail only.

    Parameters
    ----------
    file : binary file
        Seekable, of type ``tif``.
    """
    file.seek(0)
    head = file.read(8)
    order = "little" if head[:2] == b"II" else "big"
    waiting = [int.from_bytes(head[4:8], order)]  # type: ignore[arg-type]
    for _ in range(_MAX_IFDS):
        if not waiting:
            break
        file.seek(waiting.pop(0))
        count = int.from_bytes(file.read(2), order)  # type: ignore[arg-type]
        entries = file.read(12 * min(count, _MAX_ENTRIES))
        for at in range(0, len(entries) - 11, 12):
            tag, kind, number, value = _entry(entries[at : at + 12], order)
            if tag == _DNG_VERSION or (tag == _PHOTOMETRIC and value in _SENSOR):
                return True
            if tag == _SUB_IFDS and kind in {4, 13}:
                if number == 1:
                    waiting.append(value)
                else:
                    file.seek(value)
                    places = file.read(4 * min(number, _MAX_IFDS))
                    waiting += [
                        int.from_bytes(places[i : i + 4], order)  # type: ignore[arg-type]
                        for i in range(0, len(places) - 3, 4)
                    ]
    return False


def _entry(data: bytes, order: str) -> tuple[int, int, int, int]:
    """Return tag, type, count and value of a directory's entry (TIFF 6.0, section 2)."""
    tag, kind = (int.from_bytes(data[at : at + 2], order) for at in (0, 2))  # type: ignore[arg-type]
    number = int.from_bytes(data[4:8], order)  # type: ignore[arg-type]
    short = kind == 3 and number == 1
    value = int.from_bytes(data[8 : 10 if short else 12], order)  # type: ignore[arg-type]
    return tag, kind, number, value


def _of_brands(data: bytes) -> str | None:
    """Read the brands of an ISO base media file (ISO/IEC 14496-12, 4.3)."""
    size = min(int.from_bytes(data[:4], "big"), len(data))
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, size - 3, 4))]
    if brands[0] == b"crx ":
        return "cr3"
    if _AVIF & set(brands):
        return "avif"
    return "heic" if _HEIF & set(brands) else None
