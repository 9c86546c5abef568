"""The duplicate search over a workspace: hashes, features and pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core import atomic
from bodyshop_core.catalog import all_images, extensions_of, schema
from bodyshop_core.engine import compute_here, compute_shards
from bodyshop_core.progress import SILENT, Progress
from curate.duplicates.checks import LIMIT_S, VERSION, compare_pairs, kind_of_row
from curate.duplicates.memory import NeighbourMemory
from curate.gate.feature_store import FeatureStore
from curate.gate.gate import Gate
from curate.ingest import store_rows
from curate.measure.stage import VERSION as MEASURED
from curate.policy import Policy

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from curate.duplicates.candidates import Kind, PairCheck
    from curate.duplicates.pairs import FoundPairs
    from curate.duplicates.signatures import Signatures

FEW = 128
"""Pairs up to which no worker processes are started: that takes as long as comparing a dozen. All
of these pictures have been decoded before, so none is known to kill a process."""

COUNTS_FILE = "duplicates.json"

NEIGHBOURS = "neighbours"
"""Folder, below that of the features, of what was nearest at the last search."""

_SQL_VARIABLES = 500


def find_duplicates(
    workspace: Workspace,
    signatures: Signatures,
    policy: Policy,
    gate: Gate,
    *,
    among: str = "all",
    spin_groups: Mapping[str, str] | None = None,
    progress: Progress = SILENT,
) -> FoundPairs:
    """Return the confirmed duplicates among pictures.

    Parameters
    ----------
    workspace : Workspace
        Where their pixels and the gate's feature vectors are.
    signatures : Signatures
        What was measured of them, sorted by sha256.
    policy : Policy
        Radius, and whether crops are searched for.
    gate : Gate
        Whose feature vectors propose crops.
    among : str
        A name for what `signatures` is of, such as the kept pictures: what was nearest is
        remembered of each such set.
    spin_groups : Mapping, optional
        sha256 -> spinner; frames of one spinner are no duplicates.
    progress : Progress
        Told how many pairs were compared by their pixels.
    """
    from curate.duplicates.pairs import find_pairs

    store = FeatureStore(workspace.features / gate.fingerprint)
    return find_pairs(
        signatures,
        radius=policy.duplicates.radius,
        features=store.stream() if policy.duplicates.crops else None,
        scratch=workspace.root,
        memory=neighbour_memory(workspace, gate.fingerprint, among, signatures.names),
        spin_groups=spin_groups,
        check=pixel_check(workspace, progress=progress),
        progress=progress,
    )


def neighbour_memory(
    workspace: Workspace, gate: str, among: str, names: Sequence[str]
) -> NeighbourMemory:
    """Return what was nearest at the last search among a set of a workspace's pictures.

    Parameters
    ----------
    workspace : Workspace
        Theirs.
    gate : str
        Fingerprint of the gate whose feature vectors are searched.
    among : str
        Name of the set: searches of two sets that share a memory make each other's answers useless.
    names : sequence of str
        sha256 of its pictures, in increasing order.
    """
    folder = workspace.features / NEIGHBOURS / gate / among
    return NeighbourMemory(folder, names, partial(all_images, workspace.catalog))


def pixel_check(
    workspace: Workspace,
    *,
    engine: str = "local",
    workers: int | None = None,
    progress: Progress = SILENT,
) -> PairCheck:
    """Return a function that decides pairs of a workspace's pictures by their pixels.

    Parameters
    ----------
    workspace : Workspace
        Its ``pair_checks`` are read and written.
    engine, workers
        As for `bodyshop_core.engine.compute_shards`.
    progress : Progress
        Told how many pairs are done.

    Returns
    -------
    callable
        Pairs of sha256 -> ``near``, ``crop``, ``flip`` or None (different, or not comparable). Only
        pairs that were never compared before cost time.
    """

    def check(pairs: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Kind | None]:
        known = _known(workspace, pairs)
        unknown = {sha256 for pair in pairs if pair not in known for sha256 in pair}
        extensions = extensions_of(workspace.catalog, unknown)
        plain = _showing_nothing(workspace, sorted(unknown))
        items = [
            {
                "key": f"{first}-{second}",
                "first": workspace.blobs.ref(first, extensions[first]),
                "second": workspace.blobs.ref(second, extensions[second]),
                "showing": [
                    name
                    for name, sha256 in (("first", first), ("second", second))
                    if sha256 not in plain
                ],
            }
            for first, second in pairs
            if (first, second) not in known and {first, second} <= extensions.keys()
        ]
        if items:
            with progress.task("compare", total=len(items)) as tick:
                shards = (
                    compute_here(compare_pairs, items, tick=tick)
                    if len(items) <= FEW
                    else compute_shards(
                        compare_pairs,
                        items,
                        engine=engine,
                        workers=workers,
                        limit_s=LIMIT_S,
                        tick=tick,
                    )
                )
                for shard in shards:
                    rows = [stored_row(row) for row in shard]
                    store_rows(workspace.catalog, schema.pair_checks, rows)
                    known |= {(row["first"], row["second"]): row for row in rows}
        return {pair: kind_of_row(known[pair]) if pair in known else None for pair in pairs}

    return check


def remember_counts(workspace: Workspace, counts: Mapping[str, int]) -> None:
    """Save the counts of the newest search for `load_counts`."""
    path, text = workspace.root / COUNTS_FILE, json.dumps(dict(counts))
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        atomic.write_text(path, text)


def load_counts(workspace: Workspace) -> dict[str, int]:
    """Return the counts of the newest search (`FoundPairs.as_dict`); empty before the first."""
    path = workspace.root / COUNTS_FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


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


def _showing_nothing(workspace: Workspace, pictures: Sequence[str]) -> set[str]:
    """Return the pictures in which no other picture was found when they were measured."""
    table = schema.measurements
    found: set[str] = set()
    with workspace.catalog.read() as connection:
        for start in range(0, len(pictures), _SQL_VARIABLES):
            query = select(table.c.sha256).where(
                table.c.version == MEASURED,
                table.c.inner == "",
                table.c.sha256.in_(pictures[start : start + _SQL_VARIABLES]),
            )
            found |= set(connection.scalars(query))
    return found


def stored_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `pair_checks` holds for a row of `compare_pairs`."""
    first, second = row["key"].split("-")
    names = (
        "mirrored",
        "overlap",
        "covered",
        "outliers",
        "correlation",
        "added",
        "framed",
        "error",
    )
    found = {name: row.get(name) for name in names}
    return {"first": first, "second": second, "version": VERSION, **found}
