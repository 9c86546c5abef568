"""Stores of original pictures that hold the same contract, each with a way to spoil one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from bodyshop_core.storage.blob_cache import BlobCache
from bodyshop_core.storage.blobs import BlobStore
from bodyshop_core.storage.local_blobs import LocalBlobs
from bodyshop_core.storage.remote_blobs import RemoteBlobs

_numbers = itertools.count()


@dataclass
class StoreUnderTest:
    store: BlobStore
    folder: Path

    @property
    def cache(self) -> BlobCache | None:
        return self.store.place.cache if isinstance(self.store, RemoteBlobs) else None

    def spoil(self, sha256: str, extension: str, data: bytes | None) -> None:
        """Replace the stored bytes behind the store's back, or remove them; the copy goes too."""
        ref = self.store.ref(sha256, extension)
        if ref.place is None:
            ref.path.unlink() if data is None else ref.path.write_bytes(data)
            return
        filesystem = ref.place.filesystem()
        if data is None:
            filesystem.rm_file(str(ref))
        else:
            filesystem.pipe_file(str(ref), data)
        ref.place.cache.remove(sha256)


def make_store(kind: str, folder: Path, *, limit: int = 10_000_000) -> StoreUnderTest:
    """Make an empty store: ``local``, ``memory`` or ``file`` (the last two by fsspec)."""
    if kind == "local":
        return StoreUnderTest(LocalBlobs(folder / "blobs"), folder)
    cache = BlobCache(folder / "cache" / "blobs", limit)
    url = f"memory://blobs-{next(_numbers)}"
    if kind == "file":
        (folder / "away").mkdir(parents=True)
        url = (folder / "away").as_uri()
    return StoreUnderTest(RemoteBlobs(url, cache), folder)
