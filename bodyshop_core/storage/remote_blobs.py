"""Original pictures in a bucket, or at any other address that fsspec knows."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bodyshop_core.errors import DamagedBlobError, LostBlobError
from bodyshop_core.storage.blob_cache import BlobCache
from bodyshop_core.storage.blobs import Blob, BlobRef, BlobStore
from bodyshop_core.storage.remote_place import RemotePlace


class RemoteBlobs(BlobStore):
    """Immutable objects named by content: ``<url>/ab/abcd….jpg``.

    Parameters
    ----------
    url : str
        ``s3://bucket/prefix``; the bucket has to exist. Any other address of fsspec works, too.
    cache : BlobCache
        For copies on this machine.
    endpoint : str, optional
        Address of an S3 server that is not Amazon's.
    """

    def __init__(self, url: str, cache: BlobCache, *, endpoint: str | None = None) -> None:
        self.place = RemotePlace(url.rstrip("/"), cache, endpoint)
        self.label = self.place.url

    def ref(self, sha256: str, extension: str) -> BlobRef:
        """See `BlobStore.ref`."""
        return BlobRef(self._path(sha256, extension), sha256, self.place)

    def fetch(self, sha256: str, extension: str) -> bytes:
        """See `BlobStore.fetch`."""
        return self.place.fetch(f"{sha256}.{extension}")

    def below_workspace(self, sha256: str, extension: str) -> None:
        """See `BlobStore.below_workspace`."""

    def put_bytes(self, data: bytes, extension: str) -> Blob:
        """See `BlobStore.put_bytes`."""
        return self._put(data, hashlib.sha256(data).hexdigest(), extension)

    def adopt(self, file: Path, sha256: str, extension: str) -> Blob:
        """See `BlobStore.adopt`."""
        blob = self._put(file.read_bytes(), sha256, extension)
        file.unlink()
        return blob

    def has(self, sha256: str, extension: str, size: int) -> bool:
        """See `BlobStore.has`."""
        return self.place.size(f"{sha256}.{extension}") == size

    def find(self, sha256s: Iterable[str]) -> list[str]:
        """See `BlobStore.find`."""
        return [
            f"{self.label}/{name}" + (f" (version {version})" if version else "")
            for sha256 in sha256s
            for name, version in self._objects(sha256)
        ]

    def remove(self, sha256s: Iterable[str]) -> None:
        """See `BlobStore.remove`."""
        for sha256 in sha256s:
            if objects := self._objects(sha256):
                self._delete(sha256, objects)
            self.place.cache.remove(sha256)

    def _put(self, data: bytes, sha256: str, extension: str) -> Blob:
        name = f"{sha256}.{extension}"
        blob = Blob(sha256, self._path(sha256, extension), len(data), new=True)
        mode = "create"
        if (size := self.place.size(name)) is not None:
            if size == len(data) and self._is_whole(name):
                return Blob(sha256, blob.path, len(data), new=False)
            mode = "overwrite"  # damaged: it is written again
        try:
            self._write(name, data, mode)
        except FileExistsError:  # another process has just stored it
            if not self._is_whole(name):
                self._write(name, data, "overwrite")
        return blob

    def _write(self, name: str, data: bytes, mode: str) -> None:
        with self.place.talking(name, "written") as filesystem:
            address = self.place.address(name)
            if "s3" not in _protocols(filesystem):
                filesystem.makedirs(address.rsplit("/", 1)[0], exist_ok=True)
                _write_whole(filesystem, address, data)
                return
            try:
                filesystem.pipe_file(address, data, mode=mode)
            except OSError as error:
                if _code(error) in {"PreconditionFailed", "ConditionalRequestConflict"}:
                    raise FileExistsError(address) from error
                raise

    def _is_whole(self, name: str) -> bool:
        """Return whether the store itself, not the cache, has the bytes of this name."""
        try:
            self.place.fetch(name)
        except (LostBlobError, DamagedBlobError):
            return False
        return True

    def _path(self, sha256: str, extension: str) -> Path:
        return self.place.cache.path(f"{sha256}.{extension}")

    def _objects(self, sha256: str) -> list[tuple[str, str]]:
        """Return name below the address and version of each object of a picture."""
        try:
            with self.place.talking(f"{sha256}.*", "listed") as filesystem:
                if "s3" in _protocols(filesystem):
                    return _versions(filesystem, self.place.url, sha256)
                folder = f"{self.place.url}/{sha256[:2]}"
                found = [str(each).rsplit("/", 1)[-1] for each in filesystem.ls(folder, False)]
        except LostBlobError:
            return []
        return [(f"{sha256[:2]}/{name}", "") for name in found if name.startswith(sha256)]

    def _delete(self, sha256: str, objects: list[tuple[str, str]]) -> None:
        with self.place.talking(f"{sha256}.*", "removed") as filesystem:
            if "s3" not in _protocols(filesystem):
                for name, _ in objects:
                    filesystem.rm_file(f"{self.place.url}/{name}")
                return
            bucket, prefix = _bucket(self.place.url)
            for name, version in objects:
                key = {"VersionId": version} if version else {}
                filesystem.call_s3("delete_object", Bucket=bucket, Key=f"{prefix}{name}", **key)


def _protocols(filesystem: Any) -> tuple[str, ...]:
    named = filesystem.protocol
    return (named,) if isinstance(named, str) else tuple(named)


def _code(error: OSError) -> str:
    """Return what S3 calls an error; empty for errors of other kinds."""
    answer = getattr(error.__cause__, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))


def _bucket(url: str) -> tuple[str, str]:
    """Return bucket and prefix (empty, or ending with a slash) of an address."""
    bucket, _, prefix = url.partition("://")[2].partition("/")
    return bucket, f"{prefix}/" if prefix else ""


def _versions(filesystem: Any, url: str, sha256: str) -> list[tuple[str, str]]:
    """List objects with all their versions and the marks that hide them."""
    bucket, prefix = _bucket(url)
    found: list[tuple[str, str]] = []
    asked: dict[str, str] = {}
    while True:
        page = filesystem.call_s3(
            "list_object_versions", Bucket=bucket, Prefix=f"{prefix}{sha256[:2]}/{sha256}.", **asked
        )
        for each in page.get("Versions", []) + page.get("DeleteMarkers", []):
            found.append((each["Key"].removeprefix(prefix), each.get("VersionId") or ""))
        if not page.get("IsTruncated"):
            return found
        asked = {
            "KeyMarker": page["NextKeyMarker"],
            "VersionIdMarker": page.get("NextVersionIdMarker", ""),
        }


def _write_whole(filesystem: Any, address: str, data: bytes) -> None:
    """Write a file under another name first: not every file system writes whole or not at all."""
    temporary = f"{address}.{uuid.uuid4().hex[:12]}.part"
    filesystem.pipe_file(temporary, data)
    filesystem.mv(temporary, address)
