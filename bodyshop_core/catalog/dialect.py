"""What differs between the databases that can hold a catalog: SQLite and PostgreSQL.

Everything else is SQLAlchemy Core and runs on both. On both, texts compare byte by byte
(PostgreSQL's collation "C"), have any length and never a NUL; whole numbers have 64 bits.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from bodyshop_core.catalog.permissions import explain_refusal
from bodyshop_core.errors import BodyshopError, MissingPartError

NO_ROOM = 1 << 20
"""Bytes; if less is free, a failed write is reported as a full disk."""

LOCK_WAIT_S = 30.0
"""How long a writer waits for another one."""

ROWS_AT_A_TIME = 10_000
"""Rows that a server sends ahead of the reader."""

STORE_SILENCE_S = 60.0
"""In place of `Dialect.silence_s` while a store is asked, which may take as long as its own limits
(`bodyshop_core.storage.remote_place`)."""

_WRITER = 0x626F6479  # "body": key of PostgreSQL's advisory lock for the one writer
_BYTES = 0x62797465  # "byte": of the one for those who rely on stored bytes, or remove them


class CatalogError(BodyshopError):
    """The catalog can't be read or written; what was committed before is intact."""


if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

    Insert = sqlite.Insert | postgresql.Insert


class Dialect(ABC):
    """One kind of database."""

    engine: Engine
    label: str
    """What messages call the catalog; without a password."""
    on_server: bool
    """Whether programs on several machines can use it at once."""
    silence_s: float | None = None
    """A transaction in which the client says nothing for so long is ended, where there is a server;
    else others would wait for the locks of a machine that is gone."""

    @abstractmethod
    def begin_write(self, connection: Connection) -> None:
        """Begin a transaction in which no other writer is."""

    @abstractmethod
    def begin_read(self, connection: Connection) -> Connection:
        """Begin a transaction that sees one state."""

    @abstractmethod
    def version(self, connection: Connection) -> int:
        """Return the catalog's version; 0 in an empty database."""

    @abstractmethod
    def set_version(self, connection: Connection, version: int) -> None:
        """Note the catalog's version."""

    @abstractmethod
    def has_tables(self, connection: Connection) -> bool:
        """Return whether the database holds anything."""

    @abstractmethod
    def explain(self, error: DBAPIError) -> CatalogError | None:
        """Return what a database error means for a user; None when it is a mistake of ours."""

    def claim(self, connection: Connection, what: str, *, shared: bool) -> bool:
        """Return whether nobody else does `what` on this catalog, as long as `connection` lives.

        With `shared`: nobody but others who share it. A file has one host: a lock beside it serves
        (`bodyshop_core.locking`).
        """
        return True

    def limit_silence(self, connection: Connection) -> None:  # noqa: B027
        """Have the server end transactions of this connection after `silence_s`."""

    def rely_on_bytes(self, connection: Connection, *, shared: bool) -> None:  # noqa: B027
        """Begin a transaction that keeps stored bytes as they are; one that removes: not `shared`.

        A file of SQLite has one program at a time for which that matters.
        """

    def hold(self, connection: Connection) -> None:  # noqa: B027 - nothing to do on most
        """Keep an open connection's resources for many small transactions."""

    def attempt(self, connection: Connection) -> AbstractContextManager[Any]:
        """Return a block whose failure does not end the transaction around it."""
        return nullcontext()


def dialect_for(place: Path | URL) -> Dialect:
    """Return the dialect of a SQLite file or a PostgreSQL URL."""
    return _Sqlite(place) if isinstance(place, Path) else _Postgres(place)


def insert_into(connection: Connection, table: Table) -> Insert:
    """Return an INSERT that has ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    return insert_of(connection.dialect.name, table)


def insert_of(dialect: str, table: Table) -> Insert:
    """Return what `insert_into` does, by the name of a dialect."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    return sqlite.insert(table)


