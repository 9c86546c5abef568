"""The catalog on disk: SQLAlchemy Core on SQLite in WAL mode."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, bindparam, create_engine, event, select, text
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlalchemy.pool import NullPool

from bodyshop_core.catalog.migrations import can_migrate, migrate
from bodyshop_core.catalog.schema import SCHEMA_VERSION, images, metadata, tombstones
from bodyshop_core.errors import BodyshopError

NO_ROOM = 1 << 20
"""Bytes; with less left on the disk a failed write is said to be for want of room."""

LOCK_WAIT_S = 30.0
"""How long a writer waits for another one before it gives up."""


class CatalogError(BodyshopError):
    """The catalog can't be read or written; what was committed before is intact."""


class Catalog:
    """One workspace's catalog.

    Each transaction is written whole or not at all, so that a command killed between any two
    statements leaves a catalog that the next one accepts.

    Parameters
    ----------
    path : Path
        The SQLite file; created with its tables when absent, brought up to date when older.

    Raises
    ------
    CatalogError
        The file is no catalog, or belongs to a newer bodyshop.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = _engine(path)
        self._prepare()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a write transaction: committed at the end of the block, undone when it raises."""
        with self._explained(), self._engine.connect() as connection:
            connection.execute(text("BEGIN IMMEDIATE"))
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a consistent view for reading."""
        with self._explained(), self._engine.connect() as connection:
            connection.execute(text("BEGIN"))
            yield connection
            connection.rollback()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the file open for the block, for many small transactions in one process.

        SQLite moves its log into the file whenever the last connection closes: after every
        transaction, unless one stays open beside them.
        """
        with self._explained(), self._engine.connect() as connection:
            # The first statement opens the file; read to its end, it leaves no reader behind.
            connection.execute(text("PRAGMA user_version")).scalar_one()
            yield

    def upsert(
        self,
        table: Table,
        rows: Iterable[Mapping[str, Any]],
        *,
        connection: Connection | None = None,
    ) -> int:
        """Insert rows, replacing the given columns of those whose primary key is already there.

        Parameters
        ----------
        table : Table
            One of `bodyshop_core.catalog.schema`.
        rows : Iterable of mappings
            Column name -> value; all rows of one call carry the same columns.
        connection : Connection, optional
            A transaction to take part in; without it the call is its own transaction.

        Returns
        -------
        int
            The number of rows written. Rows about a picture that `forget` erased while they were
            computed are left out.

        Raises
        ------
        ValueError
            A row lacks a column that another one carries.
        IntegrityError
            A row is about a picture, or refers to a row, that was never there.
        """
        rows = [dict(row) for row in rows]
        if not rows:
            return 0
        if connection is None:
            with self.begin() as own:
                return self.upsert(table, rows, connection=own)
        statement = _upsert(table, _columns_of(table, rows))
        try:
            connection.execute(statement, rows)
        except IntegrityError:
            present = _without_erased(connection, table, rows)
            if len(present) == len(rows):
                raise
            if present:
                connection.execute(statement, present)
            rows = present
        return len(rows)

    def close(self) -> None:
        """Release the file."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with self._explained():
            with self._engine.connect() as connection:
                connection.execute(text("BEGIN"))
                version = connection.execute(text("PRAGMA user_version")).scalar_one()
                tables = connection.execute(
                    text("SELECT count(*) FROM sqlite_master WHERE type = 'table'")
                ).scalar_one()
            if version == SCHEMA_VERSION:
                return
            if 0 < version < SCHEMA_VERSION and can_migrate(version):
                with self.begin() as connection:
                    migrate(connection)
                return
            if version or tables:
                raise CatalogError(
                    f"{self.path} is a catalog of version {version}, "
                    f"this bodyshop reads version {SCHEMA_VERSION}",
                    hint="use the bodyshop that made it, or another --workspace",
                )
            with self.begin() as connection:
                metadata.create_all(connection)
                connection.execute(text(f"PRAGMA user_version = {SCHEMA_VERSION}"))

    def _no_room(self) -> bool:
        return shutil.disk_usage(self.path.parent).free < NO_ROOM

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            cause = str(error.orig)
            if "locked" in cause:
                raise CatalogError(
                    f"{self.path} is in use by another bodyshop command",
                    hint="wait until it ends, or use another --workspace",
                ) from error
            # SQLite has its own words for a disk that fills up while it maps its index of the log.
            if "full" in cause or ("I/O" in cause and self._no_room()):
                raise CatalogError(
                    f"the disk is full: {self.path} could not be written",
                    hint="make room and run the command again: it goes on where it stopped",
                ) from error
            raise CatalogError(f"{self.path}: {cause}") from error
        except DatabaseError as error:
            if isinstance(error.orig, sqlite3.DatabaseError) and "not a database" in str(
                error.orig
            ):
                raise CatalogError(
                    f"{self.path} is not a bodyshop catalog",
                    hint="choose another --workspace, or move that file away",
                ) from error
            raise


def now() -> str:
    """Return the present time, UTC, ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _columns_of(table: Table, rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    names = rows[0].keys()
    for row in rows:
        if row.keys() != names:
            raise ValueError(
                f"rows for {table.name} with different columns: "
                f"{', '.join(sorted(row.keys() ^ names))} in some of them only"
            )
    return tuple(names)


def _without_erased(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Leave out rows about pictures that are gone, when something was erased on request at all."""
    if connection.execute(select(tombstones.c.value).limit(1)).first() is None:
        return list(rows)
    columns = [column.name for column in table.columns if column.references(images.c.sha256)]
    named = {row[name] for row in rows for name in columns if row.get(name) is not None}
    query = select(images.c.sha256).where(images.c.sha256 == bindparam("sha256"))
    there = {each for each in named if connection.execute(query, {"sha256": each}).first()}
    return [row for row in rows if all(row.get(name) in there | {None} for name in columns)]


@lru_cache(maxsize=256)
def _upsert(table: Table, names: tuple[str, ...]) -> Insert:
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    values = {name: statement.excluded[name] for name in names if name not in keys}
    if values:
        return statement.on_conflict_do_update(index_elements=keys, set_=values)
    return statement.on_conflict_do_nothing(index_elements=keys)


def _engine(path: Path) -> Engine:
    # NullPool: a connection never outlives its block, so forked workers inherit none.
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=NullPool,
        connect_args={"timeout": LOCK_WAIT_S, "check_same_thread": False, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        # NORMAL in WAL mode loses at most the last transactions on a power cut, never consistency.
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _no_implicit_begin(connection: Connection) -> None:
        """Leave BEGIN to `Catalog`, which says IMMEDIATE when it will write."""

    return engine
