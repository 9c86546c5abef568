"""How often tables were written, so that a stage can tell at once that nothing is new.

SQLite counts the rows that are written to a watched table by triggers, whoever writes them. Beside
the counts a stage leaves a note of what it did; note and counts are one file with the rest of the
catalog, so that a backup brings both back.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from bodyshop_core.catalog.store import Catalog

Counts = dict[str, int]
"""Table -> rows written since it is watched."""


def watch(catalog: Catalog, tables: Sequence[Table]) -> bool:
    """Count the rows that are written to tables from now on.

    Returns
    -------
    bool
        False on another database than SQLite, where nothing is counted.
    """
    with catalog.read() as connection:
        if connection.dialect.name != "sqlite":
            return False
        query = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        there = set(connection.scalars(query))
    if {name for table in tables for name, _ in _triggers(table)} <= there:
        return True
    with catalog.begin() as connection:
        for statement in (
            "CREATE TABLE IF NOT EXISTS changes (name TEXT PRIMARY KEY, number INTEGER NOT NULL)",
            "CREATE TABLE IF NOT EXISTS finished (stage TEXT PRIMARY KEY, note TEXT NOT NULL)",
        ):
            connection.execute(text(statement))
        for table in tables:
            # A random start: numbers of another catalog, or before a migration, are none of these.
            connection.execute(
                text("INSERT OR REPLACE INTO changes VALUES (:name, :number)"),
                {"name": table.name, "number": secrets.randbits(48)},
            )
            for _, statement in _triggers(table):
                connection.execute(text(statement))
    return True


def change_counts(connection: Connection, tables: Sequence[Table]) -> Counts:
    """Return how many rows were written to watched tables."""
    known: Counts = dict(connection.execute(text("SELECT name, number FROM changes")).all())
    return {table.name: known[table.name] for table in tables}


def leave_note(connection: Connection, stage: str, note: Mapping[str, Any]) -> None:
    """Note what a stage did; `connection` is a write transaction on a watched catalog."""
    connection.execute(
        text("INSERT OR REPLACE INTO finished VALUES (:stage, :note)"),
        {"stage": stage, "note": json.dumps(note)},
    )


def read_note(connection: Connection, stage: str) -> dict[str, Any] | None:
    """Return what `leave_note` noted last, if anything."""
    query = text("SELECT note FROM finished WHERE stage = :stage")
    note = connection.scalar(query, {"stage": stage})
    return None if note is None else dict(json.loads(note))


def _triggers(table: Table) -> list[tuple[str, str]]:
    """Return the names and statements of the triggers of a table."""
    return [
        (
            f"changes_{table.name}_{what}",
            f"CREATE TRIGGER IF NOT EXISTS changes_{table.name}_{what} AFTER {what} ON "
            f"{table.name} BEGIN UPDATE changes SET number = number + 1 "
            f"WHERE name = '{table.name}'; END",
        )
        for what in ("INSERT", "UPDATE", "DELETE")
    ]
