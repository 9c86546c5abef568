"""Showing every picture to the gate's network, once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import all_images, schema
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.progress import SILENT, Progress
from curate.gate.feature_store import FeatureStore, FeatureBatch
from curate.gate.gate import Gate, open_gate
from curate.measure.stage import VERSION
from curate.policy import Policy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.backbones import Scorer
    from bodyshop_core.workspace import Workspace

Picture = Path | str | bytes
"""A file, or what is in one."""

BATCH = 32
"""Pictures per call of the network; larger ones are no faster on a CPU."""

SHARD = 256
"""Pictures per file: what a killed run loses at most."""


@dataclass(frozen=True)
class ScoreSummary:
    """What `score` did.

    Parameters
    ----------
    gate : str
        Backbone, weights, rule and framing that scored.
    rule : str
        ``top5``, ``mass`` or ``probe``.
    threshold : float
        The one in force.
    pictures : int
        Pictures that have a score now.
    scored : int
        Pictures the network looked at in this call.
    errors : int
        Pictures that could not be decoded in this call.
    seconds : float
        Wall time of this call.
    """

    gate: str
    rule: str
    threshold: float
    pictures: int
    scored: int
    errors: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON-able values."""
        return asdict(self)


def score(
    workspace: Workspace,
    gate: str = "efficientnet-lite0",
    *,
    weights: Path | str | None = None,
    policy: Policy | Path | str | None = None,
    engine: str = "local",
    workers: int | None = None,
    progress: Progress = SILENT,
) -> ScoreSummary:
    """Score every picture that has no score yet.

    The network runs once per picture and backbone: features and class probabilities are kept, so
    that another rule or category list costs no second look.

    Parameters
    ----------
    workspace : Workspace
        Its pictures are scored.
    gate : str
        A backbone of `bodyshop_core.backbones.names`.
    weights : Path, optional
        A weights file; the backbone's own by default.
    policy : Policy or path, optional
        Its gate part decides the rule.
    engine : str
        ``local``: the network in this process. ``dask`` or the address of a Dask scheduler: one
        network per worker.
    workers : int, optional
        Worker processes of Dask.
    progress : Progress
        Told how far it is.

    Raises
    ------
    MissingPartError
        Weights or a fitted probe are missing, or the weights have no top and the rule needs it.
    """
    started = monotonic()
    chosen = open_gate(workspace, gate, weights=weights, policy=policy)
    store = FeatureStore(workspace.features / chosen.fingerprint)
    wanted, have = _wanted(workspace), _scored(workspace, chosen.id)
    missing = [sha256 for sha256 in wanted if sha256 not in have]
    scored = errors = 0
    if missing:
        known = store.keys()
        _record(workspace, chosen, store.load(sha for sha in missing if sha in known))
        todo = [sha256 for sha256 in missing if sha256 not in known]
        if todo:
            for seen in _look(workspace, chosen, todo, engine, workers, progress):
                store.add(seen)
                _record(workspace, chosen, seen)
                scored += len(seen) + len(seen.errors)
                errors += len(seen.errors)
    return ScoreSummary(
        chosen.id,
        chosen.rule.name,
        chosen.rule.threshold,
        len(wanted),
        scored,
        errors,
        round(monotonic() - started, 3),
    )


def read_square(source: Path | str | bytes, side: int) -> NDArray[np.uint8]:
    """Decode a picture to the square a gate looks at.

    Parameters
    ----------
    source : Path, str or bytes
        A picture.
    side : int
        The backbone's input size, in pixels.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
        RGB.

    Raises
    ------
    UnreadableImageError
        It can't be decoded.
    """
    from bodyshop_core.imaging import fit_square, load_rgb

    # Twice the side keeps the half-scale decode's drift out of what the network sees.
    return fit_square(load_rgb(source, at_least=2 * side), side)


def extract_features(
    scorer: Scorer, files: Sequence[tuple[str, Picture]], *, progress: Progress = SILENT
) -> Iterator[FeatureBatch]:
    """Show files to a loaded network, `SHARD` at a time.

    Parameters
    ----------
    scorer : Scorer
        The network.
    files : sequence of (key, file or its bytes)
        Keys come back in `FeatureBatch`; files that can't be decoded are in its ``errors``.

    Yields
    ------
    FeatureBatch
        Up to `SHARD` pictures, in order.
    """
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        pending: list[list[Future[Any]]] = []
        chunks = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]

        def read(chunk: Sequence[tuple[str, Picture]]) -> list[Future[Any]]:
            return [pool.submit(_try_read, path, scorer.input_size) for _, path in chunk]

        # Decoding stays two batches ahead of the network, and no further: memory stays flat.
        pending.extend(read(chunk) for chunk in chunks[:2])
        part: list[FeatureBatch] = []
        with progress.task("gate", total=len(files)) as tick:
            for number, chunk in enumerate(chunks):
                squares = [future.result() for future in pending.pop(0)]
                if number + 2 < len(chunks):
                    pending.append(read(chunks[number + 2]))
                part.append(_show(scorer, [key for key, _ in chunk], squares))
                tick(len(chunk))
                if sum(len(seen) + len(seen.errors) for seen in part) >= SHARD:
                    yield _join(part)
                    part = []
        if part:
            yield _join(part)


