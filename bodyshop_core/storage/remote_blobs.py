"""Original pictures in a bucket, or at any other address that fsspec knows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from bodyshop_core.storage import remote_objects
from bodyshop_core.storage.blob_cache import BlobCache
from bodyshop_core.storage.blobs import Blob, BlobRef, BlobStore, original_of
from bodyshop_core.storage.place_owner import Owner
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

    def owned_by(self, owner: Owner, catalog: str) -> RemoteBlobs:
        """Return this store for a workspace, which writes and removes only what is its own.

        Parameters
        ----------
        owner : Owner
            The workspace.
        catalog : str
            What messages call its catalog.
        """
        store = RemoteBlobs(self.place.url, self.place.cache, endpoint=self.place.endpoint)
        store.place = replace(self.place, owner=owner, catalog=catalog)
        return store

    def claim(self, *, leave_note: bool = True) -> None:
        """See `BlobStore.claim`."""
        remote_objects.claim(self.place, leave_note=leave_note)

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
        return [remote_objects.label(self.place, each) for each in self._objects(sha256s)]

    def written(self) -> dict[str, tuple[int, float]]:
        """See `BlobStore.written`."""
        folders = [f"{number:02x}" for number in range(256)]
        with ThreadPoolExecutor(remote_objects.THREADS) as pool:
            listed = pool.map(partial(remote_objects.written, self.place), folders)
            return {
                sha256: about
                for found in listed
                for name, about in found.items()
                if (sha256 := original_of(name))
            }

    def remove(self, sha256s: Iterable[str]) -> list[str]:
        """See `BlobStore.remove`."""
        sha256s = list(sha256s)
        gone = self._objects(sha256s)
        remote_objects.delete(self.place, gone)
        for sha256 in sha256s:
            self.place.cache.remove(sha256)
        return [remote_objects.label(self.place, each) for each in gone]

    def _put(self, data: bytes, sha256: str, extension: str) -> Blob:
        self.claim()  # also where the bytes are there: their owner may remove them
        name = f"{sha256}.{extension}"
        blob = Blob(sha256, self._path(sha256, extension), len(data), new=True)
        if (size := self.place.size(name)) is not None:
            if size == len(data) and self.place.is_whole(name):
                return Blob(sha256, blob.path, len(data), new=False)
            remote_objects.overwrite(self.place, name, data)  # it is damaged
            return blob
        try:
            remote_objects.create(self.place, name, data)
        except FileExistsError:  # another process has just stored it
            if not self.place.is_whole(name):
                remote_objects.overwrite(self.place, name, data)
        return blob

    def _path(self, sha256: str, extension: str) -> Path:
        return self.place.cache.path(f"{sha256}.{extension}")

    def _objects(self, sha256s: Iterable[str]) -> list[remote_objects.Stored]:
        starts = [f"{sha256[:2]}/{sha256}." for sha256 in sha256s]
        return remote_objects.all_versions(self.place, starts)
