"""The politeness that several collectors share: one row per host, by the database's clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, update
from sqlalchemy.exc import DBAPIError

from bodyshop_core.catalog import Catalog, schema
from collector.ledger.membership import LeaseLostError
from collector.net.host_states import HostState

_COLUMNS = (
    "interval", "gap", "connections", "next_start", "cooling_until", "open", "blocks", "disabled",
)  # fmt: skip

# For the driver itself: a request takes two of these, and SQLAlchemy five times as long for one.
# The clock is read when the row is locked, however long that took.
_LOCK = f"""
WITH locked AS (SELECT {", ".join(_COLUMNS)} FROM hosts WHERE host = %s FOR UPDATE)
SELECT locked.*, clock.now, ARRAY (SELECT id FROM collectors WHERE expires_at > clock.now) AS alive
FROM locked, LATERAL (
    SELECT extract(epoch FROM clock_timestamp())::float + 0 * locked.blocks AS now
) clock
"""
_NOTE = f"UPDATE hosts SET {', '.join(f'{name} = %s' for name in _COLUMNS)} WHERE host = %s"
_MEET = """
INSERT INTO hosts
    (host, counts_as, interval, gap, next_start, cooling_until, open, blocks, disabled)
VALUES (%s, %s, 0, 0, 0, 0, '{}', 0, '') ON CONFLICT (host)
DO UPDATE SET counts_as = coalesce(hosts.counts_as, excluded.counts_as) RETURNING counts_as
"""


class SharedHosts:
    """The `HostStates` of several collectors; thread-safe, with one connection.

    A state is read, changed and written while its row is locked, so that the rules of
    `collector.net.politeness` hold over all collectors as they hold over the threads of one. A
    collector that was silent for too long gets no state, and so makes no request.

    Parameters
    ----------
    catalog : Catalog
        On PostgreSQL.
    connection : Connection
        From `Catalog.connected`, for these alone.
    collector : str
        Id from `collector.ledger.leases`.
    clock : callable
        Of this process, monotonic seconds.
    """

    def __init__(
        self,
        catalog: Catalog,
        connection: Connection,
        collector: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog, self._connection = catalog, connection
        self._me, self._clock = collector, clock
        self._seen: dict[str, HostState] = {}
        self._ahead = 0.0  # of the local clock, before the database's
        self._lock = threading.Lock()
        # Only those who have PostgreSQL have its driver.
        from psycopg import Error
        from psycopg.rows import namedtuple_row
        from psycopg.types.json import Json

        self._driver: Any = connection.connection.driver_connection
        self._error, self._rows, self._json = Error, namedtuple_row, Json

    @contextmanager
    def opened(
        self, host: str, fresh: Callable[[], HostState]
    ) -> Iterator[tuple[HostState, float]]:
        """Give the state of a host and the present time, to read and change.

        Raises
        ------
        LeaseLostError
            This collector was silent for too long.
        CatalogError
            The database can't be reached.
        """
        least = fresh()
        with self._transaction():
            row = self._locked(host)
            state, others = self._state(row, least)
            yield state, row.now
            values = _values(state, others, self._me)
            if values != [getattr(row, name) for name in _COLUMNS]:
                stored = [self._json(each) if isinstance(each, dict) else each for each in values]
                self._execute(_NOTE, [*stored, host])
        self._seen[host] = state

    def seen(self, host: str) -> HostState | None:
        """Return the state as this collector saw it last."""
        return self._seen.get(host)

    def here(self, at: float) -> float:
        """Return what the local clock shows at a time of the database; at most a request late."""
        return at + self._ahead

    def agreed(self, host: str, proposed: str) -> str:
        """Return the name under which a host's state is kept: the first that anyone proposed."""
        with self._transaction():
            return str(self._execute(_MEET, [host, proposed]).fetchone().counts_as)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._catalog.explained():
            try:
                yield
                self._driver.commit()
            except BaseException as error:
                with suppress(self._error):  # a connection that is gone has nothing to roll back
                    self._driver.rollback()
                if isinstance(error, self._error):
                    raise DBAPIError.instance(None, None, error, self._error) from error
                raise

    def _execute(self, statement: str, values: list[Any]) -> Any:
        cursor = self._driver.cursor(row_factory=self._rows)
        return cursor.execute(statement, values)

    def _locked(self, host: str) -> Any:
        row = self._execute(_LOCK, [host]).fetchone()
        if row is None:
            self._execute(_MEET, [host, None])
            row = self._execute(_LOCK, [host]).fetchone()
        self._ahead = self._clock() - row.now
        if self._me not in row.alive:
            raise LeaseLostError
        return row

    def _state(self, row: Any, least: HostState) -> tuple[HostState, dict[str, int]]:
        """Return the state of a row, and the requests in progress of the others alive."""
        others = {
            each: count
            for each, count in row.open.items()
            if each in row.alive and each != self._me
        }
        interval = max(row.interval, least.interval)
        state = HostState(
            interval=interval,
            connections=min(row.connections or least.connections, least.connections),
            gap=max(row.gap, interval),
            next_start=row.next_start,
            cooling_until=row.cooling_until,
            open=row.open.get(self._me, 0),
            elsewhere=sum(others.values()),
            blocks=row.blocks,
            disabled=row.disabled,
        )
        return state, others


def reset_hosts(connection: Connection) -> None:
    """Forget what held for the last run only; when each host was asked stays."""
    values: dict[str, Any] = {"interval": 0.0, "gap": 0.0, "connections": None, "open": {}}
    values |= {"blocks": 0, "disabled": "", "counts_as": None}
    connection.execute(update(schema.hosts).values(values))


def _values(state: HostState, others: dict[str, int], me: str) -> list[Any]:
    """Return what is stored of a state, in the order of `_COLUMNS`."""
    open_by = others | ({me: state.open} if state.open else {})
    return [
        state.interval, state.gap, state.connections, state.next_start, state.cooling_until,
        open_by, state.blocks, state.disabled,
    ]  # fmt: skip
