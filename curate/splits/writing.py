"""Writing a split set: only the rows that differ from those in the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from bodyshop_core.catalog import Catalog, Reason, schema, stream
from bodyshop_core.catalog.split_sets import next_revision
from curate.ingest import store_rows

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from curate.splits.assign import Member

_PART = 500
"""Rows that are written at a time; as many parameters fit a query."""


def write_split_set(
    catalog: Catalog,
    connection: Connection,
    row: Mapping[str, Any],
    members: Sequence[Member],
    splits: Mapping[str, str],
) -> None:
    """Write a set, its assignments and its members; its revision becomes the highest.

    Parameters
    ----------
    catalog, connection
        A write transaction of the catalog.
    row : Mapping
        Of `split_sets`, without the revision.
    members : sequence of Member
        The pictures in the set, with their own groups.
    splits : Mapping
        sha256 -> split, of these pictures.
    """
    name = row["name"]
    row = {**row, "revision": next_revision(connection)}
    catalog.upsert(schema.split_sets, [row], connection=connection)
    wanted = {member.sha256: member for member in members}
    there = _stale(connection, name, wanted, splits)
    for part in _parts(sorted(wanted.keys() - there)):
        rows = [{"split_set": name, "sha256": sha256, "split": splits[sha256]} for sha256 in part]
        store_rows(catalog, schema.assignments, rows, connection=connection)
        rows = [
            {**row, "label": wanted[row["sha256"]].label, "group": wanted[row["sha256"]].group}
            for row in rows
        ]
        store_rows(catalog, schema.splits, rows, connection=connection)


def _stale(
    connection: Connection, name: str, wanted: Mapping[str, Member], splits: Mapping[str, str]
) -> set[str]:
    """Delete the rows of a set that no longer hold; return the pictures of those that do."""
    table = schema.splits
    query = select(table.c.sha256, table.c.split, table.c.label, table.c.group)
    there: set[str] = set()
    gone: list[str] = []
    for part in stream(connection, query.where(table.c.split_set == name)):
        for sha256, *placed in part:
            member = wanted.get(sha256)
            if member and placed == [splits[sha256], member.label, member.group]:
                there.add(member.sha256)
            else:
                gone.append(sha256)
    for names in _parts(gone):
        connection.execute(
            delete(table).where(table.c.split_set == name, table.c.sha256.in_(names))
        )
    return there


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _PART):
        yield names[start : start + _PART]


def reject_bridges(connection: Connection, dropped: Mapping[str, Sequence[str]]) -> int:
    """Reject pictures that would connect two splits, unless a person kept them; return how many."""
    table = schema.verdicts
    written = 0
    for sha256, names in dropped.items():
        written += connection.execute(
            table.update()
            .where(table.c.sha256 == sha256, table.c.human.is_(False))
            .values(
                verdict="reject",
                reasons=[Reason.SPLIT_BRIDGE.value],
                details={Reason.SPLIT_BRIDGE.value: {"splits": list(names)}},
            )
        ).rowcount
    return written
