"""Original pictures in a folder."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from bodyshop_core import atomic
from bodyshop_core.errors import TransientError
from bodyshop_core.storage.blobs import Blob, BlobRef, BlobStore, original_of


class LocalBlobs(BlobStore):
    """A folder of immutable files named by content.

    Parameters
    ----------
    root : Path
        ``workspace/blobs``; created with the first picture.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.label = root, str(root)

    def path(self, sha256: str, extension: str) -> Path:
        """Return the path of the bytes, whether they exist or not."""
        return self.root.joinpath(sha256[:2], f"{sha256}.{extension}")

    def ref(self, sha256: str, extension: str) -> BlobRef:
        """See `BlobStore.ref`."""
        return BlobRef(self.path(sha256, extension), sha256)

    def fetch(self, sha256: str, extension: str) -> bytes:
        """See `BlobStore.fetch`."""
        return self.ref(sha256, extension).read()

    def below_workspace(self, sha256: str, extension: str) -> str:
        """See `BlobStore.below_workspace`."""
        return f"{self.root.name}/{sha256[:2]}/{sha256}.{extension}"

    def put_bytes(self, data: bytes, extension: str) -> Blob:
        """See `BlobStore.put_bytes`."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256, extension)
        new = not _holds(path, sha256, len(data))
        if new:
            atomic.write_bytes(path, data)
        return Blob(sha256, path, len(data), new)

    def adopt(self, file: Path, sha256: str, extension: str) -> Blob:
        """See `BlobStore.adopt`; the file has to be on the same file system."""
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

    def has(self, sha256: str, extension: str, size: int) -> bool:
        """See `BlobStore.has`."""
        path = self.path(sha256, extension)
        return path.exists() and path.stat().st_size == size

    def find(self, sha256s: Iterable[str]) -> list[str]:
        """See `BlobStore.find`."""
        return [str(path) for sha256 in sha256s for path in self._files(sha256)]

    def written(self) -> dict[str, tuple[int, float]]:
        """See `BlobStore.written`."""
        found: dict[str, tuple[int, float]] = {}
        for path in self.root.glob("??/*"):
            if sha256 := original_of(f"{path.parent.name}/{path.name}"):
                state = path.stat()
                found[sha256] = (state.st_size, state.st_mtime)
        return found

    def remove(self, sha256s: Iterable[str]) -> list[str]:
        """See `BlobStore.remove`."""
        gone = [path for sha256 in sha256s for path in self._files(sha256)]
        for path in gone:
            path.unlink(missing_ok=True)
        return list(map(str, gone))

    def _files(self, sha256: str) -> list[Path]:
        return sorted((self.root / sha256[:2]).glob(f"{sha256}.*"))


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
