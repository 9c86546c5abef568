"""Looking at the pixels of pairs, once per pair: what was found is kept in the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import all_images, schema
from bodyshop_core.engine import read_rows, run_shards
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace

if TYPE_CHECKING:
    from curate.duplicates.pairs import Check, Kind
    from curate.duplicates.pixels import View

VERSION = "overlap-3"
"""Of the comparison in `curate.duplicates.pixels`; what another version found is found again."""

LIMIT_S = 120.0
_CACHE = 256
_SQL_VARIABLES = 500


def pixel_check(
    workspace: Workspace,
    *,
    engine: str = "local",
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Check:
    """Return a function that decides pairs of a workspace's pictures by their pixels.

    Parameters
    ----------
    workspace : Workspace
        Its ``pair_checks`` are read and written.
    engine, workers, progress
        As for `bodyshop_core.engine.run_shards`.

    Returns
    -------
    callable
        Pairs of sha256 -> ``near``, ``crop``, ``flip`` or None (different, or not comparable). Only
        pairs that were never compared before cost time.
    """

    def check(pairs: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Kind | None]:
        known = _known(workspace, pairs)
        extensions = all_images(workspace.catalog)
        items = [
            {
                "key": f"{first}-{second}",
                "first": str(workspace.blobs.path(first, extensions[first])),
                "second": str(workspace.blobs.path(second, extensions[second])),
            }
            for first, second in pairs
            if (first, second) not in known
        ]
        if items:
            paths = run_shards(
                compare_pairs,
                items,
                workspace.root / "shards" / "pairs",
                name="compare",
                version=VERSION,
                engine=engine,
                workers=workers,
                limit_s=LIMIT_S,
                progress=progress,
            )
            wanted = {item["key"] for item in items}
            rows = [_stored(row) for row in read_rows(paths) if row["key"] in wanted]
            workspace.catalog.upsert(schema.pair_checks, rows)
            known |= {(row["first"], row["second"]): row for row in rows}
            for path in paths:
                path.unlink(missing_ok=True)  # now that the catalog has it
        return {pair: kind_of_row(known[pair]) for pair in pairs}

    return check


def compare_pairs(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare the pictures of each pair, upright and mirrored; the shard function of `pixel_check`.

    Parameters
    ----------
    items : list of dict
        ``key`` and the paths ``first`` and ``second``.

    Returns
    -------
    list of dict
        ``key``, ``mirrored``, ``overlap``, ``covered``, ``outliers``, ``correlation`` of
        `curate.duplicates.pixels.Overlap`, or ``error``.
    """
    import cv2

    from curate.duplicates.pixels import MIN_RESEMBLANCE, compare, resemblance, says_same

    cv2.setNumThreads(1)
    rows: list[dict[str, Any]] = []
    for item in items:
        try:
            first = _view(item["first"], False)
            found = compare(first, _view(item["second"], False))
            if not says_same(found):
                second = _view(item["second"], True)
                if resemblance(first, second) >= MIN_RESEMBLANCE:
                    mirrored = compare(first, second, mirrored=True)
                    found = mirrored if says_same(mirrored) else found
        except (UnreadableImageError, OSError) as error:
            rows.append({"key": item["key"], "error": str(error)})
            continue
        rows.append(
            {
                "key": item["key"],
                "mirrored": found.mirrored,
                "overlap": found.overlap,
                "covered": found.covered,
                "outliers": found.outliers,
                "correlation": found.correlation,
            }
        )
    return rows


@lru_cache(maxsize=_CACHE)
def _view(path: str, mirrored: bool) -> View:
    from curate.duplicates.pixels import view

    return view(Path(path).read_bytes(), mirrored=mirrored)


def _known(
    workspace: Workspace, pairs: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Mapping[str, Any]]:
    table = schema.pair_checks
    firsts = sorted({first for first, _ in pairs})
    wanted = set(pairs)
    known: dict[tuple[str, str], Mapping[str, Any]] = {}
    with workspace.catalog.read() as connection:
        for start in range(0, len(firsts), _SQL_VARIABLES):
            query = select(table).where(
                table.c.version == VERSION,
                table.c.first.in_(firsts[start : start + _SQL_VARIABLES]),
            )
            for row in connection.execute(query).mappings():
                if (row["first"], row["second"]) in wanted:
                    known[row["first"], row["second"]] = dict(row)
    return known


def _stored(row: Mapping[str, Any]) -> dict[str, Any]:
    first, second = row["key"].split("-")
    names = ("mirrored", "overlap", "covered", "outliers", "correlation", "error")
    found = {name: row.get(name) for name in names}
    return {"first": first, "second": second, "version": VERSION, **found}


def kind_of_row(row: Mapping[str, Any]) -> Kind | None:
    """Say what a row of `compare_pairs` means; None for different or unreadable pictures."""
    from curate.duplicates.pixels import Overlap, kind_of

    if row.get("error"):
        return None
    return kind_of(
        Overlap(
            mirrored=bool(row["mirrored"]),
            overlap=row["overlap"],
            covered=row["covered"],
            outliers=row["outliers"],
            correlation=row["correlation"],
        )
    )
