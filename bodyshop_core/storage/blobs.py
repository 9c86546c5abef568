"""Original bytes, named by their sha256, never re-encoded: what every store of them can do."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.errors import DamagedBlobError, LostBlobError, TransientError

if TYPE_CHECKING:
    from bodyshop_core.storage.remote_place import RemotePlace


_NAMED = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})\.[a-z0-9]+")


@dataclass(frozen=True)
class Blob:
    """Bytes in the store.

    Parameters
    ----------
    sha256 : str
        Hexadecimal, 64 characters.
    path : Path
        ``blobs/ab/abcd….jpg``; of an object, where its copy in the cache would be.
    size : int
        Bytes.
    new : bool
        False when the same bytes were there before, and whole.
    """

    sha256: str
    path: Path
    size: int
    new: bool


@dataclass(frozen=True)
class BlobRef:
    """Where bytes are; it can be sent to a worker that reads them.

    It is an `os.PathLike`: ``open(ref)`` opens the file, or a copy in the cache.

    Parameters
    ----------
    path : Path
        The file; of an object, where its copy in the cache would be.
    sha256 : str
        What its content must be; empty for a file of which that is not known.
    place : RemotePlace, optional
        Where the object is, when it is not the file.
    folder : str
        Of the object, below the place; empty for an original, whose name tells.
    """

    path: Path
    sha256: str = ""
    place: RemotePlace | None = None
    folder: str = ""

    @property
    def name(self) -> str:
        """Name of the file, without its folder."""
        return self.path.name

    @property
    def key(self) -> str:
        """Name of the object below its place."""
        return f"{self.folder}/{self.path.name}" if self.folder else self.path.name

    @property
    def stem(self) -> str:
        """Name of the file without its extension: in the store, the sha256."""
        return self.path.stem

    @property
    def suffix(self) -> str:
        """The extension, with its dot."""
        return self.path.suffix

    def read(self) -> bytes:
        """Return the bytes.

        Raises
        ------
        TransientError
            They are missing (`LostBlobError`), can't be read, or are not those that were stored
            (`DamagedBlobError`): that is the fault of a disk, a network or a permission, and says
            nothing about the picture.
        """
        if self.place is not None:
            return self.place.read(self.key)
        try:
            data = self.path.read_bytes()
        except OSError as error:
            kind = LostBlobError if isinstance(error, FileNotFoundError) else TransientError
            raise kind(f"{self.path} can't be read: {error.strerror or error}") from error
        if self.sha256 and hashlib.sha256(data).hexdigest() != self.sha256:
            raise DamagedBlobError(
                f"{self.path} is damaged: its {len(data)} bytes are not those that were stored"
            )
        return data

    def read_bytes(self) -> bytes:
        """Return the bytes, as `read`: so that it stands where a path may stand."""
        return self.read()

    def exists(self) -> bool:
        """Return whether the bytes are there.

        Raises
        ------
        TransientError
            The bucket does not answer.
        """
        return self.path.exists() if self.place is None else self.place.exists(self.key)

    def local(self) -> Path:
        """Return a file with the bytes, for programs that need one: open it soon.

        Raises
        ------
        TransientError
            Of an object, as `read`; a file is not looked at.
        """
        return self.path if self.place is None else self.place.local_copy(self.key)

    def __fspath__(self) -> str:
        return str(self.local())

    def __str__(self) -> str:
        return str(self.path) if self.place is None else self.place.address(self.key)


def original_of(name: str) -> str | None:
    """Return the sha256 in ``ab/abcd….jpg``; None for names of other files."""
    found = _NAMED.fullmatch(name)
    return found and found[1]


class BlobStore(ABC):
    """Immutable bytes named by content; no name is ever built from a remote one."""

    label: str
    """What messages call the store: its folder or address."""

    def claim(self, *, leave_note: bool = True) -> None:  # noqa: B027 - a folder is its own
        """Make sure that what is stored there is the workspace's own, before it is changed.

        Parameters
        ----------
        leave_note : bool
            Note whose it is; False before something that only counts.

        Raises
        ------
        ForeignPlaceError
            It belongs to another workspace.
        TransientError
            The store does not answer.
        """

    @abstractmethod
    def ref(self, sha256: str, extension: str) -> BlobRef:
        """Return where bytes are, whether they exist or not."""

    @abstractmethod
    def fetch(self, sha256: str, extension: str) -> bytes:
        """Return the bytes as the store itself has them now, past any cache; see `BlobRef.read`."""

    @abstractmethod
    def below_workspace(self, sha256: str, extension: str) -> str | None:
        """Return the path of a file below the workspace, for links in pages; None for an object."""

    @abstractmethod
    def put_bytes(self, data: bytes, extension: str) -> Blob:
        """Store bytes unless they are stored already, and whole.

        Parameters
        ----------
        data : bytes
            The picture as it came.
        extension : str
            Of the sniffed type, with no dot.

        Raises
        ------
        TransientError
            The bytes of that name can't be read to compare them, such as for want of a permission;
            or a bucket does not answer.
        """

    @abstractmethod
    def adopt(self, file: Path, sha256: str, extension: str) -> Blob:
        """Move a finished download into the store.

        Parameters
        ----------
        file : Path
            The finished file, in the workspace; it is gone afterwards.
        sha256 : str
            Its digest, computed while it was written.
        extension : str
            Of the sniffed type, with no dot.

        Raises
        ------
        TransientError
            As for `put_bytes`; the file is still there.
        """

    @abstractmethod
    def has(self, sha256: str, extension: str, size: int) -> bool:
        """Return whether bytes of that name and size are there; they are not read.

        Raises
        ------
        TransientError
            The store does not answer.
        """

    @abstractmethod
    def written(self) -> dict[str, tuple[int, float]]:
        """Return the sha256 of all that is stored, with its bytes and the UNIX time of its writing.

        Raises
        ------
        TransientError
            The store does not answer.
        """

    @abstractmethod
    def find(self, sha256s: Iterable[str]) -> list[str]:
        """Return all that is stored of some pictures: files, objects, their earlier versions.

        Copies in the cache are not among them.

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
