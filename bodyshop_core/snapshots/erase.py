"""Pictures that are erased leave every recorded state, and what names them in those that stay."""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from bodyshop_core.catalog import schema
from bodyshop_core.snapshots.chunks import put_chunks, sweep_chunks
from bodyshop_core.snapshots.state import PictureState, decode, encode

if TYPE_CHECKING:
    from sqlalchemy import Connection

DIGITS = 16
"""Of a sha256: clusters and groups have the first digits of one of their pictures as name."""

_FEW = 16
_VARIABLES = 500
_NAMES = re.compile(rb'"([0-9a-f]{%d})' % DIGITS)


def erase_from_states(connection: Connection, pictures: Collection[str]) -> int:
    """Take pictures out of every recorded state; the states keep their ids.

    Clusters and groups that are named by one of them get a new name without a meaning, in the
    states and in the catalog, from which the next state is read.

    Parameters
    ----------
    connection : Connection
        The write transaction that erases the pictures themselves.
    pictures : collection of str
        sha256.

    Returns
    -------
    int
        States that held one of them.
    """
    gone = set(pictures)
    if not gone:
        return 0
    renamed = {sha256[:DIGITS]: secrets.token_hex(DIGITS // 2) for sha256 in gone}
    _rename_in_catalog(connection, renamed)
    states, chunks = schema.states, schema.state_chunks
    digits = {name.encode() for name in renamed}
    changed: dict[str, tuple[str, int]] = {}
    for digest in connection.scalars(select(chunks.c.digest)).all():
        packed = connection.scalar(select(chunks.c.rows).where(chunks.c.digest == digest))
        data = zlib.decompress(packed or b"")
        if not _names_one(data, digits):
            continue
        rows = decode(data)
        kept = [_without(row, gone, renamed) for row in rows if row.sha256 not in gone]
        if kept != rows:
            content = encode(kept)
            new = hashlib.sha256(content).hexdigest()
            put_chunks(connection, [new], {new: content}.__getitem__)
            changed[digest] = (new, len(rows) - len(kept))
    touched = 0
    for state in connection.execute(select(states)).all():
        erased = sum(changed[digest][1] for _, digest in state.chunks if digest in changed)
        moved = [[prefix, changed.get(digest, (digest, 0))[0]] for prefix, digest in state.chunks]
        if moved != state.chunks:
            touched += bool(erased)
            connection.execute(
                update(states)
                .where(states.c.id == state.id)
                .values(
                    chunks=moved, pictures=state.pictures - erased, erased=state.erased + erased
                )
            )
    sweep_chunks(connection)
    return touched


def _names_one(data: bytes, digits: set[bytes]) -> bool:
    """Return whether rows can name one of the pictures; most parts need not be decoded then."""
    if len(digits) <= _FEW:
        return any(each in data for each in digits)
    return not digits.isdisjoint(_NAMES.findall(data))


def _without(row: PictureState, gone: set[str], renamed: Mapping[str, str]) -> PictureState:
    """Return the row of a picture that stays, without what names one that goes."""
    return row._replace(
        representative=None if row.representative in gone else row.representative,
        cluster=renamed.get(row.cluster or "", row.cluster),
        group=renamed.get(row.group or "", row.group),
        splits=[[*placed, renamed.get(group, group)] for *placed, group in row.splits],
    )


def _rename_in_catalog(connection: Connection, renamed: Mapping[str, str]) -> None:
    verdicts, names = schema.verdicts, sorted(renamed)
    for column in (verdicts.c.cluster, verdicts.c.group, schema.splits.c.group):
        for start in range(0, len(names), _VARIABLES):
            part = column.in_(names[start : start + _VARIABLES])
            for old in connection.scalars(select(column).where(part).distinct()).all():
                change = update(column.table).where(column == old)
                connection.execute(change.values({column: renamed[old]}))
