"""Which workspace this is: an id that its catalog keeps, and that a copy does not take over."""

from __future__ import annotations

import uuid

from sqlalchemy import Column, Connection, MetaData, Table, inspect, select, text

from bodyshop_core.catalog.store import Catalog
from bodyshop_core.catalog.tables.columns import Text

_identity = Table("bodyshop_identity", MetaData(), Column("id", Text, primary_key=True))
"""Not among the tables of a catalog, all of which are copied."""

_MAY_CREATE = text(
    "SELECT has_schema_privilege(current_schema(), 'CREATE') AND NOT pg_is_in_recovery()"
    " AND current_setting('default_transaction_read_only') = 'off'"
)


def may_give_identity(catalog: Catalog) -> bool:
    """Return whether the database lets this role give the workspace an id."""
    if not catalog.on_server:
        return True
    with catalog.read() as connection:
        return bool(connection.scalar(_MAY_CREATE))


def find_identity(catalog: Catalog) -> str | None:
    """Return the id of a catalog's workspace; None as long as it has none. Nothing is written."""
    with catalog.read() as connection:
        return _read(connection)


def identity(catalog: Catalog) -> str:
    """Return the id of a catalog's workspace; it gets one on the first call."""
    if found := find_identity(catalog):
        return found
    with catalog.begin() as connection:
        return _read(connection) or _write(connection, uuid.uuid4().hex)


def take_over(catalog: Catalog, owner: str) -> None:
    """Give a catalog the id of the one that it replaces."""
    with catalog.begin() as connection:
        _write(connection, owner)


def _read(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_identity.name):
        return None
    return connection.execute(select(_identity.c.id)).scalar_one_or_none()


def _write(connection: Connection, owner: str) -> str:
    _identity.create(connection, checkfirst=True)
    connection.execute(_identity.delete())
    connection.execute(_identity.insert(), {"id": owner})
    return owner
