"""A folder that an export fills: resumed when cut short, brought up to date when run again."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError, UsageError

RECORD = ".bodyshop-export.json"
"""What the export wrote, and whether it was finished; beside the files, so that it moves along."""

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

    Raises
    ------
    UsageError
        The folder holds something else.
    """

    def __init__(self, folder: Path, format: str, options: Mapping[str, Any]) -> None:
        self.folder, self.format, self.options = folder, format, dict(options)
        before = self._read()
        self._ours: set[str] = set(before.get("files", ()))
        self._reuse = before.get("options") == self.options
        self._planned: set[str] = set()
        self.written = 0

    def plan(self, files: Iterable[str]) -> None:
        """Note which files will be written, before the first one is.

        A run that is cut short leaves the note, so that the next one knows what is its own.
        """
        self._planned |= set(files)
        self._write(self._ours | self._planned, complete=False)

    def put_picture(self, file: str, make: Callable[[], bytes | Path], link: Link = "copy") -> None:
        """Write a picture unless it is there; its name says its content.

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
        if self._reuse and file in self._ours and path.exists():
            return
        content = make()
        if isinstance(content, bytes):
            atomic.write_bytes(path, content)
        elif link == "copy":
            atomic.write_bytes(path, content.read_bytes())
        else:
            _link(content, path, link)
        self.written += 1

    def finish(self) -> int:
        """Remove what an earlier export left and this one has not, and note the end.

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
            before: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
            if before.get("format") == self.format:
                return before
            raise UsageError(
                f"{self.folder} holds an export of format {before.get('format')}",
                hint="choose another folder",
            )
        if self.folder.is_dir() and any(self.folder.iterdir()):
            raise UsageError(
                f"{self.folder} is not empty and is no earlier export",
                hint="choose a new or an empty folder",
            )
        return {}

    def _write(self, files: set[str], *, complete: bool) -> None:
        record = {
            "format": self.format,
            "options": self.options,
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


def _remove_empty(folder: Path, stop: Path) -> None:
    while folder != stop and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
