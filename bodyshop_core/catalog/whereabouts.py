"""Where a catalog lies: it tells a catalog from a copy of it, which has the same id."""

from __future__ import annotations

import platform

from sqlalchemy import text

from bodyshop_core.catalog.store import Catalog

_MAY_ASK = text("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')")

_DATABASE = text(
    "SELECT (SELECT system_identifier FROM pg_control_system()), oid, current_schema()"
    " FROM pg_database WHERE datname = current_database()"
)


def whereabouts(catalog: Catalog) -> dict[str, str]:
    """Return what tells a catalog from its copies.

    Returns
    -------
    dict
        ``catalog``, its address, and ``machine``; and what stays when the address changes: of a
        file its number in the file system, of a database that of its server, its own and its
        schema; absent where the server does not tell.
    """
    found = {"catalog": catalog.label, "machine": platform.node()}
    if not catalog.on_server:
        return found | {"file": str(catalog.path.stat().st_ino)}
    with catalog.read() as connection:
        if connection.scalar(_MAY_ASK):
            found["database"] = "/".join(map(str, connection.execute(_DATABASE).one()))
    return found
