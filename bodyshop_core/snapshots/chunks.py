"""The parts of states in the catalog: each stored once, by the digest of its content."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from bodyshop_core.catalog import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

LEVEL = 1
"""Of zlib: half of a row are digits of hashes, which no level makes smaller."""

_VARIABLES = 500


def put_chunks(
    connection: Connection, digests: Iterable[str], content: Callable[[str], bytes]
) -> None:
    """Store parts unless they are stored already.

    Parameters
    ----------
    connection : Connection
        A write transaction.
    digests : iterable of str
        SHA-256 of the contents.
    content : callable
        Given one of them, returns what `bodyshop_core.snapshots.state.encode` wrote.
    """
    table = schema.state_chunks
    for part in _parts(digests):
        there = set(connection.scalars(select(table.c.digest).where(table.c.digest.in_(part))))
        rows = [
            {"digest": digest, "rows": zlib.compress(content(digest), LEVEL)}
            for digest in part
            if digest not in there
        ]
        if rows:
            connection.execute(table.insert(), rows)


def read_chunks(connection: Connection, digests: set[str]) -> dict[str, bytes]:
    """Return digest -> content of the parts that there are; empty for a damaged one."""
    table, found = schema.state_chunks, {}
    for part in _parts(digests):
        query = select(table.c.digest, table.c.rows).where(table.c.digest.in_(part))
        for digest, packed in connection.execute(query):
            try:
                found[digest] = zlib.decompress(packed)
            except zlib.error:
                found[digest] = b""  # its digest tells
    return found


def sweep_chunks(connection: Connection) -> None:
    """Remove the parts that no state has any more."""
    states, table = schema.states, schema.state_chunks
    used = {
        digest for listed in connection.scalars(select(states.c.chunks)) for _, digest in listed
    }
    for digest in set(connection.scalars(select(table.c.digest))) - used:
        connection.execute(delete(table).where(table.c.digest == digest))


def _parts(digests: Iterable[str]) -> Iterator[list[str]]:
    """Cut digests into pieces that fit SQLite's limit on parameters."""
    wanted = sorted(digests)
    for start in range(0, len(wanted), _VARIABLES):
        yield wanted[start : start + _VARIABLES]
