"""Look at every new picture of a workspace once: measurements, gate scores, thumbnails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from bodyshop_core import backbones
from bodyshop_core.engine import compute_shards
from bodyshop_core.errors import TransientError
from bodyshop_core.progress import SILENT, Progress
from curate.gate.feature_store import FeatureStore
from curate.gate.gate import Gate
from curate.gate.stage import record_batch, scored_by
from curate.gate.workers import as_batch, load
from curate.ingest import present
from curate.look.shard import look_at_pictures
from curate.measure.stage import LIMIT_S, next_items, store_measurements, unmeasured
from curate.measure.thumbnail import store_thumbnail, thumbnail_path

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class LookCounts:
    """What `look` did.

    Parameters
    ----------
    measured : int
        Pictures, unreadable ones included.
    scored : int
        Of these, pictures that the gate's network was run over, or could not be.
    """

    measured: int
    scored: int


def look(
    workspace: Workspace,
    gate: Gate,
    *,
    engine: str = "local",
    workers: int | None = None,
    progress: Progress = SILENT,
) -> LookCounts:
    """Measure and score the pictures that have neither measurement, features nor score.

    Parameters
    ----------
    workspace : Workspace
        Its ``measurements`` and ``gate_scores`` are written, its features and the thumbnails of the
        report.
    gate : Gate
        Its network has to run on LiteRT; for another one nothing is done.
    engine, workers
        As for `bodyshop_core.engine.compute_shards`.
    progress : Progress
        Told how many pictures are done.

    Raises
    ------
    MissingPartError
        The engine, or the gate's weights, are missing.
    TransientError
        Storage did not give some pictures; all others are measured and scored.
    """
    if backbones.get(gate.backbone).runtime != "litert":
        return LookCounts(0, 0)
    store = FeatureStore(workspace.features / gate.fingerprint)
    missing = unmeasured()
    with workspace.catalog.read() as connection:
        count = select(func.count()).select_from(missing.subquery())
        total = connection.execute(count).scalar_one()
    if not total:
        return LookCounts(0, 0)
    known = store.keys() | scored_by(workspace, gate.id)
    arguments: dict[str, Any] = {"backbone": gate.backbone, "weights": gate.weights}
    measured = scored = 0
    left: list[tuple[str, str]] = []
    with progress.task("measure and score", total=total) as tick:
        last = ""
        while part := next_items(workspace, missing, after=last):
            last = part[-1]["key"]
            items = [item for item in part if item["key"] not in known]
            if len(items) < len(part):
                tick(len(part) - len(items), "scored before")
            if not items:
                continue
            gate.load()  # converted here, if it has to be: TensorFlow is too large for a worker
            try:
                for rows in compute_shards(
                    partial(look_at_pictures, **arguments),
                    items,
                    initialise=partial(load, **arguments),
                    engine=engine,
                    workers=workers,
                    limit_s=LIMIT_S,
                    tick=tick,
                ):
                    measured += len(rows)
                    scored += _store(workspace, gate, store, rows)
            except TransientError as error:
                left += error.left
    if left:
        raise TransientError.of(left)
    return LookCounts(measured, scored)


def _store(
    workspace: Workspace, gate: Gate, store: FeatureStore, rows: Sequence[Mapping[str, Any]]
) -> int:
    """Store the rows of one shard; return how many were scored."""
    store_measurements(
        workspace.catalog,
        [{"key": row["key"], "error": row.get("error"), **row.get("measured", {})} for row in rows],
    )
    seen = [row["seen"] for row in rows if "seen" in row]
    if seen:
        record_batch(workspace, gate, as_batch(seen), store)
    with workspace.catalog.read() as connection:
        there = present(connection, [row["key"] for row in rows])
    for row in rows:
        if "thumbnail" in row and row["key"] in there:
            path = thumbnail_path(workspace.reports / "curate", row["key"])
            store_thumbnail(path, row["thumbnail"])
    return len(seen)
