"""The names of masks and variants in a catalog: which it has, and other names for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, bindparam, or_, select, update

from bodyshop_core.catalog import schema

_drawn, _made = schema.annotations, schema.variants


def names_of_masks_and_variants(connection: Connection) -> set[str]:
    """Return the name of every file that a row refers to, whatever its state."""
    found = set(connection.scalars(select(_drawn.c.file)))
    for file, masks in connection.execute(select(_made.c.file, _made.c.masks)):
        found |= {file, *(masks or {}).values()}
    return found - {None}


def rename(connection: Connection, names: Mapping[str, str]) -> None:
    """Let the rows of some files refer to other names.

    Parameters
    ----------
    connection : Connection
        A write transaction.
    names : mapping
        Name -> the one that takes its place.
    """
    for table in (_drawn, _made):
        keys = list(table.primary_key.columns)
        values = [table.c[name] for name in ("file", "masks") if name in table.c]
        query = select(*keys, *values).where(or_(*(value.is_not(None) for value in values)))
        rows = (row._asdict() for row in connection.execute(query))
        changed = [new for row in rows if (new := renamed(table, row, names)) != row]
        if changed:  # by their keys: no index has the names
            connection.execute(
                update(table)
                .where(*(key == bindparam(f"of_{key.name}") for key in keys))
                .values({value.name: bindparam(f"new_{value.name}") for value in values}),
                [
                    {f"of_{key.name}": row[key.name] for key in keys}
                    | {f"new_{value.name}": row[value.name] for value in values}
                    for row in changed
                ],
            )


def renamed(table: Table, row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a row of any table as it is after `rename`."""
    row = dict(row)
    if table in (_drawn, _made):
        row["file"] = names.get(row["file"], row["file"])
    if table is _made and isinstance(row["masks"], dict):
        row["masks"] = {label: names.get(each, each) for label, each in row["masks"].items()}
    return row
