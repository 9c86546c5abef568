"""Masks and variants: files made of pictures, each named after its picture."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bodyshop_core import atomic
from bodyshop_core.errors import LostBlobError, TransientError
from bodyshop_core.storage.blobs import BlobRef

FOLDERS = ("masks", "variants")
"""Where they are, below a workspace or the address of a bucket."""

_NAMED = re.compile(r"(?:masks|variants/[^/]+)/(?:[0-9a-f]{2}/)?([0-9a-f]{64})[^0-9a-f/][^/]*")

_PNG_END = b"IEND\xaeB`\x82"
"""The last bytes of every PNG file: type and CRC of its closing chunk."""

IsWhole = Callable[[str, int | None], bool]
"""Of a name, and of the number of bytes if that is known: whether it is there and not cut."""


class DerivedFiles(ABC):
    """Files named ``masks/ab/<sha256>-….png`` and ``variants/<set>/ab/<sha256>-….jpg``.

    Stores are picklable: workers read and write through them.
    """

    immutable: ClassVar[bool]
    """Whether a file never changes: other content gets another name."""

    @abstractmethod
    def ref(self, name: str) -> BlobRef:
        """Return where a file is, whether it exists or not; `name` is what `put` returned."""

    @abstractmethod
    def put(self, name: str, data: bytes, *, durable: bool = True) -> str:
        """Write a file whole or not at all; return the name that it got, for the catalog.

        Parameters
        ----------
        name : str
            Relative to the workspace.
        data : bytes
            Its content.
        durable : bool
            Of files on a disk, see `atomic.replacing`.

        Raises
        ------
        TransientError
            The store does not answer.
        """

    @abstractmethod
    def put_all(self, files: Iterable[tuple[str, bytes]]) -> list[str]:
        """Write many files, each with its name, as `put` does; return the names that they got."""

    @abstractmethod
    def restore(self, name: str, data: bytes) -> None:
        """Write a file under a name that `put` of this or another store has returned.

        Raises
        ------
        TransientError
            The store does not answer.
        """

    def bring(self, name: str, data: bytes) -> str:
        """Write a file of another store and read it again; return the name that it got here.

        Raises
        ------
        TransientError
            The store does not answer, or does not hold what was written.
        """
        if self.immutable:
            name = self.put(name, data)
        else:
            self.restore(name, data)
        if self.fetch(name) != data:
            raise TransientError(f"{self.ref(name)} does not hold what was written")
        return name

    @abstractmethod
    def fetch(self, name: str) -> bytes:
        """Return the bytes as the store itself has them now, past any cache; see `BlobRef.read`."""

    @abstractmethod
    def contents(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Yield the bytes of many files, in order; None for one that is not there.

        Raises
        ------
        TransientError
            As `BlobRef.read`.
        """

    @abstractmethod
    def checker(self, folder: str) -> IsWhole:
        """Return a check of the files below a folder as they are now; nothing is decoded.

        Raises
        ------
        TransientError
            The store does not answer.
        """

    def sizes(self) -> dict[str, int]:
        """Return the name and the bytes of every file.

        Raises
        ------
        TransientError
            The store does not answer.
        """
        return {name: size for name, (size, _) in self.written().items()}

    @abstractmethod
    def written(self) -> dict[str, tuple[int, float]]:
        """Return the name of every file, with its bytes and the UNIX time of its last change.

        Raises
        ------
        TransientError
            The store does not answer.
        """

    @abstractmethod
    def require(self, folder: str) -> None:
        """Say that a folder can't be written from here, before anything is computed for it.

        Raises
        ------
        TransientError
            It is on the disk of another machine.
        """

    @abstractmethod
    def find(self, sha256s: Iterable[str]) -> list[str]:
        """Return all that is stored of some pictures: files, objects, their earlier versions.

        Raises
        ------
        TransientError
            The store does not answer.
        """

    @abstractmethod
    def remove(self, sha256s: Iterable[str]) -> list[str]:
        """Remove all that is stored of some pictures, earlier versions and cached copies too.

        Returns
        -------
        list of str
            As `find`.

        Raises
        ------
        TransientError
            The store does not answer, or does not allow it.
        """

    @abstractmethod
    def discard(self, names: Iterable[str]) -> None:
        """Remove some files; one that is not there is none to remove.

        Raises
        ------
        TransientError
            The store does not answer, or does not allow it.
        """


