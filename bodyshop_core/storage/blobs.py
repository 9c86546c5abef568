"""Original bytes, named by their sha256, never re-encoded."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from bodyshop_core import atomic
from bodyshop_core.errors import TransientError


@dataclass(frozen=True)
class Blob:
    """Bytes in the store.

    Parameters
    ----------
    sha256 : str
        Hexadecimal, 64 characters.
    path : Path
        ``blobs/ab/abcd….jpg``.
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
    """Where bytes are, to be sent to a worker that reads them.

    Parameters
    ----------
    path : Path
        The file.
    sha256 : str
        What its content must be; empty for a file of which that is not known.
    """

    path: Path
    sha256: str = ""

    def read(self) -> bytes:
        """Return the bytes.

        Raises
        ------
        TransientError
            The file is missing, can't be read, or does not hold what was stored: that is the fault
            of a disk, a network or a permission, and says nothing about the picture.
        """
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise TransientError(f"{self.path} can't be read: {error.strerror or error}") from error
        if self.sha256 and hashlib.sha256(data).hexdigest() != self.sha256:
            raise TransientError(
                f"{self.path} is damaged: its {len(data)} bytes are not those that were stored"
            )
        return data


class BlobStore:
    """A folder of immutable files named by content; no name is ever built from a remote one."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str, extension: str) -> Path:
        """Return the path of the bytes, whether they exist or not."""
        return self.root / sha256[:2] / f"{sha256}.{extension}"

    def ref(self, sha256: str, extension: str) -> BlobRef:
        """Return what a worker needs to read the bytes."""
        return BlobRef(self.path(sha256, extension), sha256)

    def put_bytes(self, data: bytes, extension: str) -> Blob:
        """Store bytes unless they are stored already.

        Parameters
        ----------
        data : bytes
            The picture as it came.
        extension : str
            Of the sniffed type, with no dot.

        Raises
        ------
        TransientError
            A file of that name can't be read to compare it, such as for want of a permission.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256, extension)
        new = not _holds(path, sha256, len(data))
        if new:
            atomic.write_bytes(path, data)
        return Blob(sha256, path, len(data), new)

    def adopt(self, file: Path, sha256: str, extension: str) -> Blob:
        """Move a finished download, on the same file system, into the store.

        Parameters
        ----------
        file : Path
            The finished file; it is gone afterwards.
        sha256 : str
            Its digest, computed while it was written.
        extension : str
            Of the sniffed type, with no dot.

        Raises
        ------
        TransientError
            As for `put_bytes`.
        """
        size = file.stat().st_size
        path = self.path(sha256, extension)
        new = not _holds(path, sha256, size)
        if not new:
            file.unlink()
            return Blob(sha256, path, size, new)
        try:
            os.replace(file, path)  # noqa: PTH105 - same call, and its name says it is atomic
        except FileNotFoundError:  # the first picture in its folder
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, path)  # noqa: PTH105
        return Blob(sha256, path, size, new)


def _holds(path: Path, sha256: str, size: int) -> bool:
    """Return whether a file is there and whole: a lost or damaged one is written again."""
    try:
        if path.stat().st_size != size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError as error:
        # What a damaged disk does not give (EIO) is as lost as what is not there.
        if error.errno in (errno.ENOENT, errno.EIO):
            return False
        raise TransientError(
            f"{path} can't be checked: {error.strerror or error}",
            hint="bring it back (mount, permissions), then run the same command again",
        ) from error
