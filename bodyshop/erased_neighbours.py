"""Verdicts of pictures that stay, without the names of those that are erased."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from bodyshop_core.catalog import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

_VARIABLES = 500


def erase_from_verdicts(connection: Connection, pictures: Collection[str]) -> int:
    """Take pictures out of the verdicts of those they were compared with.

    A duplicate names the picture that is kept in its place, and both sides of a conflict of labels
    name one another: all are of one cluster, so no other verdict is read. Until curate runs again,
    such a verdict has no representative and does not say of what it is a copy.

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
    clusters: set[str] = set()
    for part in _parts(sorted(gone)):
        query = select(table.c.cluster).where(table.c.sha256.in_(part))
        clusters.update(name for name in connection.scalars(query) if name)
    touched = 0
    for part in _parts(sorted(clusters)):
        query = select(table.c.sha256, table.c.representative, table.c.details).where(
            table.c.cluster.in_(part)
        )
        for sha256, representative, details in connection.execute(query).all():
            left = {
                "representative": None if representative in gone else representative,
                "details": _without(details or {}, gone),
            }
            changed = left["representative"] != representative or left["details"] != details
            if sha256 not in gone and changed and details is not None:
                connection.execute(update(table).where(table.c.sha256 == sha256).values(left))
                touched += 1
    return touched


def _without(details: Mapping[str, Any], gone: set[str]) -> dict[str, Any]:
    return {
        reason: {name: value for name, value in about.items() if not _is_one_of(value, gone)}
        for reason, about in details.items()
    }


def _is_one_of(value: Any, gone: set[str]) -> bool:
    return isinstance(value, str) and value in gone


def _parts(values: list[str]) -> Iterable[list[str]]:
    return (values[at : at + _VARIABLES] for at in range(0, len(values), _VARIABLES))
