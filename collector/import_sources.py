"""Where an import takes its pictures from: a folder, a zip or tar archive, or a data set.

Each source lists its names first, since what a folder means depends on the others, and then yields
the bytes in the same order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bodyshop_core.errors import UsageError
from bodyshop_core.imaging import sniff
from bodyshop_core.imaging.types import HEAD, SUFFIXES
from collector.archive_kinds import ARCHIVE_SUFFIXES, archive_kind
from collector.brands import LIST_SUFFIXES
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
from collector.import_statements import TABLE_SUFFIXES

HEAD_OF_LIST = 4096

_ADDRESS = re.compile(rb"^[^<{\x00]*\bhttps?://", re.DOTALL)


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
    try:
        kind = archive_kind(path)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error}") from error
    if kind in {"zip", "tar"}:
        return ZipSource(path, skipped) if kind == "zip" else TarSource(path, skipped)
    message, hint = _no_source(path, kind)
    raise UsageError(message, hint=hint)


def _no_source(path: Path, kind: str | None) -> tuple[str, str]:
    """Return what a file is that can't be imported, and what to do instead."""
    with path.open("rb") as file:
        head = file.read(HEAD_OF_LIST)
    if kind == "closed":
        return (
            f"{path} is an archive that only another program opens",
            f"unpack it, then: bodyshop import {path.with_suffix('')}",
        )
    if sniff(head[:HEAD]) is not None or path.suffix.lower() in SUFFIXES:
        return (
            f"{path} is one picture, not a folder or archive",
            f"import the folder that it is in: bodyshop import {path.parent}",
        )
    if path.suffix.lower() in LIST_SUFFIXES or _ADDRESS.search(head):
        listed = path.suffix.lower() in LIST_SUFFIXES
        return (
            f"{path} is a text, not a folder or archive",
            ("" if listed else "write its addresses into a .txt, one per line; ")
            + "to download a list of addresses: bodyshop collect "
            f"{path if listed else path.with_suffix('.txt')} "
            "--contact you@example.org --brand BRAND --model MODEL",
        )
    if path.suffix.lower() in TABLE_SUFFIXES:
        return (
            f"{path} is a table, not a folder or archive",
            f"import the folder of the pictures: bodyshop import DIR --labels {path}",
        )
    return (
        f"{path} is neither a folder nor an archive",
        f"archives end in {', '.join(ARCHIVE_SUFFIXES)}, data sets in .parquet or .arrow",
    )
