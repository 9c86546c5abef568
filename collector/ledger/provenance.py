"""The provenance of every picture and every refusal as tables: JSON lines or Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bodyshop_core import atomic
from bodyshop_core.catalog import schema
from bodyshop_core.errors import UsageError
from bodyshop_core.workspace import Workspace


def sightings_table(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """Yield one row per sighting: where a picture was found, by which rule, with which permission.

    Parameters
    ----------
    workspace : Workspace
        Of the collection.

    Yields
    ------
    dict
        The columns of `sightings`, and ``extension``, ``bytes``, ``format``, ``width``, ``height``,
        ``artist``, ``copyright`` of the picture; `permission` is a dict. Other metadata of the
        picture is not included.
    """
    s, i = schema.sightings, schema.images
    query = (
        select(
            s,
            i.c.extension,
            i.c.bytes,
            i.c.format,
            i.c.width,
            i.c.height,
            i.c.artist,
            i.c.copyright,
        )
        .join(i, i.c.sha256 == s.c.sha256)
        .order_by(s.c.fetched_at, s.c.key)
    )
    with workspace.catalog.read() as connection:
        for row in connection.execute(query):
            yield dict(row._mapping)


def refusals_table(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """Yield one row per picture, page or query that was refused or failed, with the reason.

    Yields
    ------
    dict
        ``kind`` (picture or page), ``state`` (refused or failed), ``reason``, ``error``, ``url``,
        ``page_url``, ``source``, ``brand``, ``model``, ``query``, ``attempts``, ``at``, and
        ``permission``, a dict of what robots.txt, headers and the like said.
    """
    c, p = schema.candidates, schema.pages
    ended = ("refused", "failed")
    with workspace.catalog.read() as connection:
        for row in connection.execute(
            select(c).where(c.c.state.in_(ended)).order_by(c.c.updated_at, c.c.key)
        ):
            details = row.details
            yield {
                "kind": "picture", "state": row.state, "reason": row.error_class,
                "error": row.error, "url": row.url, "page_url": details["page_url"] or None,
                "source": row.source, "brand": row.brand, "model": row.model,
                "query": details["query"], "attempts": row.attempts, "at": row.updated_at,
                "permission": details["permission"],
            }  # fmt: skip
        for row in connection.execute(
            select(p)
            .where(p.c.state.in_(ended))
            .order_by(p.c.visited_at.asc().nulls_first(), p.c.key)
        ):
            yield {
                "kind": "page", "state": row.state, "reason": row.error_class,
                "error": row.error, "url": row.url, "page_url": None, "source": row.source,
                "brand": row.brand, "model": row.model, "query": row.query, "attempts": None,
                "at": row.visited_at, "permission": {},
            }  # fmt: skip


def write_refusals(workspace: Workspace, path: Path | str) -> int:
    """Write `refusals_table` as `write_sightings` does; return the number of rows."""
    return _write(path, list(refusals_table(workspace)))


def write_sightings(workspace: Workspace, path: Path | str) -> int:
    """Write `sightings_table` to a ``.jsonl`` or ``.parquet`` file, atomically.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    UsageError
        The file has another extension.
    """
    return _write(path, list(sightings_table(workspace)))


def _write(path: Path | str, rows: list[dict[str, Any]]) -> int:
    path = Path(path)
    if path.suffix == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows)
        atomic.write_text(path, "".join(line + "\n" for line in lines))
    elif path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        for row in rows:  # layers differ between rows, so they are JSON text in a column
            row["permission"] = json.dumps(row["permission"], ensure_ascii=False)
        with atomic.replacing(path) as temporary:
            pq.write_table(pa.Table.from_pylist(rows), temporary)
    else:
        raise UsageError(f"{path.name}: the extension must be .jsonl or .parquet")
    return len(rows)
