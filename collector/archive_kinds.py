"""Which files are archives, by their first bytes and by their names, and which can be read."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterable
from pathlib import Path
from typing import IO, cast

ARCHIVE_SUFFIXES = (
    ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst",
)  # fmt: skip
"""Names of archives that are read; a file of another name is one if it begins as one."""

CLOSED_SUFFIXES = (".7z", ".rar", ".cab", ".iso", ".dmg", ".lzh", ".tar.lz4", ".tar.lz", ".tar.z")
"""Names of archives that only another program opens."""

_GZIP, _BZIP2, _XZ, _LZMA = b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x5d\x00\x00"
# RFC 8878: of a frame, and of one to be skipped, with which pzstd's files begin.
_ZSTD = (b"\x28\xb5\x2f\xfd", *(bytes((0x50 + n, 0x2A, 0x4D, 0x18)) for n in range(16)))
_COMPRESSED = (_GZIP, _BZIP2, _XZ, *_ZSTD)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_CLOSED = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07")
_USTAR_AT = 257  # POSIX 1003.1, pax: magic of a header


def archive_kind(path: Path) -> str | None:
    """Return ``zip``, ``tar`` or ``closed`` (another program has to open it); None for no archive.

    Parameters
    ----------
    path : Path
        A file. Its name counts where its content does not tell, and for one that is damaged.
    """
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(_CLOSED):
        return "closed"
    name = path.name.lower()
    if name.endswith(ARCHIVE_SUFFIXES):
        return "zip" if name.endswith(".zip") else "tar"
    if head.startswith(_ZIP):
        return "zip"
    if head.startswith(_COMPRESSED) or head[_USTAR_AT : _USTAR_AT + 5] == b"ustar":
        return "tar"
    return "closed" if name.endswith(CLOSED_SUFFIXES) else None


def unpacked(raw: IO[bytes]) -> IO[bytes]:
    """Return what a compressed file holds, as a stream; another file itself."""
    head = raw.read(6)
    raw.seek(0)
    if head.startswith(_GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
    if head.startswith(_BZIP2):
        return cast("IO[bytes]", bz2.BZ2File(raw))
    if head.startswith((_XZ, _LZMA)):
        return cast("IO[bytes]", lzma.LZMAFile(raw))
    if head.startswith(_ZSTD):
        import pyarrow as pa

        return cast("IO[bytes]", pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"))
    return raw


def first_archive(names: Iterable[str], suffixes: tuple[str, ...]) -> str | None:
    """Return the first name that is an archive's by its suffix."""
    return next((name for name in names if name.lower().endswith(suffixes)), None)
