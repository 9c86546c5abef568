"""The politeness that several collectors share: one row per host, by the database's clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, update

from bodyshop_core.catalog import Catalog, schema
from bodyshop_core.catalog.dialect import insert_into
from collector.ledger.membership import CLOCK, LeaseLostError, end_if_silent
from collector.net.host_states import HostState

_hosts = schema.hosts
_alive = select(schema.collectors.c.id).where(schema.collectors.c.expires_at > CLOCK)
_locked = (
    select(_hosts).where(_hosts.c.host == bindparam("of_host")).with_for_update().cte("locked")
)

# Made once: to put a statement together takes longer than to run it. The clock is read when the
# row is locked, however long that took.
_LOCK = select(_locked, CLOCK.label("now"), func.array(_alive.scalar_subquery()).label("alive"))
_NOTE = update(_hosts).where(_hosts.c.host == bindparam("of_host"))


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
        with catalog.explained():
            end_if_silent(connection)
            connection.commit()

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
        with self._lock, self._catalog.explained():
            try:
                row, now = self._locked(host)
                state, others = self._state(row, least)
                yield state, now
                values = _columns(state, others, self._me)
                if any(getattr(row, name) != value for name, value in values.items()):
                    self._connection.execute(_NOTE, {"of_host": host, **values})
                self._connection.commit()
                self._seen[host] = state
            except BaseException:
                self._connection.rollback()
                raise

    def seen(self, host: str) -> HostState | None:
        """Return the state as this collector saw it last."""
        return self._seen.get(host)

    def here(self, at: float) -> float:
        """Return what the local clock shows at a time of the database; at most a request late."""
        return at + self._ahead

    def agreed(self, host: str, proposed: str) -> str:
        """Return the name under which a host's state is kept: the first that anyone proposed."""
        with self._lock, self._catalog.explained():
            statement = insert_into(self._connection, _hosts).values(host=host, counts_as=proposed)
            first = func.coalesce(_hosts.c.counts_as, statement.excluded.counts_as)
            name = self._connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["host"], set_={"counts_as": first}
                ).returning(_hosts.c.counts_as)
            ).scalar_one()
            self._connection.commit()
        return str(name)

    def _locked(self, host: str) -> tuple[Row[Any], float]:
        row = self._connection.execute(_LOCK, {"of_host": host}).first()
        if row is None:
            statement = insert_into(self._connection, _hosts).values(host=host)
            self._connection.execute(statement.on_conflict_do_nothing())
            row = self._connection.execute(_LOCK, {"of_host": host}).one()
        self._ahead = self._clock() - row.now
        if self._me not in row.alive:
            raise LeaseLostError
        return row, row.now

    def _state(self, row: Row[Any], least: HostState) -> tuple[HostState, dict[str, int]]:
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
    connection.execute(update(_hosts).values(values))


def _columns(state: HostState, others: dict[str, int], me: str) -> dict[str, Any]:
    return {
        "interval": state.interval,
        "gap": state.gap,
        "connections": state.connections,
        "next_start": state.next_start,
        "cooling_until": state.cooling_until,
        "open": others | ({me: state.open} if state.open else {}),
        "blocks": state.blocks,
        "disabled": state.disabled,
    }