class _Sqlite(Dialect):
    on_server = False

    def __init__(self, path: Path) -> None:
        self._path, self.label = path, str(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # NullPool: a connection never outlives its block, so forked workers inherit none.
        self.engine = create_engine(
            f"sqlite:///{path}",
            poolclass=NullPool,
            json_serializer=json_text,
            connect_args={
                "timeout": LOCK_WAIT_S,
                "check_same_thread": False,
                "isolation_level": None,
            },
        )
        event.listen(self.engine, "connect", _configure_sqlite)
        event.listen(self.engine, "begin", _no_implicit_begin)
        event.listen(self.engine, "before_cursor_execute", _without_nul, retval=True)

    def begin_write(self, connection: Connection) -> None:
        connection.execute(text("BEGIN IMMEDIATE"))

    def begin_read(self, connection: Connection) -> Connection:
        connection.execute(text("BEGIN"))
        return connection

    def version(self, connection: Connection) -> int:
        return int(connection.execute(text("PRAGMA user_version")).scalar_one())

    def set_version(self, connection: Connection, version: int) -> None:
        connection.execute(text(f"PRAGMA user_version = {version:d}"))

    def has_tables(self, connection: Connection) -> bool:
        query = text("SELECT count(*) FROM sqlite_master WHERE type = 'table'")
        return bool(connection.execute(query).scalar_one())

    def hold(self, connection: Connection) -> None:
        # The first statement opens the file; read to its end, it leaves no reader behind.
        connection.execute(text("PRAGMA user_version")).scalar_one()

    def explain(self, error: DBAPIError) -> CatalogError | None:
        cause = str(error.orig)
        if not isinstance(error, OperationalError):
            if "not a database" in cause:
                return CatalogError(
                    f"{self._path} is not a bodyshop catalog",
                    hint="choose another --workspace, or move that file away",
                )
            return None
        if "locked" in cause:
            return CatalogError(
                f"{self._path} is in use by another bodyshop command",
                hint="wait until it ends, or use another --workspace",
            )
        # SQLite reports an I/O error when the disk fills up while it maps the index of its log.
        if "full" in cause or ("I/O" in cause and self._no_room()):
            return CatalogError(
                f"the disk is full: {self._path} could not be written",
                hint="free some space and run the command again: it resumes",
            )
        return CatalogError(f"{self._path}: {cause}")

    def _no_room(self) -> bool:
        return shutil.disk_usage(self._path.parent).free < NO_ROOM


class _Postgres(Dialect):
    on_server = True

    def __init__(self, url: URL) -> None:
        self.label = url.render_as_string(hide_password=True)
        try:
            self.engine = create_engine(
                url,
                poolclass=NullPool,
                json_serializer=json_text,
                connect_args={k: v for k, v in _SILENCE.items() if k not in url.query},
            )
        except ModuleNotFoundError as error:
            raise MissingPartError(
                f"the catalog {self.label} needs the package 'psycopg'",
                hint="pip install 'bodyshop[postgres]'",
            ) from error
        event.listen(self.engine, "before_cursor_execute", _without_nul, retval=True)

    def begin_write(self, connection: Connection) -> None:
        self.limit_silence(connection)
        connection.execute(text(f"SET LOCAL lock_timeout = {int(LOCK_WAIT_S * 1000)}"))
        # One writer at a time, as on SQLite: no caller has to think about two. Killed clients hold
        # nothing: the server ends their transactions.
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITER}, {_THIS_SCHEMA})"))

    def rely_on_bytes(self, connection: Connection, *, shared: bool) -> None:
        if self.silence_s is not None:  # between two statements lies a request to a store
            limit = int(max(self.silence_s, STORE_SILENCE_S) * 1000)
            connection.execute(text(f"SET idle_in_transaction_session_timeout = {limit}"))
        lock = "pg_advisory_xact_lock" + ("_shared" if shared else "")
        connection.execute(text(f"SELECT {lock}({_BYTES}, {_THIS_SCHEMA})"))

    def limit_silence(self, connection: Connection) -> None:
        if self.silence_s is not None:
            limit = int(self.silence_s * 1000)
            connection.execute(text(f"SET idle_in_transaction_session_timeout = {limit}"))

    def begin_read(self, connection: Connection) -> Connection:
        return connection.execution_options(
            isolation_level="REPEATABLE READ",
            postgresql_readonly=True,
            stream_results=True,
            max_row_buffer=ROWS_AT_A_TIME,
        )

    def claim(self, connection: Connection, what: str, *, shared: bool) -> bool:
        # A machine that vanished says no good-bye: the server asks after half a minute of silence.
        for name, value in (("idle", 30), ("interval", 10), ("count", 3)):
            connection.execute(text(f"SET SESSION tcp_keepalives_{name} = {value}"))
        take = "pg_try_advisory_lock_shared" if shared else "pg_try_advisory_lock"
        query = text(f"SELECT {take}(hashtext(:what), {_THIS_SCHEMA})")
        return bool(connection.execute(query, {"what": what}).scalar_one())

    def version(self, connection: Connection) -> int:
        if connection.execute(text("SELECT to_regclass('bodyshop_catalog')")).scalar() is None:
            return 0
        return int(connection.execute(text("SELECT version FROM bodyshop_catalog")).scalar_one())

    def set_version(self, connection: Connection, version: int) -> None:
        connection.execute(
            text("CREATE TABLE IF NOT EXISTS bodyshop_catalog (version integer NOT NULL)")
        )
        connection.execute(text("DELETE FROM bodyshop_catalog"))
        connection.execute(text("INSERT INTO bodyshop_catalog VALUES (:n)"), {"n": version})

    def has_tables(self, connection: Connection) -> bool:
        query = text("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()")
        return bool(connection.execute(query).scalar_one())

    def attempt(self, connection: Connection) -> AbstractContextManager[Any]:
        return connection.begin_nested()

    def explain(self, error: DBAPIError) -> CatalogError | None:
        state = getattr(error.orig, "sqlstate", None)
        cause = " ".join(str(error.orig).split())
        if state == "55P03":  # lock_not_available
            return CatalogError(
                f"{self.label} is in use by another bodyshop command for {LOCK_WAIT_S:g} s",
                hint="wait until it ends, then run the command again: it resumes",
            )
        if state == "53100":  # disk_full
            return CatalogError(
                f"the disk of {self.label} is full",
                hint="free some space and run the command again: it resumes",
            )
        if state in {"42501", "3F000"}:  # insufficient_privilege, invalid_schema_name
            refused, hint = explain_refusal(error, self.engine)
            return CatalogError(f"{self.label}: {refused}", hint=hint)
        if state is not None and state[:2] in {"28", "42"} and not state.startswith("42P"):
            return CatalogError(f"{self.label}: {cause}", hint="ask whoever runs the database")
        if isinstance(error, OperationalError):
            return CatalogError(
                f"{self.label} can't be reached, or ended the connection: {cause}",
                hint="is the server running? A password belongs into PGPASSWORD, or into "
                "~/.pgpass (mode 0600); what was committed is kept",
            )
        return None


