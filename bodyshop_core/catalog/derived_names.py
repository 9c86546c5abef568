"""The names of masks and variants in a catalog: which it has, and other names for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, bindparam, select, update

from bodyshop_core.catalog import schema

_AT_ONCE = 500

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
    for part in _parts(names):
        connection.execute(
            update(_drawn)
            .where(_drawn.c.file == bindparam("before"))
            .values(file=bindparam("after")),
            [{"before": before, "after": after} for before, after in part.items()],
        )
    keys = list(_made.primary_key.columns)
    query = select(*keys, _made.c.file, _made.c.masks)
    rows = (row._asdict() for row in connection.execute(query))
    changed = [new for row in rows if (new := renamed(_made, row, names)) != row]
    if changed:
        connection.execute(
            update(_made)
            .where(*(key == bindparam(f"of_{key.name}") for key in keys))
            .values(file=bindparam("new_file"), masks=bindparam("new_masks")),
            [
                {f"of_{key.name}": row[key.name] for key in keys}
                | {"new_file": row["file"], "new_masks": row["masks"]}
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


def _parts(names: Mapping[str, str]) -> Iterator[dict[str, str]]:
    waiting = iter(names.items())
    while part := dict(islice(waiting, _AT_ONCE)):
        yield part
