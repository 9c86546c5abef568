"""The gate over a whole workspace: which gate, and a score for every picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, select

from bodyshop_core import atomic
from bodyshop_core.backbones import fingerprint
from bodyshop_core.backbones.weights import INT8
from bodyshop_core.catalog import all_images, schema
from bodyshop_core.errors import UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from curate.gate.extract import extract_features
from curate.gate.feature_store import FeatureBatch, FeatureStore
from curate.gate.framing import Framing
from curate.gate.gate import Gate
from curate.gate.probe import find_probe
from curate.gate.rules import choose_rule
from curate.ingest import present, store_rows
from curate.measure.stage import VERSION
from curate.policy import Policy, load_policy

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

GATE_FILE = "gates/current.json"


@dataclass(frozen=True)
class ScoreSummary(Summary):
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
        Pictures that this call ran through the network.
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


def score(
    workspace: Workspace,
    gate: Gate | str = "efficientnet-lite0",
    *,
    weights: Path | str | None = None,
    policy: Policy | Path | str | None = None,
    engine: str = "local",
    workers: int | None = None,
    progress: Progress = SILENT,
) -> ScoreSummary:
    """Score every picture that has no score yet.

    The network runs once per picture and backbone: features and class probabilities are kept, so
    that another rule or category list does not run it again.

    Parameters
    ----------
    workspace : Workspace
        Its pictures are scored.
    gate : Gate or str
        An open gate, or a backbone of `bodyshop_core.backbones.names`.
    weights : Path, optional
        A weights file; the backbone's own by default.
    policy : Policy or path, optional
        Its gate part decides the rule; `weights` and `policy` have no effect on an open gate.
    engine : str
        ``local``: the network in this process. ``dask`` or the address of a Dask scheduler: one
        network per worker.
    workers : int, optional
        Worker processes of Dask.
    progress : Progress
        Told how many pictures are done.

    Raises
    ------
    MissingPartError
        Weights or a fitted probe are missing, or the weights have no top and the rule needs it.
    TransientError
        Storage did not give some pictures; all others are scored.
    """
    started = monotonic()
    if isinstance(gate, str):
        gate = open_gate(workspace, gate, weights=weights, policy=policy)
    store = FeatureStore(workspace.features / gate.fingerprint)
    wanted, missing = _wanted(workspace, gate.id)
    scored = errors = 0
    if missing:
        known = store.keys()
        record_batch(workspace, gate, store.load(sha for sha in missing if sha in known), None)
        todo = [sha256 for sha256 in missing if sha256 not in known]
        for batch in _extract(workspace, gate, todo, engine, workers, progress):
            record_batch(workspace, gate, batch, store)
            scored += len(batch) + len(batch.errors)
            errors += len(batch.errors)
    return ScoreSummary(
        gate.id,
        gate.rule.name,
        gate.rule.threshold,
        wanted,
        scored,
        errors,
        round(monotonic() - started, 3),
    )


def open_gate(
    workspace: Workspace,
    gate: str = "efficientnet-lite0",
    *,
    weights: Path | str | None = None,
    policy: Policy | Path | str | None = None,
) -> Gate:
    """Return the gate a policy asks for; no network is built.

    Parameters
    ----------
    workspace : Workspace
        A probe fitted in it has precedence over the shipped one.
    gate : str
        A backbone of `bodyshop_core.backbones.names`.
    weights : Path, optional
        A weights file; the backbone's own by default.
    policy : Policy or path, optional
        Its gate part decides the rule.

    Raises
    ------
    UsageError
        The policy wants 8 bits of another backbone than efficientnet-lite0, or of given weights.
    MissingPartError
        The weights can't be had, or no probe fits them although the policy wants one.
    """
    rules = load_policy(policy).gate
    if rules.precision == INT8:
        if weights is not None:
            raise UsageError(
                "gate.precision: int8 is of the backbone's own weights, not of a file",
                hint="leave --weights out, or gate.precision",
            )
        weights = INT8
    name = fingerprint(gate, weights)
    rule = choose_rule(rules, name, workspace_root=workspace.root)
    framing = Framing(rule.probe or find_probe(name, workspace.root))
    return Gate(gate, name, rule, framing, weights)


def load_gate(workspace: Workspace, gate: str | None = None) -> Gate:
    """Return the gate that the workspace's newest ``curate`` used.

    Parameters
    ----------
    workspace : Workspace
        A curated workspace; an uncurated one gives the default gate.
    gate : str, optional
        A backbone to take in its place, with its own weights and the default policy.
    """
    remembered = workspace.root / GATE_FILE
    if gate is not None or not remembered.exists():
        return open_gate(workspace, gate or "efficientnet-lite0")
    return Gate.from_dict(json.loads(remembered.read_text(encoding="utf-8")))


def remember_gate(workspace: Workspace, gate: Gate) -> None:
    """Note which gate the workspace is curated with, for `load_gate`."""
    text = json.dumps(gate.as_dict())
    path = workspace.root / GATE_FILE
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        atomic.write_text(path, text)


def _extract(
    workspace: Workspace,
    gate: Gate,
    todo: Sequence[str],
    engine: str,
    workers: int | None,
    progress: Progress,
) -> Iterator[FeatureBatch]:
    if not todo:
        return
    extensions = all_images(workspace.catalog)
    files = [(sha256, workspace.blobs.ref(sha256, extensions[sha256])) for sha256 in todo]
    if engine == "local":
        # One network in this process with decoding threads beside it: a second copy on the same
        # CPU takes memory and brings no speed.
        yield from extract_features(gate.load(), files, progress=progress)
        return
    from curate.gate.workers import extract_in_workers

    yield from extract_in_workers(gate, files, engine=engine, workers=workers, progress=progress)


def record_batch(
    workspace: Workspace, gate: Gate, batch: FeatureBatch, store: FeatureStore | None
) -> None:
    """Write a batch's scores, and its features to `store`, without pictures erased meanwhile.

    Parameters
    ----------
    workspace : Workspace
        Its ``gate_scores`` are written.
    gate : Gate
        Whose network gave the features.
    batch : FeatureBatch
        Features, and errors of pictures that could not be decoded.
    store : FeatureStore or None
        Where the features go; None for some that came from there.
    """
    rows = [
        {
            "sha256": key,
            "gate": gate.id,
            "p_car": answer.p_car,
            "framing": answer.framing,
            "top5": answer.top5,
            "error": None,
        }
        for key, answer in zip(batch.keys, gate.read(batch), strict=True)
    ]
    empty = {"gate": gate.id, "p_car": None, "framing": None, "top5": None}
    rows += [{"sha256": key, **empty, "error": why} for key, why in batch.errors.items()]
    with workspace.catalog.begin() as connection:
        if store is not None:
            batch = batch.only(present(connection, (*batch.keys, *batch.errors)))
            if batch.keys or batch.errors:
                store.add(batch)
        store_rows(workspace.catalog, schema.gate_scores, rows, connection=connection)


def _wanted(workspace: Workspace, gate_id: str) -> tuple[int, list[str]]:
    """Return how many pictures have no measuring error, and those of them without a score.

    Only pictures that could be measured are worth decoding.
    """
    images, measured, scores = schema.images, schema.measurements, schema.gate_scores
    broken = select(measured.c.sha256).where(
        measured.c.error.is_not(None), measured.c.version == VERSION
    )
    scored = and_(scores.c.sha256 == images.c.sha256, scores.c.gate == gate_id)
    wanted = images.c.sha256.not_in(broken)
    missing = (
        select(images.c.sha256)
        .select_from(images.outerjoin(scores, scored))
        .where(wanted, scores.c.sha256.is_(None))
        .order_by(images.c.added_at, images.c.sha256)
    )
    with workspace.catalog.read() as connection:
        count = connection.scalar(select(func.count()).select_from(images).where(wanted))
        return int(count or 0), list(connection.scalars(missing))


def scored_by(workspace: Workspace, gate_id: str) -> set[str]:
    """Return the pictures that have a score of a gate, or an error in its place."""
    table = schema.gate_scores
    with workspace.catalog.read() as connection:
        query = select(table.c.sha256).where(table.c.gate == gate_id)
        return set(connection.execute(query).scalars())
