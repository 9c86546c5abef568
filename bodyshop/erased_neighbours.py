"""Verdicts of pictures that stay, without the names of those that are erased."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, select, update

from bodyshop_core.catalog import schema, stream

if TYPE_CHECKING:
    from sqlalchemy import Connection

_SHA256 = re.compile("[0-9a-f]{64}")


def erase_from_verdicts(connection: Connection, pictures: Collection[str]) -> int:
    """Take pictures out of the verdicts of those they were compared with.

    A duplicate names the picture that is kept in its place, and both sides of a conflict of labels
    name one another, also where a person took their cluster apart. Until curate runs again, such a
    verdict has no representative and does not say of what it is a copy.

    Parameters
    ----------
    connection : Connection
        The write transaction that erases the pictures; their own verdicts must still be there.
    pictures : collection of str
        sha256.

    Returns
    -------
    int
        Verdicts that named one of them.
    """
    table, gone = schema.verdicts, set(pictures)
    # By what the verdicts say: two that name one another need not be of one cluster.
    text = cast(table.c.details, Text)
    others = (table.c.representative != table.c.sha256) | text.contains('"other"')
    query = select(table.c.sha256, table.c.representative, text).where(others)
    changed: dict[str, dict[str, Any]] = {}
    for part in stream(connection, query):
        for sha256, representative, details in part:
            named = representative in gone or not gone.isdisjoint(_SHA256.findall(details or ""))
            if sha256 not in gone and named:
                changed[sha256] = {
                    "representative": None if representative in gone else representative,
                    "details": _without(json.loads(details), gone) if details else None,
                }
    for sha256, left in changed.items():
        connection.execute(update(table).where(table.c.sha256 == sha256).values(left))
    return len(changed)


def _without(value: Any, gone: set[str]) -> Any:
    """Return details without what is one of the pictures."""
    if isinstance(value, dict):
        return {
            name: _without(each, gone) for name, each in value.items() if not _is_one_of(each, gone)
        }
    return value


def _is_one_of(value: Any, gone: set[str]) -> bool:
    return isinstance(value, str) and value in gone
