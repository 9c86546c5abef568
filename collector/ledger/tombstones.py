"""What was erased on request, and must not come back: by its bytes, its address or its host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import Connection, func, select

from bodyshop_core.catalog import schema
from collector.candidate import Candidate
from collector.net.outcome import StoredPicture
from collector.weburl import host_of, url_key


@dataclass(frozen=True)
class Tombstones:
    """The tombstones of a catalog.

    Parameters
    ----------
    sha256 : frozenset of str
        Erased pictures.
    urls : frozenset of str
        `url_key` of erased pictures and pages.
    hosts : frozenset of str
        Erased hosts, in lower case, with or without a port.
    """

    sha256: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.sha256) + len(self.urls) + len(self.hosts)

    def covers(self, address: str) -> str:
        """Return the kind of tombstone, ``url`` or ``host``, that covers an address, or nothing."""
        if self.urls and url_key(address) in self.urls:
            return "url"
        if not self.hosts:
            return ""
        names = {host_of(address), (urlsplit(address).hostname or "").lower()}
        return "host" if names & self.hosts else ""

    def covers_candidate(self, candidate: Candidate) -> str:
        """Return the kind of tombstone that covers an address or the page of a candidate."""
        if not (self.urls or self.hosts):
            return ""
        addresses = [each.url for each in candidate.url_candidates] + [candidate.page_url]
        return self._first(addresses)

    def covers_picture(self, candidate: Candidate, picture: StoredPicture) -> str:
        """Return the kind of tombstone that covers a download, its candidate or its bytes."""
        if picture.sha256 in self.sha256:
            return "sha256"
        return self.covers_candidate(candidate) or self._first([picture.url])

    def _first(self, addresses: Iterable[str]) -> str:
        return next(filter(None, map(self.covers, addresses)), "")


def read_tombstones(connection: Connection, known: Tombstones | None = None) -> Tombstones:
    """Read the tombstones of a catalog.

    Parameters
    ----------
    connection : Connection
        Of the transaction that depends on them.
    known : Tombstones, optional
        Returned as it is when the catalog has no further ones: tombstones are only ever added.
    """
    table = schema.tombstones
    count = connection.execute(select(func.count()).select_from(table)).scalar_one()
    if known is not None and len(known) == count:
        return known
    found: dict[str, set[str]] = {"sha256": set(), "url": set(), "host": set()}
    for kind, value in connection.execute(select(table.c.kind, table.c.value)):
        found[kind].add(value.lower() if kind != "url" else value)
    read = Tombstones(
        frozenset(found["sha256"]),
        frozenset(map(url_key, found["url"])),
        frozenset(found["host"]),
    )
    return read
