"""Running the gate's network in many processes, on this machine or others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.engine import compute_shards
from bodyshop_core.engine.task import put_back
from bodyshop_core.errors import TransientError
from bodyshop_core.progress import SILENT, Progress
from curate.gate.extract import extract_features
from curate.gate.feature_store import FeatureBatch
from curate.gate.gate import Gate

if TYPE_CHECKING:
    from bodyshop_core.backbones import Scorer
    from bodyshop_core.catalog import BlobRef


def extract_in_workers(
    gate: Gate,
    files: Sequence[tuple[str, BlobRef]],
    *,
    engine: str,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Iterator[FeatureBatch]:
    """Run the gate's network over pictures in worker processes; each loads it once.

    Parameters
    ----------
    gate : Gate
        Which network.
    files : sequence of (sha256, BlobRef)
        Files that every worker can open.
    engine, workers
        As for `bodyshop_core.engine.compute_shards`.
    progress : Progress
        Told how many pictures are done.

    Yields
    ------
    FeatureBatch
        One per finished shard.
    """
    arguments: dict[str, Any] = {"backbone": gate.backbone, "weights": gate.weights}
    items = [{"key": sha256, "blob": blob} for sha256, blob in files]
    with progress.task("gate", total=len(items)) as tick:
        for rows in compute_shards(
            partial(score_items, **arguments),
            items,
            initialise=partial(load, **arguments),
            engine=engine,
            workers=workers,
            tick=tick,
        ):
            yield as_batch(rows)


def score_items(
    items: list[dict[str, Any]], *, backbone: str, weights: Path | str | None
) -> list[dict[str, Any]]:
    """Score a batch; the shard function of the gate.

    Parameters
    ----------
    items : list of dict
        ``key`` and ``blob`` (a `BlobRef`).
    backbone, weights
        Of the network, loaded once per process.

    Returns
    -------
    list of dict
        ``key``, ``error``, and ``features`` and ``probabilities`` as little-endian float16 bytes;
        pictures that storage does not give are put back.
    """
    rows: list[dict[str, Any]] = []
    files = [(item["key"], item["blob"]) for item in items]
    try:
        for batch in extract_features(loaded(backbone, weights), files):
            rows += as_rows(batch)
    except TransientError as error:
        rows += [put_back({"key": key}, cause) for key, cause in error.left]
    return rows


def as_rows(batch: FeatureBatch) -> list[dict[str, Any]]:
    """Return a batch as rows that a worker can send; `as_batch` reads them."""
    rows: list[dict[str, Any]] = []
    for index, key in enumerate(batch.keys):
        classes = batch.probabilities
        rows.append(
            {
                "key": key,
                "error": None,
                "features": batch.features[index].astype("<f2").tobytes(),
                "probabilities": None
                if classes is None
                else classes[index].astype("<f2").tobytes(),
            }
        )
    return rows + [{"key": key, "error": why} for key, why in batch.errors.items()]


def load(*, backbone: str, weights: Path | str | None) -> None:
    """Load the network into this process."""
    loaded(backbone, weights)


@lru_cache(maxsize=1)
def loaded(backbone: str, weights: Path | str | None) -> Scorer:
    """Return this process's network."""
    from bodyshop_core.backbones import Scorer

    return Scorer(backbone, weights, threads=1)  # the engine runs a process per CPU already


def as_batch(rows: Sequence[dict[str, Any]]) -> FeatureBatch:
    """Return the rows of a worker as a batch."""
    import numpy as np

    good = [row for row in rows if row["error"] is None]
    errors = {row["key"]: row["error"] for row in rows if row["error"] is not None}
    if not good:
        return FeatureBatch((), np.empty((0, 0), np.float16), None, errors)

    def matrix(name: str) -> Any:
        joined = b"".join(row[name] for row in good)
        return np.frombuffer(joined, dtype="<f2").reshape(len(good), -1)

    has_top = good[0].get("probabilities") is not None
    return FeatureBatch(
        tuple(row["key"] for row in good),
        matrix("features"),
        matrix("probabilities") if has_top else None,
        errors,
    )
