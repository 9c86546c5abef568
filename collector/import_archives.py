"""Zip and tar archives as sources of an import.

Nothing is unpacked to disk, and no path is built from a name in an archive. What an archive may
unpack to is limited, for each file and in all.
"""

from __future__ import annotations

import contextlib
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from bodyshop_core.errors import UsageError
from collector.archive_kinds import unpacked
from collector.folder_walk import SPECIAL, TOO_LARGE, UNREADABLE, Skipped, is_ignored
from collector.import_bytes import MAX_BYTES, MAX_TABLE_BYTES, Entry, is_metadata, read_picture

MAX_RATIO = 500
"""Bytes per compressed byte, from `BOMB_BYTES` on: no picture is compressed that much once more."""

BOMB_BYTES = 10_000_000

TOTAL_RATIO = 100
"""Bytes per byte of the whole archive, from `TOTAL_BYTES` on; pictures hardly shrink at all."""

TOTAL_BYTES = 200_000_000

_IS_UTF8 = 0x800
"""General purpose flag of a zip's member: its name is in UTF-8 (APPNOTE 4.4.4, bit 11)."""

BEYOND = "beyond what an archive of its size may unpack to"
REST = "rest of the archive"
ENCRYPTED = "encrypted"

_DAMAGES = (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)


@dataclass
class ZipSource:
    """A zip archive."""

    file: Path
    skipped: Skipped

    def __post_init__(self) -> None:
        self.root = str(self.file.resolve())
        self._left = _may_unpack_to(self.file)
        try:
            with zipfile.ZipFile(self.file) as archive:
                self._members = [member for member in archive.infolist() if self._is_wanted(member)]
                self._tables = dict(self._read_tables(archive))
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise UsageError(
                f"{self.file} is not a zip archive that can be read: {error}"
            ) from error

    def names(self) -> list[str]:
        """Return the names of its files."""
        return [_zipped_name(member) for member in self._members]

    def told(self) -> None:
        """Return None: the folders of a name say its split and class."""

    def entries(self) -> Iterator[Entry]:
        """Yield its files; read here, in order."""
        with zipfile.ZipFile(self.file) as archive:
            for index, member in enumerate(self._members):
                data = self._read(archive, member)
                yield index, len(data or b""), lambda data=data: data  # type: ignore[misc]

    def table(self, name: str) -> bytes:
        """Return the bytes of one of its tables.

        Raises
        ------
        OSError
            It is too large or damaged.
        """
        return _kept(self._tables, name)

    def _read_tables(self, archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
        left = MAX_TABLE_BYTES
        for member in self._members:
            name = _zipped_name(member)
            if not is_metadata(name) or member.file_size > left:
                continue
            left -= member.file_size
            try:
                with archive.open(member) as stream:
                    yield name, stream.read(member.file_size)
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - as in _read; `table` says that it is lost
                continue

    def _is_wanted(self, member: zipfile.ZipInfo) -> bool:
        if member.is_dir() or _is_ignored(member.filename):
            return False
        if (member.external_attr >> 16) & 0o170000 not in {0, 0o100000}:
            self.skipped.add(SPECIAL, member.filename)
        elif member.flag_bits & 1:
            self.skipped.add(ENCRYPTED, member.filename)
        elif member.file_size > MAX_BYTES:
            self.skipped.add(TOO_LARGE, member.filename)
        elif member.file_size > max(BOMB_BYTES, MAX_RATIO * member.compress_size):
            self.skipped.add("compressed too strongly for a picture", member.filename)
        elif member.file_size > self._left:
            self.skipped.add(BEYOND, member.filename)
        else:
            self._left -= member.file_size
            return True
        return False

    def _read(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | None:
        try:
            with archive.open(member) as stream:
                return read_picture(stream, member.filename, member.file_size)
        except MemoryError:  # of this machine
            raise
        except Exception:  # noqa: BLE001 - zlib, lzma, CRC and header errors: this file is lost
            self.skipped.add(UNREADABLE, member.filename)
            return None


@dataclass
class TarSource:
    """A tar archive, compressed or not; it is read twice. What is before a damage is kept."""

    file: Path
    skipped: Skipped

    def __post_init__(self) -> None:
        self.root = str(self.file.resolve())
        self._names: list[str] = []
        self._tables: dict[str, bytes] = {}
        self._ended_by: Exception | None = None
        left = MAX_TABLE_BYTES
        for member, archive in self._walk():
            if _is_wanted(member):
                name = _relative(member.name)
                self._names.append(name)
                if is_metadata(name) and member.size <= left:
                    left -= member.size
                    data = self._read(archive, member, whole=True)
                    self._tables |= {} if data is None else {name: data}
            elif member.isfile():
                kind = "sparse file in an archive" if member.issparse() else TOO_LARGE
                self.skipped.add(kind, member.name)
            elif not member.isdir():
                self.skipped.add("link or device in an archive", member.name)
        if self._ended_by is not None:
            if not self._names:
                raise UsageError(
                    f"{self.file} is not a tar archive that can be read: {self._ended_by}"
                ) from self._ended_by
            self.skipped.add(REST, f"after {self._names[-1]}: {self._ended_by}")

    def names(self) -> list[str]:
        """Return the names of its files."""
        return self._names

    def told(self) -> None:
        """Return None: the folders of a name say its split and class."""

    def entries(self) -> Iterator[Entry]:
        """Yield its files; read here, in order."""
        index = 0
        for member, archive in self._walk():
            if not _is_wanted(member) or index == len(self._names):
                continue
            data = self._read(archive, member)
            yield index, len(data or b""), lambda data=data: data  # type: ignore[misc]
            index += 1

    def table(self, name: str) -> bytes:
        """Return the bytes of one of its tables.

        Raises
        ------
        OSError
            It is too large or damaged.
        """
        return _kept(self._tables, name)

    def _walk(self) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
        """Yield the members before the end or the first damage, which is noted."""
        try:
            with self.file.open("rb") as raw, unpacked(raw) as inside:
                limited = cast("IO[bytes]", _Limited(inside, _may_unpack_to(self.file)))
                with tarfile.open(fileobj=limited, mode="r|", tarinfo=_Member) as archive:
                    for member in archive:
                        if not _is_ignored(member.name):
                            yield member, archive
        except _DAMAGES as error:
            self._ended_by = error

    def _read(
        self, archive: tarfile.TarFile, member: tarfile.TarInfo, *, whole: bool = False
    ) -> bytes | None:
        try:
            stream = archive.extractfile(member)
            if stream is None:
                return None
            if whole:
                return stream.read(member.size)
            return read_picture(stream, member.name, member.size)
        except _DAMAGES:
            self.skipped.add(UNREADABLE, member.name)
            return None


class _Member(tarfile.TarInfo):
    """Reports a header that is none, which `tarfile` takes for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Member:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.InvalidHeaderError as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from error


@dataclass
class _Limited:
    """A stream that refuses to unpack more than `left` bytes."""

    stream: IO[bytes]
    left: int

    def read(self, size: int) -> bytes:
        data = self.stream.read(min(size, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise OSError(BEYOND)
        return data


def _kept(tables: dict[str, bytes], name: str) -> bytes:
    if name not in tables:
        raise OSError(f"damaged, or the tables of the archive exceed {MAX_TABLE_BYTES} bytes")
    return tables[name]


def _may_unpack_to(file: Path) -> int:
    return max(TOTAL_BYTES, TOTAL_RATIO * file.stat().st_size)


def _is_wanted(member: tarfile.TarInfo) -> bool:
    return member.isfile() and not member.issparse() and member.size <= MAX_BYTES


def _is_ignored(name: str) -> bool:
    return any(
        is_ignored(part) for part in PurePosixPath(name).parts if part not in {".", "..", "/"}
    )


def _zipped_name(member: zipfile.ZipInfo) -> str:
    """Return a member's name below the root.

    Programs of macOS write UTF-8 without saying so, and some of Windows write backslashes.
    """
    name = member.filename
    if not member.flag_bits & _IS_UTF8 and not name.isascii():
        with contextlib.suppress(UnicodeError):  # another code page; which one is not said
            name = name.encode("cp437").decode("utf-8")
    return _relative(name.replace("\\", "/"))


def _relative(name: str) -> str:
    return "/".join(part for part in PurePosixPath(name).parts if part not in {"/", ".", ".."})
