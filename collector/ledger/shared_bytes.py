"""Stored bytes that several collectors share: which are there, and which nobody needs.

Whoever enters a picture that it stored looks for the bytes first: another collector may have
removed them, because it found the same picture at an address that was erased on request. No request
to a store is made while this process is the one writer: `Catalog.begin` lets nobody remove bytes
from the look until the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, select

from bodyshop_core.catalog import BlobStore
from collector.net.outcome import StoredPicture


class BytesLook:
    """A look for the bytes of new pictures.

    Parameters
    ----------
    blobs : BlobStore
        Where they should be.

    Attributes
    ----------
    found : dict
        sha256 -> whether the bytes are there, of the pictures that were looked for.
    needed : bool
        Bytes may have been removed: something was erased on request.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self.found: dict[str, bool] = {}
        self.needed = False

    def look(
        self, connection: Connection, pictures: Iterable[StoredPicture], known: Collection[str]
    ) -> None:
        """Look for those that are neither `known` to the catalog nor looked for already."""
        for each in pictures:
            if each.sha256 not in known and each.sha256 not in self.found:
                self.found[each.sha256] = self._blobs.has(each.sha256, each.extension, each.size)
                say_something(connection)

    @property
    def lost(self) -> set[str]:
        """Digests of the pictures whose bytes are gone."""
        return {sha256 for sha256, there in self.found.items() if not there}


def say_something(connection: Connection) -> None:
    """Execute a statement: a server ends the transaction of a client that is silent."""
    connection.execute(select(1))
