"""Masks and variants in a bucket, or at any other address that fsspec knows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from bodyshop_core.storage import remote_objects
from bodyshop_core.storage.blob_cache import digest_in, with_digest
from bodyshop_core.storage.blobs import BlobRef
from bodyshop_core.storage.derived_files import (
    FOLDERS,
    DerivedFiles,
    IsWhole,
    picture_of,
    read_or_none,
    starts_of,
)
from bodyshop_core.storage.remote_place import RemotePlace

_MANY = 64
"""Pictures for which whole folders are listed, once, rather than each picture's names."""

_AT_ONCE = 256
"""Files that are read ahead of whoever uses them."""


@dataclass(frozen=True)
class RemoteDerived(DerivedFiles):
    """Objects that never change: the name of each has the sha256 of its content before its end.

    What changes is written under another name, which the catalog then has; so that what is read is
    what the catalog means, and a copy in the cache is never an old one. Objects
    that an earlier version brought from a folder kept their names: their copies are not kept.

    Parameters
    ----------
    place : RemotePlace
        The same as that of the originals.
    """

    place: RemotePlace
    immutable: ClassVar[bool] = True

    def ref(self, name: str) -> BlobRef:
        """See `DerivedFiles.ref`."""
        path = self.place.cache.path(name)
        return BlobRef(path, digest_in(name), self.place, name.rpartition("/")[0])

    def put(self, name: str, data: bytes, *, durable: bool = True) -> str:
        """See `DerivedFiles.put`; the name gets the sha256 of the content.

        Masks go into the cache, too: whoever writes one reads it soon. Variants would push the
        originals out.
        """
        name = with_digest(name, data)
        try:
            remote_objects.create(self.place, name, data)
        except FileExistsError:
            if not self.place.is_whole(name):
                remote_objects.overwrite(self.place, name, data)
        if name.startswith("masks/"):
            with contextlib.suppress(OSError):  # a full disk here
                self.place.cache.put(name, data)
        return name

    def put_all(self, files: Iterable[tuple[str, bytes]]) -> list[str]:
        """See `DerivedFiles.put_all`; several at once."""
        with ThreadPoolExecutor(remote_objects.THREADS) as pool:
            return list(pool.map(lambda each: self.put(*each), files))

    def restore(self, name: str, data: bytes) -> None:
        """See `DerivedFiles.restore`."""
        remote_objects.overwrite(self.place, name, data)

    def fetch(self, name: str) -> bytes:
        """See `DerivedFiles.fetch`."""
        return self.place.fetch(name)

    def contents(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """See `DerivedFiles.contents`."""
        with ThreadPoolExecutor(remote_objects.THREADS) as pool:
            waiting = iter(names)
            while some := list(islice(waiting, _AT_ONCE)):
                yield from pool.map(read_or_none, map(self.ref, some))

    def checker(self, folder: str) -> IsWhole:
        """See `DerivedFiles.checker`; objects are written whole, and listed a thousand a time."""
        there = remote_objects.sizes(self.place, folder)
        return lambda name, size: name in there and size in (None, there[name])

    def written(self) -> dict[str, tuple[int, float]]:
        """See `DerivedFiles.written`."""
        return {
            name: about
            for folder in FOLDERS
            for name, about in remote_objects.written(self.place, folder).items()
            if picture_of(name)
        }

    def require(self, folder: str) -> None:
        """See `DerivedFiles.require`."""
        remote_objects.claim(self.place)

    def find(self, sha256s: Iterable[str]) -> list[str]:
        """See `DerivedFiles.find`."""
        return [remote_objects.label(self.place, each) for each in self._made_of(sha256s)]

    def remove(self, sha256s: Iterable[str]) -> list[str]:
        """See `DerivedFiles.remove`."""
        sha256s = list(sha256s)
        gone = self._made_of(sha256s)
        remote_objects.delete(self.place, gone)
        for sha256 in sha256s:
            self.place.cache.remove(sha256)
        return [remote_objects.label(self.place, each) for each in gone]

    def discard(self, names: Iterable[str]) -> None:
        """See `DerivedFiles.discard`; earlier versions go with it."""
        names = sorted(set(names))
        if not names:
            return
        found = remote_objects.all_versions(self.place, names)
        remote_objects.delete(self.place, found)
        for name in names:
            self.place.cache.path(name).unlink(missing_ok=True)

    def _made_of(self, sha256s: Iterable[str]) -> list[remote_objects.Stored]:
        wanted = sorted(set(sha256s))
        if not wanted:
            return []
        sets = remote_objects.folders(self.place, "variants")
        folders = ["masks", *(f"variants/{each}" for each in sets)]
        many = len(wanted) > _MANY
        starts = [
            start
            for folder in folders
            for start in (
                [f"{folder}/"]
                if many
                else [each for sha256 in wanted for each in starts_of(folder, sha256)]
            )
        ]
        found = remote_objects.all_versions(self.place, starts)
        if not many:
            return found
        return [each for each in found if not _digests(each[0]).isdisjoint(wanted)]


def _digests(name: str) -> set[str]:
    """Return what may be the sha256 of the picture in a name, see `starts_of`."""
    parts = name.removeprefix("variants/").split("/", 1)[1]
    return {parts[:64], parts[3:67]}
