"""What a PostgreSQL role lacks, and the statement that grants it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import URL


def explain_refusal(error: Any, url: URL) -> tuple[str, str]:
    """Return what the server refused, and what its owner has to do.

    Parameters
    ----------
    error : Exception
        The driver's: ``insufficient_privilege`` or ``invalid_schema_name``.
    url : sqlalchemy.URL
        The catalog's.

    Returns
    -------
    tuple of str
        Message and hint.
    """
    cause = error.diag.message_primary or " ".join(str(error).split())
    role = f'"{url.username}"' if url.username else "ROLE"
    asked = re.search(r"search_path\s*=\s*([^\s,]+)", str(url.query.get("options")))
    schema = asked[1].strip('"') if asked else "public"
    grant = f'GRANT USAGE, CREATE ON SCHEMA "{schema}" TO {role};'
    if error.sqlstate == "3F000":
        hint = (
            "that schema is absent, or hidden from this role. As the database's owner: "
            f'CREATE SCHEMA IF NOT EXISTS "{schema}"; {grant}'
        )
    elif cause.endswith(schema):
        hint = f"bodyshop makes its tables itself. As the database's owner: {grant}"
    else:
        hint = (
            "use the role that made the catalog: it may do all of this. What another role needs "
            "for daily work, granted by that one: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL "
            f'TABLES IN SCHEMA "{schema}" TO {role};'
        )
    return f"the role {role} may not do what this command needs: {cause}", hint
