"""What a PostgreSQL role lacks, and the statement that grants it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.exc import DBAPIError

_NAME = re.compile(r'"((?:[^"]|"")*)"|([^\s,"]+)')
"""In the setting search_path."""


def explain_refusal(error: DBAPIError, engine: Engine) -> tuple[str, str]:
    """Return what the server refused, and what its owner has to do.

    Parameters
    ----------
    error : sqlalchemy.exc.DBAPIError
        Around the driver's ``insufficient_privilege`` or ``invalid_schema_name``.
    engine : sqlalchemy.Engine
        Of the catalog; asked for the role's schema and its rights.

    Returns
    -------
    tuple of str
        Message and hint.
    """
    refused = error.orig
    cause = _cause(error)
    user = engine.url.username or "ROLE"
    schema, usable, makes = "public", True, False
    try:
        with engine.connect() as connection:
            user = str(connection.scalar(text("SELECT current_user")))
            schema = _schema(connection, user)
            usable, makes = _rights(connection, schema)
    except SQLAlchemyError:  # gone meanwhile: the statement was refused all the same
        pass
    role, quoted = _quoted(user), _quoted(schema)
    grant = f"GRANT USAGE, CREATE ON SCHEMA {quoted} TO {role};"
    creates = (error.statement or "").lstrip().upper().startswith("CREATE")
    if getattr(refused, "sqlstate", None) == "3F000":
        hint = (
            "that schema is absent, or hidden from this role. As the database's owner: "
            f"CREATE SCHEMA IF NOT EXISTS {quoted}; {grant}"
        )
    elif not usable or (creates and not makes):
        hint = f"bodyshop makes its tables itself. As the database's owner: {grant}"
    else:
        hint = (
            "use the role that made the catalog: it may do all of this. What another role needs "
            "for daily work, granted by that one: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL "
            f"TABLES IN SCHEMA {quoted} TO {role};"
        )
    return f"the role {role} may not do what this command needs: {cause}", hint


def _cause(error: DBAPIError) -> str:
    diagnosis = getattr(error.orig, "diag", None)
    return getattr(diagnosis, "message_primary", None) or " ".join(str(error.orig).split())


def _schema(connection: Connection, user: str) -> str:
    """Return the schema that the role's tables are in, or would be."""
    path = str(connection.scalar(text("SHOW search_path")))
    found = [(quoted.replace('""', '"') or plain) for quoted, plain in _NAME.findall(path)]
    named = [user if name == "$user" else name for name in found]
    there = set(connection.scalars(text("SELECT nspname FROM pg_namespace")))
    wanted = [name for name, each in zip(named, found, strict=True) if each != "$user"]
    return next((name for name in named if name in there), wanted[0] if wanted else "public")


def _rights(connection: Connection, schema: str) -> tuple[bool, bool]:
    """Return whether the role may use a schema, and make tables there."""
    query = text(
        "SELECT has_schema_privilege(oid, 'USAGE'), has_schema_privilege(oid, 'CREATE')"
        " FROM pg_namespace WHERE nspname = :name"
    )
    row = connection.execute(query, {"name": schema}).first()
    return (bool(row[0]), bool(row[1])) if row is not None else (False, False)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
