"""The files of a folder that may be read: regular ones inside it, and why the others are left out.

A folder may be anybody's: a link can lead to a password file, a device or a pipe that never ends.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

IGNORED_FOLDERS = frozenset({"__MACOSX", "$RECYCLE.BIN", "System Volume Information"})
IGNORED_FILES = frozenset({"Thumbs.db", "desktop.ini", "ehthumbs.db"})

EXAMPLES = 3
"""Names that are kept of each kind of skipped file."""

LINK_OUT = "link that leaves the folder"
BROKEN_LINK = "broken link"
SPECIAL = "pipe, socket or device"
UNREADABLE = "no permission or read error"
TOO_LARGE = "too large"


@dataclass
class Skipped:
    """What was left out, by kind: how many, and the first `EXAMPLES` names."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, name: str) -> None:
        """Note one file."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        examples = self.examples.setdefault(kind, [])
        if len(examples) < EXAMPLES:
            examples.append(name)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    def lines(self) -> list[str]:
        """Return one line per kind, the most frequent first."""
        return [
            f"{count} skipped: {kind} ({', '.join(self.examples[kind])}"
            + (", ...)" if count > len(self.examples[kind]) else ")")
            for kind, count in sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        ]


def regular_files(folder: Path, skipped: Skipped) -> Iterator[Path]:
    """Yield the regular files of a folder, to any depth, in the order of their names.

    Links are followed when they lead to a place inside of the folder. Hidden files and folders,
    and those that systems leave behind (`IGNORED_FOLDERS`), are passed over.

    Parameters
    ----------
    folder : Path
        May itself be a link.
    skipped : Skipped
        Takes what is left out.
    """
    root = folder.resolve()
    yield from _files(folder, folder, root, (root,), skipped)


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading, and only if it is a regular one now.

    Raises
    ------
    OSError
        It can't be opened, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is not a regular file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def is_ignored(name: str) -> bool:
    """Return whether a file or folder of this name is passed over without a word."""
    return name.startswith(".") or name in IGNORED_FOLDERS or name in IGNORED_FILES


def _files(
    folder: Path, place: Path, root: Path, above: tuple[Path, ...], skipped: Skipped
) -> Iterator[Path]:
    try:
        with os.scandir(place) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError:
        skipped.add(UNREADABLE, place.relative_to(folder).as_posix() or ".")
        return
    for entry in entries:
        if is_ignored(entry.name):
            continue
        path = Path(entry.path)
        name = path.relative_to(folder).as_posix()
        try:
            target = path.resolve(strict=True) if entry.is_symlink() else path
            mode = target.stat().st_mode
        except (OSError, RuntimeError):  # links in a circle: RuntimeError before Python 3.13
            skipped.add(BROKEN_LINK if entry.is_symlink() else UNREADABLE, name)
            continue
        if entry.is_symlink() and not target.is_relative_to(root):
            skipped.add(LINK_OUT, name)
        elif stat.S_ISDIR(mode):
            real = path.resolve()
            if real not in above:  # a link to a folder around it would never end
                yield from _files(folder, path, root, (*above, real), skipped)
        elif stat.S_ISREG(mode):
            yield path
        else:
            skipped.add(SPECIAL, name)
