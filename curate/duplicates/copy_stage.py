"""Measuring the members of a workspace's duplicate clusters, to keep the better copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import BlobRef, extensions_of, schema
from bodyshop_core.engine import compute_here, compute_shards
from bodyshop_core.progress import SILENT, Progress, Tick
from curate.duplicates import checks, consensus, copies, descent, extent, overlays, rounding
from curate.duplicates.copies import CopyFacts
from curate.duplicates.crowds import FINALISTS, with_sources, with_wholes
from curate.duplicates.sources import made_from_others, sizes_of
from curate.ingest import store_rows
from curate.measure.stage import VERSION as MEASURED_VERSION

if TYPE_CHECKING:
    from types import ModuleType

    from bodyshop_core.engine.task import Item, Row
    from bodyshop_core.workspace import Workspace
    from curate.duplicates.pairs import DuplicatePair

LIMIT_S = 60.0

FEW = 64
"""Items up to which no worker processes are started."""

_VARIABLES = 500
_MEASURED = ("quality", "content", "clipped", "resampled", "error")


def measure_cluster_copies(
    workspace: Workspace,
    pairs: Sequence[DuplicatePair],
    clusters: Mapping[str, str],
    rank: Callable[[Mapping[str, CopyFacts], Mapping[str, str]], Mapping[str, Any]],
    *,
    progress: Progress = SILENT,
) -> dict[str, CopyFacts]:
    """Measure the members of clusters.

    Parameters
    ----------
    workspace : Workspace
        Its ``copy_checks`` and ``pair_checks`` are read and written.
    pairs : sequence of DuplicatePair
        Confirmed duplicates; only what was never measured before costs time.
    clusters : Mapping
        sha256 -> cluster, of all in those pairs.
    rank : callable
        sha256 -> facts, and sha256 -> cluster: returns sha256 -> a sort key that puts the better
        copy first.
    progress : Progress
        Told how many pictures are done.
    """
    extensions = extensions_of(workspace.catalog, clusters)
    members = sorted(extensions)
    blobs = {name: workspace.blobs.ref(name, extensions[name]) for name in members}
    framed, cameras = _framed(workspace, members), _with_camera(workspace, members)
    facts = {
        name: CopyFacts(
            row["quality"],
            row["content"],
            clipped=row["clipped"],
            resampled=row["resampled"],
            framed=name in framed,
            camera=name in cameras,
        )
        for name, row in _measured(workspace, members, blobs, progress).items()
        if row["error"] is None
    }
    cluster_of = {name: clusters[name] for name in facts}

    def descents(asked: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], float]:
        compared = "descent", descent.VERSION, descent.compare_descent
        return _compared(workspace, asked, blobs, progress, *compared)

    sizes = sizes_of(workspace, extensions)

    def same_sizes(asked: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], float]:
        return descents([(a, b) for a, b in asked if a in sizes and sizes[a] == sizes.get(b)])

    def in_order(now: Mapping[str, CopyFacts]) -> list[str]:
        return sorted(now, key=rank(now, cluster_of).__getitem__)

    def with_descent(now: dict[str, CopyFacts]) -> dict[str, CopyFacts]:
        open_ones = [name for name in in_order(now) if not now[name].derived]
        derived = made_from_others(open_ones, cluster_of, sizes, descents)
        return now | {name: replace(now[name], derived=True) for name in derived}

    def asking(
        module: ModuleType, function: Callable[[list[Item]], list[Row]]
    ) -> Callable[[Sequence[tuple[str, str]]], Mapping[tuple[str, str], float]]:
        task = module.__name__.rpartition(".")[2]
        return lambda asked: _compared(
            workspace, asked, blobs, progress, task, module.VERSION, function
        )

    extents = asking(extent, extent.compare_extent)
    facts = with_sources(
        with_descent(facts),
        in_order,
        cluster_of,
        distances=asking(consensus, consensus.compare_distances),
        extents=extents,
        roundings=asking(rounding, rounding.compare_rounding),
        descents=same_sizes,
    )
    crops = [(pair.first, pair.second) for pair in pairs if pair.kind == "crop"]
    facts = with_wholes(facts, in_order, cluster_of, crops, extents=extents)
    facts = with_descent(facts)  # what is the best now was not compared with all before
    ranked = in_order(facts)
    finalists: dict[str, list[str]] = {}
    for name in ranked:
        cluster = finalists.setdefault(clusters[name], [])
        if len(cluster) < FINALISTS:
            cluster.append(name)
    chosen = {name for cluster in finalists.values() for name in cluster}
    asked = [
        (pair.first, pair.second)
        for pair in pairs
        if pair.kind == "near" and {pair.first, pair.second} <= chosen
    ]
    overlaid = set()
    compared = "overlays", overlays.VERSION, overlays.compare_strokes
    strokes = _compared(workspace, asked, blobs, progress, *compared)
    for (first, second), added in strokes.items():
        if abs(added) >= overlays.MIN_ADDED:
            overlaid.add(first if added > 0 else second)
    return {name: replace(one, overlaid=name in overlaid) for name, one in facts.items()}


def _framed(workspace: Workspace, members: Sequence[str]) -> set[str]:
    """Return the members that show another one inside of something else."""
    table, wanted = schema.pair_checks, set(members)
    framed: set[str] = set()
    with workspace.catalog.read() as connection:
        for at in range(0, len(members), _VARIABLES):
            query = select(table.c.first, table.c.second, table.c.framed).where(
                table.c.version == checks.VERSION,
                table.c.framed.in_((1, 2)),
                table.c.first.in_(members[at : at + _VARIABLES]),
            )
            for first, second, which in connection.execute(query):
                if second in wanted:
                    framed.add(first if which == 1 else second)
    return framed


def _with_camera(workspace: Workspace, members: Sequence[str]) -> set[str]:
    """Return the members whose files name a camera."""
    table = schema.measurements
    found: set[str] = set()
    with workspace.catalog.read() as connection:
        for at in range(0, len(members), _VARIABLES):
            query = select(table.c.sha256).where(
                table.c.version == MEASURED_VERSION,
                table.c.exif_camera.is_not(None),
                table.c.sha256.in_(members[at : at + _VARIABLES]),
            )
            found |= set(connection.scalars(query))
    return found


def _computed(
    function: Callable[[list[Item]], list[Row]], items: list[Item], tick: Tick
) -> Iterator[Sequence[Row]]:
    """Compute in worker processes; a few items here, where starting those would take longer.

    All of these pictures have been decoded before, so none is known to kill a process.
    """
    if len(items) > FEW:
        yield from compute_shards(function, items, engine="local", limit_s=LIMIT_S, tick=tick)
        return
    yield from compute_here(function, items, tick=tick)


def _measured(
    workspace: Workspace, members: Sequence[str], blobs: Mapping[str, BlobRef], progress: Progress
) -> dict[str, Mapping[str, Any]]:
    table = schema.copy_checks
    known: dict[str, Mapping[str, Any]] = {}
    with workspace.catalog.read() as connection:
        for at in range(0, len(members), _VARIABLES):
            query = select(table).where(
                table.c.version == copies.VERSION,
                table.c.sha256.in_(members[at : at + _VARIABLES]),
            )
            known |= {row["sha256"]: dict(row) for row in connection.execute(query).mappings()}
    items = [{"key": name, "blob": blobs[name]} for name in members if name not in known]
    if items:
        with progress.task("copies", total=len(items)) as tick:
            for shard in _computed(copies.measure_copies, items, tick):
                rows = [
                    {
                        "sha256": row["key"],
                        "version": copies.VERSION,
                        **{name: row.get(name) for name in _MEASURED},
                    }
                    for row in shard
                ]
                store_rows(workspace.catalog, table, rows)
                known |= {row["sha256"]: row for row in rows}
    return known


def _compared(
    workspace: Workspace,
    asked: Sequence[tuple[str, str]],
    blobs: Mapping[str, BlobRef],
    progress: Progress,
    task: str,
    version: str,
    function: Callable[[list[Item]], list[Row]],
) -> dict[tuple[str, str], float]:
    """Return ``added`` of pairs, by a comparison of this version; each is compared once."""
    table = schema.pair_checks
    wanted, firsts = set(asked), sorted({first for first, _ in asked})
    known: dict[tuple[str, str], float | None] = {}
    with workspace.catalog.read() as connection:
        for at in range(0, len(firsts), _VARIABLES):
            query = select(table.c.first, table.c.second, table.c.added).where(
                table.c.version == version,
                table.c.first.in_(firsts[at : at + _VARIABLES]),
            )
            for first, second, added in connection.execute(query):
                if (first, second) in wanted:
                    known[first, second] = added
    items = [
        {"key": f"{first}-{second}", "first": blobs[first], "second": blobs[second]}
        for first, second in asked
        if (first, second) not in known
    ]
    if items:
        with progress.task(task, total=len(items)) as tick:
            for shard in _computed(function, items, tick):
                rows = []
                for row in shard:
                    first, second = row["key"].split("-")
                    known[first, second] = row.get("added")
                    rows.append(
                        {
                            "first": first,
                            "second": second,
                            "version": version,
                            "added": row.get("added"),
                            "error": row.get("error"),
                        }
                    )
                store_rows(workspace.catalog, table, rows)
    return {pair: added for pair, added in known.items() if added is not None}
