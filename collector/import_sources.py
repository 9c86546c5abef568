"""Where an import takes its pictures from: a folder, a zip or tar archive, or a data set.

Each source lists its names first, since what a folder means depends on the others, and then yields
the bytes in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bodyshop_core.errors import UsageError
from collector.folder_layout import Told
from collector.folder_walk import (
    TOO_LARGE,
    UNREADABLE,
    Skipped,
    WalkedFile,
    open_regular,
    regular_files,
)
from collector.import_archives import TarSource, ZipSource
from collector.import_bytes import MAX_BYTES, MAX_TABLE_BYTES, Entry, read_picture
from collector.import_datasets import DatasetSource, is_dataset

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


LIST_SUFFIXES = (".txt", ".urls", ".lst")


class ImportSource(Protocol):
    """What an import reads."""

    root: str
    """What its statements are remembered by: another import of the same root corrects them."""

    def names(self) -> list[str]:
        """Return the names of all files, with ``/``."""

    def told(self) -> Sequence[Told] | None:
        """Return what the source states of each name; None where the folders of a name do."""

    def entries(self) -> Iterator[Entry]:
        """Yield the files in the order of `names`."""

    def table(self, name: str) -> bytes:
        """Return the bytes of a ``metadata.csv``; OSError when they can't be had."""


@dataclass
class FolderSource:
    """A folder on disk."""

    folder: Path
    skipped: Skipped

    def __post_init__(self) -> None:
        self.root = str(self.folder.resolve())
        self._files = list(regular_files(self.folder, self.skipped))
        self._by_name = {file.name: file for file in self._files}

    def names(self) -> list[str]:
        """Return the names below the folder."""
        return [file.name for file in self._files]

    def told(self) -> None:
        """Return None: the folders of a name say its split and class."""

    def entries(self) -> Iterator[Entry]:
        """Yield every regular file."""
        for index, file in enumerate(self._files):
            yield index, file.size, lambda file=file: self._read(file)  # type: ignore[misc]

    def table(self, name: str) -> bytes:
        """Return the bytes of one of its files.

        Raises
        ------
        OSError
            It is too large or can't be read.
        """
        with open_regular(self._by_name[name]) as stream:
            data = stream.read(MAX_TABLE_BYTES + 1)
        if len(data) > MAX_TABLE_BYTES:
            raise OSError(f"larger than {MAX_TABLE_BYTES} bytes")
        return data

    def _read(self, file: WalkedFile) -> bytes | None:
        try:
            with open_regular(file) as stream:
                data = read_picture(stream, file.name, MAX_BYTES + 1)
        except OSError:
            self.skipped.add(UNREADABLE, file.name)
            return None
        if len(data) > MAX_BYTES:
            self.skipped.add(TOO_LARGE, file.name)
            return None
        return data


def open_source(path: Path, skipped: Skipped, field: str = "damage") -> ImportSource:
    """Open what an import is to read.

    Parameters
    ----------
    path : Path
        A folder, an archive, or a data set (see `collector.import_datasets`).
    skipped : Skipped
        Takes what is left out.
    field : str
        What the classes of a data set stand for.

    Raises
    ------
    UsageError
        It is none of these, or can't be read.
    """
    if path.exists() and is_dataset(path):
        return DatasetSource(path, field, skipped)
    if path.is_dir():
        return FolderSource(path, skipped)
    if not path.is_file():
        raise UsageError(f"{path} does not exist")
    if path.name.lower().endswith(ARCHIVE_SUFFIXES):
        zipped = path.name.lower().endswith(".zip")
        return ZipSource(path, skipped) if zipped else TarSource(path, skipped)
    if path.suffix.lower() in LIST_SUFFIXES:
        raise UsageError(
            f"{path} is a text, not a folder or archive",
            hint="to download a list of addresses: "
            f"bodyshop collect {path} --contact you@example.org --brand BRAND --model MODEL",
        )
    raise UsageError(
        f"{path} is neither a folder nor an archive",
        hint=f"archives end in {', '.join(ARCHIVE_SUFFIXES)}, data sets in .parquet or .arrow",
    )
