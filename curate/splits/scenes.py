"""Pictures of different splits that show the same scene, found without comparing their pixels.

The search for duplicates asks whether pixels agree. Here only the places of local features count
(`curate.splits.same_scene`). So frames of a burst, other light and paint on the same photo are
noticed, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from bodyshop_core.catalog import all_images, schema
from bodyshop_core.engine import compute_here, compute_shards
from bodyshop_core.progress import SILENT, Progress
from curate.duplicates.nearest import VectorIndex
from curate.duplicates.stage import neighbour_memory
from curate.ingest import store_rows
from curate.splits.same_scene import compare_scenes

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from curate.gate.feature_store import FeatureStore

VERSION = "scene-1"
"""Of this comparison, in the catalog's ``pair_checks``."""

NEAREST = 2
"""Pictures of other splits that each picture outside of the largest split is compared with."""

MIN_COSINE = 0.70
"""Of the features of pictures that are compared. 40 photos were relit, recoloured, cropped, turned
and seen from elsewhere in eleven ways; the 251 found to be one scene lie above, all but one above
0.75."""

MOST = 2_000
"""Pairs that are compared, the most alike first: a minute or two, once."""

LIMIT_S = 60.0
FEW = 256
"""Pairs up to which no worker processes are started: each takes a hundredth of a start."""

_VARIABLES = 500


@dataclass(frozen=True)
class SceneCheck:
    """What the second look found.

    Parameters
    ----------
    compared : int
        Pairs of different splits.
    left_out : int
        Pairs beyond `MOST`, less alike than those.
    without : int
        Assigned pictures without features, which were not looked at.
    same : list of (str, str)
        sha256 of pictures of one scene in two splits, sorted.
    """

    compared: int
    left_out: int
    without: int
    same: list[tuple[str, str]]


def check_scenes(
    workspace: Workspace,
    splits: Mapping[str, str],
    features: FeatureStore,
    *,
    progress: Progress = SILENT,
) -> SceneCheck:
    """Compare pictures with the most similar ones of other splits by their local features.

    Parameters
    ----------
    workspace : Workspace
        Its ``pair_checks`` are read and written: a pair is compared once.
    splits : Mapping
        sha256 -> split.
    features : FeatureStore
        The gate's feature vectors.
    progress : Progress
        Told how many pairs are done.
    """
    pairs, without = _most_alike(workspace, splits, features)
    chosen = pairs[:MOST]
    same = [pair for pair, share in _compared(workspace, chosen, progress).items() if share]
    return SceneCheck(len(chosen), len(pairs) - len(chosen), without, sorted(same))


def _most_alike(
    workspace: Workspace, splits: Mapping[str, str], features: FeatureStore
) -> tuple[list[tuple[str, str]], int]:
    """Return the pairs of different splits with the most similar features, the nearest first."""
    names = sorted(splits)
    kinds = sorted(set(splits.values()))
    where = np.array([kinds.index(splits[name]) for name in names], dtype=np.int64)
    if len(kinds) < 2:
        return [], 0
    asked = where != np.bincount(where).argmax()
    place = {name: at for at, name in enumerate(names)}
    found: dict[tuple[int, int], float] = {}
    memory = neighbour_memory(workspace, features.folder.name, "assigned", names)
    with VectorIndex(features.stream(), place, scratch=workspace.root) as index:
        answers = (
            [memory.nearest("scenes", index, asked, NEAREST, fixed=[where])]
            if index.exact
            else index.nearest(asked, NEAREST, apart=[where])
        )
        for rows, neighbours, cosine in answers:
            for row, others, values in zip(rows, neighbours, cosine, strict=True):
                for other, value in zip(others.tolist(), values.tolist(), strict=True):
                    if other >= 0 and value >= MIN_COSINE:
                        found[min(int(row), other), max(int(row), other)] = value
        without = len(names) - len(index)
    order = sorted(found, key=lambda pair: (-found[pair], pair))
    return [(names[i], names[j]) for i, j in order], without


def _compared(
    workspace: Workspace, pairs: Sequence[tuple[str, str]], progress: Progress
) -> dict[tuple[str, str], float | None]:
    table, wanted = schema.pair_checks, set(pairs)
    firsts = sorted({first for first, _ in pairs})
    known: dict[tuple[str, str], float | None] = {}
    with workspace.catalog.read() as connection:
        for at in range(0, len(firsts), _VARIABLES):
            query = select(table.c.first, table.c.second, table.c.overlap).where(
                table.c.version == VERSION, table.c.first.in_(firsts[at : at + _VARIABLES])
            )
            known |= {
                (first, second): overlap
                for first, second, overlap in connection.execute(query)
                if (first, second) in wanted
            }
    extensions = all_images(workspace.catalog)
    items = [
        {
            "key": f"{first}-{second}",
            "first": workspace.blobs.ref(first, extensions[first]),
            "second": workspace.blobs.ref(second, extensions[second]),
        }
        for first, second in pairs
        if (first, second) not in known and {first, second} <= extensions.keys()
    ]
    if not items:
        return known
    with progress.task("scenes", total=len(items)) as tick:
        shards = (
            compute_shards(compare_scenes, items, engine="local", limit_s=LIMIT_S, tick=tick)
            if len(items) > FEW
            else compute_here(compare_scenes, items, tick=tick)
        )
        for shard in shards:
            rows = []
            for row in shard:
                first, second = row["key"].split("-")
                known[first, second] = row.get("overlap")
                about = {"overlap": row.get("overlap"), "error": row.get("error")}
                rows.append({"first": first, "second": second, "version": VERSION, **about})
            store_rows(workspace.catalog, table, rows)
    return known
