"""A folder that an export fills: resumed when interrupted, brought up to date when run again.

The folder may come from somebody else, so its record is not trusted: no file outside of the folder
is read, written or removed because of it.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError, UsageError

RECORD = ".bodyshop-export.json"
"""What the export wrote, and whether it was finished; it moves along with the files."""

Link = Literal["copy", "hardlink", "symlink"]


class Destination:
    """Files of one export, each written whole or not at all.

    Parameters
    ----------
    folder : Path
        New, empty, or filled by an earlier export of the same format.
    format : str
        Of the export.
    options : Mapping
        What decides about the content of the pictures: with other options all are written again.
    snapshot : str
        Id of the state that is exported; for the record.

    Raises
    ------
    UsageError
        The folder holds something else, or its record names something outside of it.
    """

    def __init__(
        self, folder: Path, format: str, options: Mapping[str, Any], snapshot: str
    ) -> None:
        self.folder, self.format, self.options = folder, format, dict(options)
        self.snapshot = snapshot
        before = self._read()
        self._ours: set[str] = set(before.get("files", ()))
        self._reuse = before.get("options") == self.options
        self._planned: set[str] = set()
        self.written = 0

    def plan(self, files: Iterable[str]) -> None:
        """Record which files will be written, before the first one is.

        After an interruption, the next run knows from the record which files are the export's own.

        Raises
        ------
        UsageError
            A folder on the way to one of them is a link.
        """
        self._planned |= set(files)
        self._refuse_links(self._planned | self._ours)
        self._write(self._ours | self._planned, complete=False)

    def put_picture(self, file: str, make: Callable[[], bytes | Path], link: Link = "copy") -> None:
        """Write a picture unless it is there already; its name stands for its content.

        Parameters
        ----------
        file : str
            Relative to the folder, with forward slashes.
        make : callable
            Returns the bytes to write, or a file to link to or copy as it is.
        link : str
            What to do with a file.
        """
        path = self.folder / file
        there = self._reuse and file in self._ours and path.exists()
        if there and not path.is_symlink():
            return
        content = make()
        if there and link == "symlink" and isinstance(content, Path):
            there = path.readlink() == content
        if isinstance(content, bytes):
            atomic.write_bytes(path, content)
        elif link == "copy":
            atomic.write_bytes(path, content.read_bytes())
        else:
            _link(content, path, link)
        self.written += 1

    def finish(self) -> int:
        """Remove the files of an earlier export that this one lacks, and record the end.

        Returns
        -------
        int
            Files removed.
        """
        stale = self._ours - self._planned
        for file in stale:
            path = self.folder / file
            path.unlink(missing_ok=True)
            _remove_empty(path.parent, self.folder)
        self._write(self._planned, complete=True)
        return len(stale)

    def _read(self) -> dict[str, Any]:
        if self.folder.is_file():
            raise UsageError(f"{self.folder} is a file, but this export needs a folder")
        record = self.folder / RECORD
        if record.is_file():
            return self._checked(record)
        if self.folder.is_dir() and any(self.folder.iterdir()):
            raise UsageError(
                f"{self.folder} is not empty and is no earlier export",
                hint="choose a new or an empty folder",
            )
        return {}

    def _checked(self, record: Path) -> dict[str, Any]:
        try:
            before = json.loads(record.read_text(encoding="utf-8"))
            files = [PurePosixPath(file) for file in before.get("files", ())]
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{record} is no record of an export: {error}", hint="choose another folder"
            ) from error
        if before.get("format") != self.format:
            raise UsageError(
                f"{self.folder} holds an export of format {before.get('format')}",
                hint="choose another folder",
            )
        for file in files:
            if not _is_inside(file):
                raise UsageError(
                    f"{record} names '{file}', which is not inside of that folder; "
                    "no export writes such a record",
                    hint="don't trust this folder; choose another one",
                )
        return dict(before)

    def _refuse_links(self, files: Iterable[str]) -> None:
        folders = {
            parent for file in files for parent in PurePosixPath(file).parents if parent.name
        }
        for folder in sorted(folders):
            if (self.folder / folder).is_symlink():
                raise UsageError(
                    f"{self.folder / folder} is a link to another place, and an export writes and "
                    "removes files only inside of its own folder",
                    hint="choose another folder",
                )

    def _write(self, files: set[str], *, complete: bool) -> None:
        record = {
            "format": self.format,
            "options": self.options,
            "snapshot": self.snapshot,
            "complete": complete,
            "files": sorted(files),
        }
        atomic.write_text(
            self.folder / RECORD, json.dumps(record, ensure_ascii=False, indent=0) + "\n"
        )


def _link(target: Path, path: Path, link: Link) -> None:
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.unlink(missing_ok=True)
    try:
        if link == "symlink":
            temporary.symlink_to(target)
        else:
            temporary.hardlink_to(target)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.EXDEV, errno.EPERM, errno.ENOTSUP):
            raise BodyshopError(
                f"{path} can't be a {link}: {error.strerror}",
                hint="export without --link, or to the file system of the workspace",
            ) from error
        raise


def _is_inside(file: PurePosixPath) -> bool:
    """Return whether a recorded name stays below the folder, on POSIX and on Windows."""
    windows = PureWindowsPath(file)
    return (
        bool(file.name)
        and not file.is_absolute()
        and not windows.drive
        and not windows.root
        and ".." not in {*file.parts, *windows.parts}
        and "\0" not in str(file)
    )


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and its parents below `root` as far as they are empty."""
    while root in folder.parents and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
