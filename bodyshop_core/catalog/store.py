"""The catalog: SQLAlchemy Core on SQLite in WAL mode, or on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Table, bindparam, select
from sqlalchemy.exc import IntegrityError

from bodyshop_core.catalog.dialect import (
    CatalogError,
    dialect_for,
    explained,
    insert_of,
)
from bodyshop_core.catalog.migrations import can_migrate, migrate
from bodyshop_core.catalog.schema import SCHEMA_VERSION, images, metadata, tombstones
from bodyshop_core.errors import UsageError

if TYPE_CHECKING:
    from bodyshop_core.catalog.dialect import Insert


class Catalog:
    """The catalog of one workspace.

    Each transaction is written completely or not at all: a command that is killed at any moment
    leaves a valid catalog.

    Parameters
    ----------
    path : Path
        The SQLite file; created when absent, migrated when older.
    url : sqlalchemy.URL, optional
        A PostgreSQL database in place of the file; its tables are created when it is empty.

    Raises
    ------
    CatalogError
        That is not a catalog, or of a newer bodyshop; or the server can't be reached.
    MissingPartError
        The driver of PostgreSQL is not installed.
    """

    def __init__(self, path: Path, url: URL | None = None) -> None:
        self.path = path
        self._dialect = dialect_for(path if url is None else url)
        self.label = self._dialect.label
        self.on_server = self._dialect.on_server
        self._prepare()

    @contextmanager
    def begin(self, *, before: Callable[[Connection], None] | None = None) -> Iterator[Connection]:
        """Open a write transaction: committed at the end of the block, rolled back on an error.

        Parameters
        ----------
        before : callable, optional
            Looks for stored bytes on which the block relies, and may take its time: other writers
            do not wait for it. Until the end of the block nobody is in `removing`. Between two
            requests to a store it has to execute a statement.
        """
        with explained(self._dialect), self._dialect.engine.connect() as connection:
            if before is not None:
                self._dialect.rely_on_bytes(connection, shared=True)
                before(connection)
            self._dialect.begin_write(connection)
            try:
                yield connection
                connection.commit()
            finally:
                connection.rollback()  # what is committed stays

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a consistent view for reading."""
        with explained(self._dialect), self._dialect.engine.connect() as connection:
            yield self._dialect.begin_read(connection)
            connection.rollback()

    @contextmanager
    def removing(self) -> Iterator[Connection]:
        """Open a view for removing stored bytes that the catalog does not have.

        Nobody relies on them meanwhile (`begin` with `before`); other writers do not wait. Between
        two requests to a store the block has to execute a statement.
        """
        with explained(self._dialect), self._dialect.engine.connect() as connection:
            self._dialect.rely_on_bytes(connection, shared=False)
            yield connection
            connection.rollback()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the file open for the block, for many small transactions in one process.

        SQLite merges its log into the file whenever the last connection closes: after every
        transaction, unless another connection stays open.
        """
        with explained(self._dialect), self._dialect.engine.connect() as connection:
            self._dialect.hold(connection)
            yield

    @contextmanager
    def claimed(
        self, what: str, *, taken: str, hint: str | None = None, shared: bool = False
    ) -> Iterator[Connection]:
        """Be the only one, on any machine, who does `what` on this catalog for the block.

        Parameters
        ----------
        what : str
            Such as ``collect``.
        taken, hint : str
            Message of the error.
        shared : bool
            Be one of several who share it, and exclude those who don't.

        Yields
        ------
        Connection
            The claim is held as long as it lives; it may be used, and has to be committed.

        Raises
        ------
        UsageError
            Somebody else does. A claim ends with its process, however that ends.
        """
        with explained(self._dialect), self._dialect.engine.connect() as connection:
            if not self._dialect.claim(connection, what, shared=shared):
                raise UsageError(taken, hint=hint)
            connection.commit()  # the claim stays with the connection
            yield connection

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Open a connection for many small transactions, which the block commits itself.

        They run beside the one writer of `begin`: not for tables that it writes.
        """
        with explained(self._dialect), self._dialect.engine.connect() as connection:
            self._dialect.limit_silence(connection)
            connection.commit()
            yield connection

    @contextmanager
    def limited_silence(self, seconds: float) -> Iterator[None]:
        """Have a server end write transactions in which this process is silent for so long.

        This holds for the block, for those who write beside others: the locks of a machine that is
        gone, or asleep, would keep them waiting.
        """
        before, self._dialect.silence_s = self._dialect.silence_s, seconds
        try:
            yield
        finally:
            self._dialect.silence_s = before

    def explained(self) -> AbstractContextManager[None]:
        """Tell database errors of the block as `CatalogError`, as the other methods do."""
        return explained(self._dialect)

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
        statement = _upsert(connection.dialect.name, table, _columns_of(table, rows))
        try:
            with self._dialect.attempt(connection):
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
        self._dialect.engine.dispose()

    def _prepare(self) -> None:
        dialect = self._dialect
        with explained(dialect):
            with dialect.engine.connect() as connection:
                connection = dialect.begin_read(connection)
                version, tables = dialect.version(connection), dialect.has_tables(connection)
            if version == SCHEMA_VERSION:
                return
            if 0 < version < SCHEMA_VERSION and can_migrate(version):
                with self.begin() as connection:
                    migrate(connection, dialect)
                return
            if version or tables:
                raise CatalogError(
                    f"{self.label} is a catalog of version {version}, "
                    f"this bodyshop reads version {SCHEMA_VERSION}",
                    hint="use the bodyshop version that created it, or another --workspace",
                )
            with self.begin() as connection:
                if dialect.version(connection) == SCHEMA_VERSION:
                    return  # another command was faster
                metadata.create_all(connection)
                dialect.set_version(connection, SCHEMA_VERSION)


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
def _upsert(dialect: str, table: Table, names: tuple[str, ...]) -> Insert:
    statement = insert_of(dialect, table)
    keys = [column.name for column in table.primary_key]
    values = {name: statement.excluded[name] for name in names if name not in keys}
    if values:
        return statement.on_conflict_do_update(index_elements=keys, set_=values)
    return statement.on_conflict_do_nothing(index_elements=keys)