def _look(
    workspace: Workspace,
    gate: Gate,
    todo: Sequence[str],
    engine: str,
    workers: int | None,
    progress: Progress,
) -> Iterator[FeatureBatch]:
    extensions = all_images(workspace.catalog)
    files = [(sha256, workspace.blobs.path(sha256, extensions[sha256])) for sha256 in todo]
    if engine == "local":
        # One network in this process with decoding threads beside it: a second copy on the same
        # CPU takes memory and brings no speed.
        yield from extract_features(gate.load(), files, progress=progress)
        return
    from curate.gate.workers import extract_in_workers

    out = workspace.root / "shards" / "gate"
    yield from extract_in_workers(
        gate, files, out, engine=engine, workers=workers, progress=progress
    )


def _try_read(path: Picture, side: int) -> NDArray[np.uint8] | str:
    try:
        return read_square(path, side)
    except UnreadableImageError as error:
        # Kept in the catalog, which may move: no path of this machine in it.
        return error.message if isinstance(path, bytes) else _without(path, error.message)


def _without(path: Path | str, message: str) -> str:
    return message.replace(str(path), "the picture")


def _show(scorer: Scorer, keys: Sequence[str], squares: Sequence[Any]) -> FeatureBatch:
    import numpy as np

    good = [(key, square) for key, square in zip(keys, squares, strict=True) if _is_array(square)]
    errors = {key: why for key, why in zip(keys, squares, strict=True) if not _is_array(why)}
    if not good:
        return FeatureBatch((), np.empty((0, 0), np.float16), None, errors)
    scores = scorer.score(np.stack([square for _, square in good]))
    probabilities = scores.probabilities
    return FeatureBatch(
        tuple(key for key, _ in good),
        scores.features.astype(np.float16),
        None if probabilities is None else probabilities.astype(np.float16),
        errors,
    )


def _is_array(value: object) -> bool:
    return not isinstance(value, str)


def _join(parts: Sequence[FeatureBatch]) -> FeatureBatch:
    import numpy as np

    full = [part for part in parts if len(part)]
    errors = {key: why for part in parts for key, why in part.errors.items()}
    if not full:
        return FeatureBatch((), np.empty((0, 0), np.float16), None, errors)
    probabilities = [part.probabilities for part in full if part.probabilities is not None]
    return FeatureBatch(
        tuple(key for part in full for key in part.keys),
        np.concatenate([part.features for part in full]),
        np.concatenate(probabilities) if probabilities else None,
        errors,
    )


def _wanted(workspace: Workspace) -> list[str]:
    """Pictures that were measured without an error: only those are worth a decode."""
    images, measured = schema.images, schema.measurements
    broken = select(measured.c.sha256).where(
        measured.c.error.is_not(None), measured.c.version == VERSION
    )
    query = (
        select(images.c.sha256)
        .where(images.c.sha256.not_in(broken))
        .order_by(images.c.added_at, images.c.sha256)
    )
    with workspace.catalog.read() as connection:
        return list(connection.execute(query).scalars())


def _scored(workspace: Workspace, gate_id: str) -> set[str]:
    table = schema.gate_scores
    with workspace.catalog.read() as connection:
        query = select(table.c.sha256).where(table.c.gate == gate_id)
        return set(connection.execute(query).scalars())


def _record(workspace: Workspace, gate: Gate, seen: FeatureBatch) -> None:
    rows = [
        {
            "sha256": key,
            "gate": gate.id,
            "p_car": answer.p_car,
            "framing": answer.framing,
            "top5": answer.top5,
            "error": None,
        }
        for key, answer in zip(seen.keys, gate.read(seen), strict=True)
    ]
    empty = {"gate": gate.id, "p_car": None, "framing": None, "top5": None}
    rows += [{"sha256": key, **empty, "error": why} for key, why in seen.errors.items()]
    workspace.catalog.upsert(schema.gate_scores, rows)
