"""How often tables were written, so that a stage can tell at once that nothing is new.

Triggers count the rows that are written to a watched table, whoever writes them. Beside the counts
a stage leaves a note of what it did; note and counts are in the catalog with everything else, so
that a backup brings both back.

SQLite has the counts in a table. In PostgreSQL a row that every written row changes would be slow,
and would have writers wait for one another: it has a sequence per table, and a trigger per
statement that takes a number for each row. That counts at once, also what is not committed yet or
never will be, so that a run begins with `settled_counts`.
"""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
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
        False where nothing is counted: the role of a PostgreSQL catalog may not make triggers.
    """
    with catalog.read() as connection:
        counter = _counter_of(connection)
        if counter.counts(connection, tables):
            return True
        if not counter.allowed(connection, tables):
            return False
    with catalog.begin() as connection:
        connection.execute(
            text("CREATE TABLE IF NOT EXISTS finished (stage TEXT PRIMARY KEY, note TEXT NOT NULL)")
        )
        counter.start(connection, tables)
    return True


def change_counts(connection: Connection, tables: Sequence[Table]) -> Counts:
    """Return how many rows were written to watched tables."""
    return _counter_of(connection).read(connection, tables)


def settled_counts(catalog: Catalog, tables: Sequence[Table]) -> Counts:
    """Return `change_counts` of a moment in which nobody is writing to the tables.

    Whatever is read afterwards contains what was counted.
    """
    with catalog.begin() as connection:
        counter = _counter_of(connection)
        counter.settle(connection, tables)
        return counter.read(connection, tables)


def leave_note(connection: Connection, stage: str, note: Mapping[str, Any]) -> None:
    """Note what a stage did; `connection` is a write transaction on a watched catalog."""
    connection.execute(
        text(
            "INSERT INTO finished (stage, note) VALUES (:stage, :note)"
            " ON CONFLICT (stage) DO UPDATE SET note = excluded.note"
        ),
        {"stage": stage, "note": json.dumps(note)},
    )


def read_note(connection: Connection, stage: str) -> dict[str, Any] | None:
    """Return what `leave_note` noted last, if anything."""
    query = text("SELECT note FROM finished WHERE stage = :stage")
    note = connection.scalar(query, {"stage": stage})
    return None if note is None else dict(json.loads(note))


class _Counter(ABC):
    """How a database counts."""

    @abstractmethod
    def counts(self, connection: Connection, tables: Sequence[Table]) -> bool:
        """Return whether all of the tables are watched, and this role may read the counts."""

    @abstractmethod
    def allowed(self, connection: Connection, tables: Sequence[Table]) -> bool:
        """Return whether this role may watch the tables."""

    @abstractmethod
    def start(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Watch the tables; `connection` is a write transaction."""

    @abstractmethod
    def read(self, connection: Connection, tables: Sequence[Table]) -> Counts:
        """Return the counts."""

    @abstractmethod
    def settle(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Wait for those who are writing; `connection` is a write transaction."""


class _TriggersOfSqlite(_Counter):
    def counts(self, connection: Connection, tables: Sequence[Table]) -> bool:
        query = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        there = set(connection.scalars(query))
        return {name for table in tables for name, _ in self._triggers(table)} <= there

    def allowed(self, connection: Connection, tables: Sequence[Table]) -> bool:
        return True

    def start(self, connection: Connection, tables: Sequence[Table]) -> None:
        connection.execute(
            text(
                "CREATE TABLE IF NOT EXISTS changes"
                " (name TEXT PRIMARY KEY, number INTEGER NOT NULL)"
            )
        )
        for table in tables:
            connection.execute(
                text("INSERT OR REPLACE INTO changes VALUES (:name, :number)"),
                {"name": table.name, "number": _random_start()},
            )
            for _, statement in self._triggers(table):
                connection.execute(text(statement))

    def read(self, connection: Connection, tables: Sequence[Table]) -> Counts:
        known: Counts = dict(connection.execute(text("SELECT name, number FROM changes")).all())
        return {table.name: known[table.name] for table in tables}

    def settle(self, connection: Connection, tables: Sequence[Table]) -> None:
        """There is one writer: this transaction."""

    def _triggers(self, table: Table) -> list[tuple[str, str]]:
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


_WRITTEN = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}
"""What PostgreSQL calls the rows that a statement wrote."""


class _SequencesOfPostgres(_Counter):
    def counts(self, connection: Connection, tables: Sequence[Table]) -> bool:
        if connection.scalar(text("SELECT to_regclass('finished')")) is None:
            return False
        watched = text(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass(:table)"
            " AND tgname LIKE :name || '\\_%' AND to_regclass(:name) IS NOT NULL"
        )
        for table in tables:
            name = f"changes_{table.name}"
            found = connection.scalar(watched, {"table": table.name, "name": name})
            if found != len(_WRITTEN) + 1:
                return False
            # To wait for writers a role has to lock their table, which is no right of readers.
            usable = text(
                "SELECT has_sequence_privilege(:name, 'SELECT') AND"
                " has_table_privilege(:table, 'UPDATE, DELETE, TRUNCATE')"
            )
            if not connection.scalar(usable, {"name": name, "table": table.name}):
                return False
        own = " AND ".join(
            f"has_table_privilege('finished', '{what}')" for what in ("SELECT", "INSERT", "UPDATE")
        )
        return bool(connection.scalar(text(f"SELECT {own}")))

    def allowed(self, connection: Connection, tables: Sequence[Table]) -> bool:
        may_create = text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
        if not connection.scalar(may_create):
            return False
        owned = text(
            "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass(:name)"
        )
        names = [table.name for table in tables]
        made = [f"changes_{name}" for name in names] + ["finished"]
        return all(connection.scalar(owned, {"name": name}) for name in names) and all(
            connection.scalar(owned, {"name": name}) in {None, True} for name in made
        )

    def start(self, connection: Connection, tables: Sequence[Table]) -> None:
        # With its owner's rights: another role may write to the tables and not to the sequences.
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql"
                " SECURITY DEFINER SET search_path = pg_catalog AS $$ DECLARE counter regclass"
                " := format('%I.%I', TG_TABLE_SCHEMA, 'changes_' || TG_TABLE_NAME)::regclass;"
                " BEGIN IF TG_OP = 'TRUNCATE' THEN PERFORM nextval(counter);"
                " ELSE PERFORM nextval(counter) FROM written; END IF; RETURN NULL; END $$"
            )
        )
        for table in tables:
            name = f"changes_{table.name}"
            for statement in (
                f"CREATE SEQUENCE IF NOT EXISTS {name}",
                f"SELECT setval('{name}', {_random_start()})",
                f"DROP TRIGGER IF EXISTS {name} ON {table.name}",  # of earlier versions: per row
                *(
                    f"CREATE OR REPLACE TRIGGER {name}_{what.lower()} AFTER {what} ON {table.name}"
                    f" REFERENCING {rows} TABLE AS written"
                    " FOR EACH STATEMENT EXECUTE FUNCTION count_change()"
                    for what, rows in _WRITTEN.items()
                ),
                f"CREATE OR REPLACE TRIGGER {name}_truncate AFTER TRUNCATE ON {table.name}"
                " FOR EACH STATEMENT EXECUTE FUNCTION count_change()",
            ):
                connection.execute(text(statement))

    def read(self, connection: Connection, tables: Sequence[Table]) -> Counts:
        return {
            table.name: int(
                connection.execute(
                    text(f"SELECT last_value FROM changes_{table.name}")
                ).scalar_one()
            )
            for table in tables
        }

    def settle(self, connection: Connection, tables: Sequence[Table]) -> None:
        names = ", ".join(table.name for table in tables)
        connection.execute(text(f"LOCK TABLE {names} IN SHARE MODE"))


_COUNTERS = {"sqlite": _TriggersOfSqlite(), "postgresql": _SequencesOfPostgres()}


def _counter_of(connection: Connection) -> _Counter:
    return _COUNTERS[connection.dialect.name]


def _random_start() -> int:
    """Return where to begin: counts of another catalog, or of before a migration, differ."""
    return secrets.randbits(48) + 1
