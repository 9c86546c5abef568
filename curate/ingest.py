"""Writing results about pictures into the catalog, except about pictures that were erased.

While a command measures, somebody may erase pictures with ``bodyshop forget``. Their results must
not bring them back: what is written here is checked in the transaction that writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from bodyshop_core.catalog import Catalog, schema

_SQL_VARIABLES = 500


def store_rows(
    catalog: Catalog,
    table: Table,
    rows: Iterable[Mapping[str, Any]],
    *,
    connection: Connection | None = None,
) -> int:
    """Insert or replace the rows whose pictures are still in the catalog.

    Parameters
    ----------
    catalog : Catalog
        Is written.
    table : Table
        One whose rows refer to pictures.
    rows : iterable of Mapping
        All with the same columns.
    connection : Connection, optional
        A write transaction to take part in.

    Returns
    -------
    int
        The number of rows written.
    """
    if connection is None:
        with catalog.begin() as own:
            return store_rows(catalog, table, rows, connection=own)
    rows = list(rows)
    columns = [key.parent.name for key in table.foreign_keys if key.column.table is schema.images]
    there = present(connection, {row[name] for row in rows for name in columns})
    kept = [row for row in rows if all(row[name] in there for name in columns)]
    return catalog.upsert(table, kept, connection=connection)


def present(connection: Connection, pictures: Iterable[str]) -> set[str]:
    """Return those of the pictures (sha256) that are in the catalog and were not erased."""
    images, erased = schema.images, schema.tombstones
    wanted = sorted(set(pictures))
    found: set[str] = set()
    for start in range(0, len(wanted), _SQL_VARIABLES):
        part = wanted[start : start + _SQL_VARIABLES]
        found.update(connection.scalars(select(images.c.sha256).where(images.c.sha256.in_(part))))
        found.difference_update(
            connection.scalars(
                select(erased.c.value).where(erased.c.kind == "sha256", erased.c.value.in_(part))
            )
        )
    return found