_SILENCE = {
    "connect_timeout": 30,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""When a server that vanished without a word is given up: in seconds, the last in milliseconds."""

_THIS_SCHEMA = "hashtext(current_database() || '.' || coalesce(current_schema(), ''))"
"""Each workspace has a schema or a database of its own, and so a writer of its own."""


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # NORMAL in WAL mode loses at most the last transactions on a power cut, never consistency.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _no_implicit_begin(connection: Connection) -> None:
    """Leave BEGIN to `Catalog`, which uses BEGIN IMMEDIATE for writing."""


def _without_nul(
    _connection: Connection,
    _cursor: object,
    statement: str,
    parameters: Any,
    _context: object,
    executemany: bool,
) -> tuple[str, Any]:
    """Replace NUL in texts: EXIF and web pages have it, PostgreSQL refuses it."""
    if executemany:
        return statement, [_clean(row) for row in parameters]
    return statement, _clean(parameters)


def _clean(row: Any) -> Any:
    if isinstance(row, dict):
        if [None for value in row.values() if isinstance(value, str) and "\0" in value]:
            return {name: _spaced(value) for name, value in row.items()}
        return row
    if [None for value in row if isinstance(value, str) and "\0" in value]:  # faster than any()
        return tuple(_spaced(value) for value in row)
    return row


def _spaced(value: Any) -> Any:
    return value.replace("\0", " ") if isinstance(value, str) else value


def json_text(value: Any) -> str:
    """Write a value as JSON in which texts and names hold no NUL: see `_without_nul`."""
    text = json.dumps(value)
    return json.dumps(_spaced_deep(value)) if NUL in text else text


NUL = r"\u0000"
"""As JSON writes it; also part of a text with a backslash before ``u0000``, which stays."""


def _spaced_deep(value: Any) -> Any:
    if isinstance(value, dict):
        return {_spaced(name): _spaced_deep(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_spaced_deep(each) for each in value]
    return _spaced(value)


@contextmanager
def explained(dialect: Dialect) -> Iterator[None]:
    """Turn a database error in the block into a `CatalogError` where a user can act on it."""
    try:
        yield
    except DBAPIError as error:
        told = dialect.explain(error)
        if told is None:
            raise
        raise told from error
