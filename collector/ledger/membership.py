"""The collectors that work on one ledger: each is one as long as it says so.

What expires is the collector's row, not its leases: a heartbeat moves ``expires_at`` on, by the
database's clock, so that keeping a thousand leases is one update. Only for PostgreSQL.
"""

from __future__ import annotations

import uuid

from sqlalchemy import Connection, Float, cast, delete, extract, func, insert, select, update

from bodyshop_core.catalog import CatalogError, now, schema

LEASE_SECONDS = 30.0
"""A collector that is silent for so long has lost its leases; it speaks six times as often."""

CLOCK = cast(extract("epoch", func.clock_timestamp()), Float)
"""UNIX time in seconds, by the database's clock at the moment of reading."""


class LeaseLostError(CatalogError):
    """The collector was silent for too long: others have its work, and it has to end."""

    def __init__(self) -> None:
        super().__init__(
            f"this collector was silent for more than {LEASE_SECONDS:g} s (was the machine asleep, "
            "or the database out of reach?): its work was given to others",
            hint="run the same command again: what is finished is kept",
        )


class Membership:
    """One of several collectors."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self.ended = False  # its row and its leases are gone, or never were

    def register(self, connection: Connection, *, machine: str, blobs: str) -> bool:
        """Become one of the collectors; return whether there is no other."""
        table = schema.collectors
        connection.execute(delete(table).where(table.c.expires_at <= CLOCK))
        alone = connection.execute(select(table.c.id).limit(1)).first() is None
        row = {"id": self.id, "machine": machine, "blobs": blobs, "started_at": now()}
        connection.execute(insert(table).values(**row, expires_at=CLOCK + LEASE_SECONDS))
        return alone

    def count_from_now(self, connection: Connection) -> None:
        """Move ``expires_at`` on in the transaction of `register`, as its last statement.

        Until that is committed no heartbeat can, however long it takes.
        """
        table = schema.collectors
        statement = update(table).where(table.c.id == self.id)
        connection.execute(statement.values(expires_at=CLOCK + LEASE_SECONDS))

    def renew(self, connection: Connection) -> None:
        """Say that this collector is alive, in a transaction of its own.

        Raises
        ------
        LeaseLostError
            It was silent for too long.
        """
        table = schema.collectors
        mine = (table.c.id == self.id) & (table.c.expires_at > CLOCK)
        statement = update(table).where(mine).values(expires_at=CLOCK + LEASE_SECONDS)
        renewed = connection.execute(statement).rowcount
        connection.commit()
        if not renewed:
            raise LeaseLostError

    def others(self, connection: Connection) -> list[str]:
        """Return the ids of the other collectors that are alive.

        Raises
        ------
        LeaseLostError
            This one is not.
        """
        table = schema.collectors
        alive = set(connection.scalars(select(table.c.id).where(table.c.expires_at > CLOCK)))
        if self.id not in alive:
            raise LeaseLostError
        return sorted(alive - {self.id})


def end_collector(connection: Connection, collector: str) -> None:
    """Remove a collector and its leases, because it has ended."""
    for table in (schema.candidates, schema.pages):
        connection.execute(update(table).where(table.c.lease == collector).values(lease=None))
    connection.execute(delete(schema.collectors).where(schema.collectors.c.id == collector))


def end_everyone(connection: Connection) -> None:
    """Remove all collectors and leases: the caller works alone."""
    for table in (schema.candidates, schema.pages):
        connection.execute(update(table).where(table.c.lease.is_not(None)).values(lease=None))
    connection.execute(delete(schema.collectors))
