"""The files of a folder that may be read: regular ones inside it, and why the others are left out.

A folder may be anybody's: a link can lead to a password file, a device or a pipe that never ends.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

IGNORED_FOLDERS = frozenset({"__MACOSX", "$RECYCLE.BIN", "System Volume Information"})
IGNORED_FILES = frozenset({"Thumbs.db", "desktop.ini", "ehthumbs.db"})

EXAMPLES = 3
"""Names that are kept of each kind of skipped file."""

LINK_OUT = "link that leaves the folder"
BROKEN_LINK = "broken link"
LINKED_TWICE = "link to a folder that was read through another link"
LINKED_AROUND = "link to a folder around it"
SPECIAL = "pipe, socket or device"
UNREADABLE = "no permission or read error"
TOO_LARGE = "too large"


@dataclass
class Skipped:
    """What was left out, by kind: how many, and the first `EXAMPLES` names.

    Attributes
    ----------
    remarks : list of str
        What else was not used, and why, one line each.
    """

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

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
        """Return one line per kind, the most frequent first, and the remarks."""
        kinds = [
            f"{count} skipped: {kind} ({', '.join(self.examples[kind])}"
            + (", ...)" if count > len(self.examples[kind]) else ")")
            for kind, count in sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        ]
        return kinds + self.remarks


@dataclass(frozen=True)
class WalkedFile:
    """A file that a walk has found.

    Parameters
    ----------
    name : str
        Below the folder, with ``/``.
    target : Path
        Where it is, without links.
    identity : tuple of (int, int)
        Its device and inode when it was found.
    size : int
        Bytes.
    """

    name: str
    target: Path
    identity: tuple[int, int]
    size: int


def regular_files(folder: Path, skipped: Skipped) -> Iterator[WalkedFile]:
    """Yield the regular files of a folder, to any depth, in the order of their names.

    Links are followed when they lead to a place inside of the folder, and each folder once only by
    links: folders that are linked with one another have more paths than anybody can read. Hidden
    files and folders, and those that systems leave behind (`IGNORED_FOLDERS`), are passed over.

    Parameters
    ----------
    folder : Path
        May itself be a link.
    skipped : Skipped
        Takes what is left out.
    """
    root = folder.resolve()
    seen: set[tuple[Path, bool]] = set()
    stack = [_Level(iter(_entries(root, "", skipped)), "", root, False, (root,))]
    while stack:
        level = stack[-1]
        entry = next(level.entries, None)
        if entry is None:
            stack.pop()
            continue
        name = f"{level.name}{entry.name}"
        is_link = entry.is_symlink()
        try:
            target = Path(entry.path).resolve(strict=True) if is_link else level.real / entry.name
            found = target.stat()
        except (OSError, RuntimeError):  # links in a circle: RuntimeError before Python 3.13
            skipped.add(BROKEN_LINK if is_link else UNREADABLE, name)
            continue
        if is_link and not target.is_relative_to(root):
            skipped.add(LINK_OUT, name)
        elif stat.S_ISREG(found.st_mode):
            yield WalkedFile(name, target, (found.st_dev, found.st_ino), found.st_size)
        elif not stat.S_ISDIR(found.st_mode):
            skipped.add(SPECIAL, name)
        elif target in level.above:  # would never end
            skipped.add(LINKED_AROUND, name)
        else:
            linked = level.is_linked or is_link
            if (target, linked) in seen:
                skipped.add(LINKED_TWICE, name)
                continue
            seen.add((target, linked))
            below = iter(_entries(target, name, skipped))
            stack.append(_Level(below, f"{name}/", target, linked, (*level.above, target)))


def open_regular(file: WalkedFile) -> BinaryIO:
    """Open a file for reading, and only if it is still the one that the walk has found.

    Raises
    ------
    OSError
        It can't be opened, or another file, a link or a device has taken its place.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(file.target, flags | getattr(os, "O_BINARY", 0))
    with ExitStack() as stack:
        stack.callback(os.close, descriptor)
        now = os.fstat(descriptor)
        if not stat.S_ISREG(now.st_mode) or (now.st_dev, now.st_ino) != file.identity:
            raise OSError(f"{file.target} is not the regular file that was found there")
        stream = os.fdopen(descriptor, "rb")
        stack.pop_all()
    return stream


def is_ignored(name: str) -> bool:
    """Return whether a file or folder of this name is passed over without a word."""
    return name.startswith(".") or name in IGNORED_FOLDERS or name in IGNORED_FILES


@dataclass(frozen=True)
class _Level:
    """A folder that a walk is in."""

    entries: Iterator[os.DirEntry[str]]
    name: str
    real: Path
    is_linked: bool
    above: tuple[Path, ...]


def _entries(place: Path, name: str, skipped: Skipped) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(place) as listed:
            found = [entry for entry in listed if not is_ignored(entry.name)]
    except OSError:
        skipped.add(UNREADABLE, name or ".")
        return []
    return sorted(found, key=lambda entry: entry.name)
