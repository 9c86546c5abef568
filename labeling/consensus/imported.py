"""Which masks of a file count, and which the file no longer has after it was imported again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, exists, select

from bodyshop_core.catalog import schema
from labeling.consensus.votes import CONSENSUS
from labeling.records.annotations import IMPORTED


def counting_imports(
    connection: Connection, project: str, sha256s: Iterable[str]
) -> dict[str, Row[Any]]:
    """Return key -> row of the masks of a file that count, alone or among several people's."""
    table, agreed = schema.annotations, schema.annotations.alias()
    voted = exists().where(
        agreed.c.sha256 == table.c.sha256,
        agreed.c.label == table.c.label,
        agreed.c.kind == "mask",
        agreed.c.state == "current",
        agreed.c.annotator == CONSENSUS,
        agreed.c.project.startswith(IMPORTED),
    )
    query = select(table).where(
        table.c.sha256.in_(list(sha256s)),
        table.c.project == project,
        table.c.kind == "mask",
        (table.c.state == "current") | ((table.c.state == "superseded") & voted),
        table.c.annotator != CONSENSUS,
    )
    return {row.key: row for row in connection.execute(query)}


def deleted_of(connection: Connection, rows: Iterable[Row[Any]]) -> list[Row[Any]]:
    """Return those of some earlier rows that are marked as deleted by now, by picture and class."""
    table = schema.annotations
    known = {row.key: row for row in rows}
    query = select(table.c.key).where(table.c.key.in_(known), table.c.state == "deleted")
    gone = [known[key] for key in connection.scalars(query)]
    return sorted(gone, key=lambda row: (row.sha256, row.label, row.key))
