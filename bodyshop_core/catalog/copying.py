"""All rows of one catalog into another, empty one, of any kind of database."""

from __future__ import annotations

from sqlalchemy import func, insert, select

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


def copy_rows(source: Catalog, target: Catalog, *, tick: Tick = no_tick) -> int:
    """Copy every row, in one transaction: all of them or none.

    Parameters
    ----------
    source, target : Catalog
        The second has no rows yet.
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
            for part in reading.execute(select(table)).mappings().partitions(_AT_ONCE):
                writing.execute(insert(table), [dict(row) for row in part])
                written += len(part)
                tick(len(part))
    return written


def picture_files(catalog: Catalog) -> list[tuple[str, str, int]]:
    """Return sha256, extension and bytes of every picture, by sha256."""
    query = select(images.c.sha256, images.c.extension, images.c.bytes).order_by(images.c.sha256)
    with catalog.read() as connection:
        return [(row.sha256, row.extension, row.bytes) for row in connection.execute(query)]
