"""The pedigree of every picture as a table: JSON lines or Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bodyshop import atomic
from bodyshop.catalog import schema
from bodyshop.errors import UsageError
from bodyshop.workspace import Workspace


def sightings_table(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """Yield one row per sighting: where a picture was seen, by which rule, what was allowed.

    Parameters
    ----------
    workspace : Workspace
        Of the collection.

    Yields
    ------
    dict
        The columns of `sightings`, and ``extension``, ``bytes``, ``format``, ``width``, ``height``
        of the picture; `permission` is a dict. Nothing of the picture's own EXIF is in it.
    """
    s, i = schema.sightings, schema.images
    query = (
        select(s, i.c.extension, i.c.bytes, i.c.format, i.c.width, i.c.height)
        .join(i, i.c.sha256 == s.c.sha256)
        .order_by(s.c.fetched_at, s.c.key)
    )
    with workspace.catalog.read() as connection:
        for row in connection.execute(query):
            yield dict(row._mapping)


def write_sightings(workspace: Workspace, path: Path | str) -> int:
    """Write `sightings_table` to a ``.jsonl`` or ``.parquet`` file, whole or not at all.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    UsageError
        The file's ending is another.
    """
    path = Path(path)
    rows = list(sightings_table(workspace))
    if path.suffix == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows)
        atomic.write_text(path, "".join(line + "\n" for line in lines))
    elif path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        for row in rows:  # layers differ from row to row, so they are JSON text in a column
            row["permission"] = json.dumps(row["permission"], ensure_ascii=False)
        with atomic.replacing(path) as temporary:
            pq.write_table(pa.Table.from_pylist(rows), temporary)
    else:
        raise UsageError(f"{path.name}: sightings are written as .jsonl or .parquet")
    return len(rows)
