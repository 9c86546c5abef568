"""Reading large tables part after part, as tuples of the driver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, CursorResult, Select

PART = 20_000
"""Rows of a part: some megabytes."""


def stream(
    connection: Connection, query: Select[Any], *, part: int = PART
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a query in parts, as the driver gives them.

    SQLAlchemy's rows take three times as long. Nothing is converted: on SQLite truth is 0 or 1, and
    JSON is text.

    Parameters
    ----------
    connection : Connection
        A consistent view; what is read through it meanwhile does not disturb.
    query : Select
        What to read.
    part : int
        Rows of a part, at least 1.

    Raises
    ------
    DBAPIError
        The database can't answer; a block of `Catalog` makes it a `CatalogError`.
    """
    # Not from a server's cursor: of one, SQLAlchemy has taken the first row already.
    with connection.execute(query, execution_options={"stream_results": False}) as result:
        while rows := _fetch(result, part):
            yield rows


def within(column: ColumnElement[str], bounds: tuple[str, str]) -> ColumnElement[bool]:
    """Return whether a text lies between two others or is one of them, as SQL.

    PostgreSQL does not take SQLAlchemy's ``between`` of texts: after BETWEEN its grammar has no
    place for the COLLATE that comes with a parameter.
    """
    return (column >= bounds[0]) & (column <= bounds[1])


def _fetch(result: CursorResult[Any], part: int) -> list[tuple[Any, ...]]:
    """Fetch rows from the driver, whose errors become SQLAlchemy's, as those of `execute` are."""
    dialect = result.connection.dialect
    try:
        return list(result.cursor.fetchmany(part))
    except dialect.loaded_dbapi.Error as error:
        raised = DBAPIError.instance(None, None, error, dialect.loaded_dbapi.Error, dialect=dialect)
        raise raised from error
