"""All rows of one catalog into another, empty one, of any kind of database."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from sqlalchemy import JSON, RowMapping, Table, func, insert, null, select

from bodyshop_core.catalog.derived_names import renamed
from bodyshop_core.catalog.schema import images, metadata
from bodyshop_core.catalog.store import Catalog
from bodyshop_core.errors import UsageError
from bodyshop_core.progress import Tick, no_tick

_AT_ONCE = 1000


def is_empty(catalog: Catalog) -> bool:
    """Return whether a catalog has no row at all."""
    with catalog.read() as connection:
        return not any(
            connection.execute(select(table).limit(1)).first() for table in metadata.sorted_tables
        )


def count_rows(catalog: Catalog) -> int:
    """Return the number of rows of all tables."""
    with catalog.read() as connection:
        return sum(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        )


def has_same_rows(one: Catalog, other: Catalog) -> bool:
    """Return whether two catalogs have rows of the same primary keys in every table."""
    with one.read() as here, other.read() as there:
        for table in metadata.sorted_tables:
            keys = list(table.primary_key.columns)
            query = select(*keys).order_by(*keys)
            if any(a != b for a, b in zip_longest(here.execute(query), there.execute(query))):
                return False
    return True


def copy_rows(
    source: Catalog,
    target: Catalog,
    *,
    names: Mapping[str, str] | None = None,
    tick: Tick = no_tick,
) -> int:
    """Copy every row, in one transaction: all of them or none.

    Parameters
    ----------
    source, target : Catalog
        The second has no rows yet.
    names : mapping, optional
        Of masks and variants that have another name in the target: name -> that one.
    tick : callable
        Called with the number of rows written.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    UsageError
        The target has rows.
    CatalogError
        One of the databases fails.
    """
    if not is_empty(target):
        raise UsageError(f"{target.label} has rows already", hint="name an empty catalog")
    written = 0
    with source.read() as reading, target.begin() as writing:
        for table in metadata.sorted_tables:
            absent = {
                column.name: column.is_(null()).label(f"{column.name} is absent")
                for column in table.columns
                if isinstance(column.type, JSON)
            }
            query = select(table, *absent.values())
            for part in reading.execute(query).mappings().partitions(_AT_ONCE):
                rows = [_as_stored(row, table, absent) for row in part]
                if names:
                    rows = [renamed(table, row, names) for row in rows]
                writing.execute(insert(table), rows)
                written += len(part)
                tick(len(part))
    return written


def _as_stored(row: RowMapping, table: Table, absent: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to insert: of JSON, both NULL and ``null`` are read as None."""
    return {
        name: null() if name in absent and row[f"{name} is absent"] else row[name]
        for name in table.columns.keys()  # noqa: SIM118 - it is no mapping
    }


def picture_files(catalog: Catalog) -> list[tuple[str, str, int]]:
    """Return sha256, extension and bytes of every picture, by sha256."""
    query = select(images.c.sha256, images.c.extension, images.c.bytes).order_by(images.c.sha256)
    with catalog.read() as connection:
        return [(row.sha256, row.extension, row.bytes) for row in connection.execute(query)]
