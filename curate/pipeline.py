"""The whole of ``bodyshop curate``: measure, score, judge, split, audit, report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.catalog import Field
from bodyshop_core.progress import SILENT, Progress
from curate.audit.stage import audit_shortcuts
from curate.gate.stage import open_gate, remember_gate, score
from curate.measure.stage import measure_images
from curate.policy import Policy, load_policy
from curate.report import write_report
from curate.splits.assign import SplitError
from curate.splits.stage import split
from curate.targets import resolve_target
from curate.verdicts.stage import judge

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class CurateSummary:
    """What `curate` did.

    Parameters
    ----------
    pictures, kept, rejected : int
        Of the whole workspace.
    reasons : dict
        Reason -> pictures.
    clusters : int
        Duplicate clusters.
    duplicates : dict
        Confirmed pairs per kind; pictures too ``plain`` to be matched by hashes; pictures in
        ``heavy`` crowds of equal hashes that were compared with some of the crowd only.
    splits : dict
        Name, target, sizes per split and label, and the proof that nothing leaks; ``{"skipped":
        why}`` when no picture carries a label.
    audit : dict
        Whether the camera alone tells the label, and the baseline to beat; empty without splits.
    measured, scored : int
        Pictures that this call had to decode.
    gate : dict
        The gate's id, rule and threshold.
    report : Path
        The first page of the report.
    """

    pictures: int
    kept: int
    rejected: int
    reasons: dict[str, int]
    clusters: int
    duplicates: dict[str, int]
    splits: dict[str, Any]
    audit: dict[str, Any]
    measured: int
    scored: int
    gate: dict[str, Any]
    report: Path = field(default_factory=Path)

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON-able values."""
        return {
            "pictures": self.pictures,
            "kept": self.kept,
            "rejected": self.rejected,
            "reasons": self.reasons,
            "clusters": self.clusters,
            "duplicates": self.duplicates,
            "splits": self.splits,
            "audit": self.audit,
            "measured": self.measured,
            "scored": self.scored,
            "gate": self.gate,
            "report": str(self.report),
        }


def curate(
    workspace: Workspace,
    *,
    gate: str = "efficientnet-lite0",
    policy: Policy | Path | str | None = None,
    target: Field | str | None = None,
    engine: str = "local",
    workers: int | None = None,
    weights: Path | str | None = None,
    new_split: str | None = None,
    keep_given_splits: bool = False,
    spinners_train_only: bool = False,
    progress: Progress = SILENT,
) -> CurateSummary:
    """Keep the pictures that were meant, say why for each of the others, and deal splits.

    Every step does only what is missing: a second call with nothing new takes a second.

    Parameters
    ----------
    workspace : Workspace
        With collected or imported pictures.
    gate : str
        A backbone of `bodyshop_core.backbones.names`.
    policy : Policy or path, optional
        curate.yaml; see `curate.policy`.
    target : str, optional
        ``damage``, ``brand`` or ``model``; damage by default when two damage values are present,
        else model.
    engine : str
        ``local``, ``dask`` or the address of a Dask scheduler.
    workers : int, optional
        Processes.
    weights : Path, optional
        Weights file of the gate's backbone.
    new_split : str, optional
        Start a new split set of this name.
    keep_given_splits : bool
        Deal as the imported folders were named.
    spinners_train_only : bool
        Spinner frames go to train only.
    progress : Progress
        Told how far it is.

    Raises
    ------
    MissingPartError
        The gate's weights, its probe or the engine are missing.
    SplitError
        Labelled pictures can't be split; verdicts and report are written all the same.
    """
    rules = load_policy(policy)
    opened = open_gate(workspace, gate, weights=weights, policy=rules)  # fails early
    measured = measure_images(workspace, engine=engine, workers=workers, progress=progress)
    scored = score(
        workspace,
        gate,
        weights=weights,
        policy=rules,
        engine=engine,
        workers=workers,
        progress=progress,
    )
    remember_gate(workspace, opened)
    about = resolve_target(workspace.catalog, target)
    judged = judge(workspace, gate=opened, target=about, policy=rules, progress=progress)
    dealt: dict[str, Any] = {}
    audited: dict[str, Any] = {}
    problem: SplitError | None = None
    try:
        summary = split(
            workspace,
            target=about,
            policy=rules,
            new_split=new_split,
            keep_given_splits=keep_given_splits,
            spinners_train_only=spinners_train_only,
            progress=progress,
        )
        dealt = summary.as_dict()
        audited = audit_shortcuts(
            workspace, split_set=summary.split_set, policy=rules, progress=progress
        )
    except SplitError as error:
        problem = error
        dealt = {"skipped": error.message}
    report = write_report(workspace, policy=rules, target=about, progress=progress, splits=dealt)
    if problem is not None and _has_labels(workspace, about):
        raise problem
    if problem is not None:
        progress.log(f"no splits: {problem.message}")
    return CurateSummary(
        judged.pictures,
        judged.kept,
        judged.rejected,
        judged.reasons,
        judged.clusters,
        judged.pairs,
        dealt,
        audited,
        measured.measured,
        scored.scored,
        {"id": opened.id, "rule": opened.rule.name, "threshold": opened.rule.threshold},
        report,
    )


def _has_labels(workspace: Workspace, target: Field) -> bool:
    from bodyshop_core.catalog import effective_labels

    values = {label.value for label in effective_labels(workspace.catalog, target).values()}
    return len(values - {None}) >= 2
