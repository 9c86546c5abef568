"""Where an import takes its pictures from: a folder, or a zip or tar archive.

Each source lists its names first, since what a folder means depends on the others, and then yields
the bytes in the same order. Nothing is unpacked to disk, and no path is built from a name in an
archive.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from bodyshop_core.errors import UsageError
from collector.folder_walk import (
    SPECIAL,
    TOO_LARGE,
    UNREADABLE,
    Skipped,
    WalkedFile,
    is_ignored,
    open_regular,
    regular_files,
)

MAX_BYTES = 500_000_000
"""A larger file is not a photo; to read it would only need memory."""

MAX_RATIO = 500
"""Bytes per compressed byte, from `BOMB_BYTES` on: no picture is compressed that much once more."""

BOMB_BYTES = 10_000_000

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

Load = Callable[[], bytes | None]
"""Returns a file's bytes; None when it was skipped. May be called in another thread."""


class ImportSource(Protocol):
    """What an import reads."""

    root: str
    """What its statements are remembered by: another import of the same root corrects them."""

    def names(self) -> list[str]:
        """Return the names of all files, with ``/``."""

    def entries(self) -> Iterator[tuple[int, Load]]:
        """Yield the position among `names` and a way to get the bytes."""


@dataclass
class FolderSource:
    """A folder on disk."""

    folder: Path
    skipped: Skipped

    def __post_init__(self) -> None:
        self.root = str(self.folder.resolve())
        self._files = list(regular_files(self.folder, self.skipped))

    def names(self) -> list[str]:
        """Return the names below the folder."""
        return [file.name for file in self._files]

    def entries(self) -> Iterator[tuple[int, Load]]:
        """Yield every regular file."""
        for index, file in enumerate(self._files):
            yield index, lambda file=file: self._read(file)  # type: ignore[misc]

    def _read(self, file: WalkedFile) -> bytes | None:
        try:
            with open_regular(file) as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError:
            self.skipped.add(UNREADABLE, file.name)
            return None
        if len(data) > MAX_BYTES:
            self.skipped.add(TOO_LARGE, file.name)
            return None
        return data


@dataclass
class ZipSource:
    """A zip archive."""

    file: Path
    skipped: Skipped

    def __post_init__(self) -> None:
        self.root = str(self.file.resolve())
        try:
            with zipfile.ZipFile(self.file) as archive:
                self._members = [member for member in archive.infolist() if self._is_wanted(member)]
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise UsageError(
                f"{self.file} is not a zip archive that can be read: {error}"
            ) from error

    def names(self) -> list[str]:
        """Return the names of its files."""
        return [_relative(member.filename) for member in self._members]

    def entries(self) -> Iterator[tuple[int, Load]]:
        """Yield its files; read here, in order."""
        with zipfile.ZipFile(self.file) as archive:
            for index, member in enumerate(self._members):
                data = self._read(archive, member)
                yield index, lambda data=data: data  # type: ignore[misc]

    def _is_wanted(self, member: zipfile.ZipInfo) -> bool:
        if member.is_dir() or _is_ignored(member.filename):
            return False
        if (member.external_attr >> 16) & 0o170000 not in {0, 0o100000}:
            self.skipped.add(SPECIAL, member.filename)
        elif member.flag_bits & 1:
            self.skipped.add("encrypted", member.filename)
        elif member.file_size > MAX_BYTES:
            self.skipped.add(TOO_LARGE, member.filename)
        elif member.file_size > max(BOMB_BYTES, MAX_RATIO * member.compress_size):
            self.skipped.add("compressed too strongly for a picture", member.filename)
        else:
            return True
        return False

    def _read(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | None:
        try:
            with archive.open(member) as stream:
                return stream.read(member.file_size + 1)[: member.file_size]
        except Exception:  # noqa: BLE001 - zlib, lzma, CRC and header errors: this file is lost
            self.skipped.add(UNREADABLE, member.filename)
            return None


@dataclass
class TarSource:
    """A tar archive, compressed or not; it is read twice."""

    file: Path
    skipped: Skipped

    def __post_init__(self) -> None:
        self.root = str(self.file.resolve())
        self._names: list[str] = []
        for member, _ in self._walk():
            if member.isfile() and member.size <= MAX_BYTES:
                self._names.append(_relative(member.name))
            elif member.isfile():
                self.skipped.add(TOO_LARGE, member.name)
            elif not member.isdir():
                self.skipped.add("link or device in an archive", member.name)

    def names(self) -> list[str]:
        """Return the names of its files."""
        return self._names

    def entries(self) -> Iterator[tuple[int, Load]]:
        """Yield its files; read here, in order."""
        index = 0
        for member, archive in self._walk():
            if not member.isfile() or member.size > MAX_BYTES:
                continue
            data = self._read(archive, member)
            yield index, lambda data=data: data  # type: ignore[misc]
            index += 1

    def _walk(self) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
        try:
            with tarfile.open(self.file, "r|*") as archive:
                for member in archive:
                    if not _is_ignored(member.name):
                        yield member, archive
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            raise UsageError(
                f"{self.file} is not a tar archive that can be read: {error}"
            ) from error

    def _read(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
        stream = archive.extractfile(member)
        return None if stream is None else stream.read(member.size)


def open_source(path: Path, skipped: Skipped) -> ImportSource:
    """Open what an import is to read.

    Raises
    ------
    UsageError
        It is neither a folder nor an archive that can be read.
    """
    if path.is_dir():
        return FolderSource(path, skipped)
    if not path.is_file():
        raise UsageError(f"{path} does not exist")
    if path.name.lower().endswith(ARCHIVE_SUFFIXES):
        zipped = path.name.lower().endswith(".zip")
        return ZipSource(path, skipped) if zipped else TarSource(path, skipped)
    raise UsageError(
        f"{path} is neither a folder nor an archive",
        hint=f"archives end in {', '.join(ARCHIVE_SUFFIXES)}",
    )


def kind_of(suffix: str) -> str:
    """Return what a skipped file of this suffix is counted as."""
    return f"{suffix} file" if suffix else "file without a suffix"


def _is_ignored(name: str) -> bool:
    return any(
        is_ignored(part) for part in PurePosixPath(name).parts if part not in {".", "..", "/"}
    )


def _relative(name: str) -> str:
    return "/".join(part for part in PurePosixPath(name).parts if part not in {"/", ".", ".."})