def starts_of(folder: str, sha256: str) -> tuple[str, str]:
    """Return how the names of a picture's files in ``masks`` or in a set of variants begin.

    The second is for files that others than `put` have brought.
    """
    return f"{folder}/{sha256[:2]}/{sha256}", f"{folder}/{sha256}"


def picture_of(name: str) -> str | None:
    """Return the sha256 of the picture of which a file was made; None for names of other files."""
    found = _NAMED.fullmatch(name)
    return found and found[1]


@dataclass(frozen=True)
class LocalDerived(DerivedFiles):
    """Files in the workspace's folder.

    Parameters
    ----------
    root : Path
        Of the workspace.
    """

    root: Path
    immutable: ClassVar[bool] = False

    def ref(self, name: str) -> BlobRef:
        """See `DerivedFiles.ref`."""
        return BlobRef(self.root / name)

    def put(self, name: str, data: bytes, *, durable: bool = True) -> str:
        """See `DerivedFiles.put`; the name stays."""
        path = self.root / name
        if not _holds(path, data):
            atomic.write_bytes(path, data, durable=durable)
        return name

    def put_all(self, files: Iterable[tuple[str, bytes]]) -> list[str]:
        """See `DerivedFiles.put_all`."""
        return [self.put(name, data) for name, data in files]

    def restore(self, name: str, data: bytes) -> None:
        """See `DerivedFiles.restore`."""
        self.put(name, data)

    def fetch(self, name: str) -> bytes:
        """See `DerivedFiles.fetch`."""
        return self.ref(name).read()

    def contents(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """See `DerivedFiles.contents`."""
        folder = f"{self.root}{os.sep}"
        for name in names:
            try:
                with open(f"{folder}{name}", "rb", buffering=0) as file:  # noqa: PTH123 - twice as fast
                    yield file.read()
            except FileNotFoundError:
                yield None
            except OSError as error:
                raise TransientError(
                    f"{folder}{name} can't be read: {error.strerror or error}"
                ) from error

    def checker(self, folder: str) -> IsWhole:
        """See `DerivedFiles.checker`.

        Files are never left incomplete by a kill, but they may be by a power cut when they were not
        written durably.
        """
        return self._is_whole

    def written(self) -> dict[str, tuple[int, float]]:
        """See `DerivedFiles.written`."""
        return {
            name: ((state := path.stat()).st_size, state.st_mtime)
            for path in self._paths()
            if picture_of(name := path.relative_to(self.root).as_posix())
        }

    def require(self, folder: str) -> None:
        """See `DerivedFiles.require`."""
        if not (self.root / folder).is_dir():
            raise TransientError(
                f"{self.root / folder} is not there: without a bucket, masks and variants are "
                "files of the workspace, which has to be under the same path on every machine"
            )

    def find(self, sha256s: Iterable[str]) -> list[str]:
        """See `DerivedFiles.find`."""
        return [str(path) for path in self._made_of(set(sha256s))]

    def remove(self, sha256s: Iterable[str]) -> list[str]:
        """See `DerivedFiles.remove`."""
        gone = self._made_of(set(sha256s))
        for path in gone:
            path.unlink(missing_ok=True)
        return list(map(str, gone))

    def discard(self, names: Iterable[str]) -> None:
        """See `DerivedFiles.discard`."""
        for name in names:
            (self.root / name).unlink(missing_ok=True)

    def _is_whole(self, name: str, size: int | None) -> bool:
        path = self.root / name
        try:
            if size is not None:
                return path.stat().st_size == size
            with path.open("rb") as file:
                file.seek(-len(_PNG_END), os.SEEK_END)
                return file.read() == _PNG_END
        except OSError:  # absent, or shorter than the end of a PNG
            return False

    def _paths(self) -> Iterator[Path]:
        for folder in FOLDERS:
            for path in sorted((self.root / folder).rglob("*")):
                if path.is_file():
                    yield path

    def _made_of(self, wanted: set[str]) -> list[Path]:
        return [
            path
            for sha256 in sorted(wanted)
            for folder in ("masks", "variants/*")
            for start in starts_of(folder, sha256)
            for path in sorted(self.root.glob(f"{start}*"))
        ]


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:  # what can't be read is written again
        return False


def read_or_none(file: Path | BlobRef) -> bytes | None:
    """Return a file's bytes; None when it is not there.

    Raises
    ------
    TransientError
        As `BlobRef.read`.
    """
    try:
        return file.read_bytes()
    except (LostBlobError, FileNotFoundError):
        return None
