"""A finished run on any split or folder, alone or beside another run."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from bodyshop_core.catalog import nfc, schema
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from train.data.pixels import View
from train.data.samples import SPLITS, Samples, audit_baseline, folder_samples, load_samples
from train.evaluation.scores import Evaluation, evaluate_samples, save_evaluation
from train.metrics.paired import mcnemar, paired_bootstrap
from train.models.classifier import Classifier, load_run
from train.models.run_folder import SAMPLES_FILE, write_json
from train.report.classifier_report import evaluation_block, ladder, render
from train.report.gallery import explained, mistakes
from train.report.pages import interval, percent


@dataclass(frozen=True)
class EvaluateSummary:
    """What an evaluation came to.

    Parameters
    ----------
    run : str
        The run's name.
    split : str
        The split, or the folder.
    metrics : Mapping
        As `train.metrics.classification.summary`.
    baseline : Mapping
        ``majority`` and, on a split set, the ``audit``.
    left_out : int
        Pictures not counted because the run, or the one it is compared with, learned from them.
    against : Mapping or None
        The other run's ``accuracy``, ``mcnemar`` and ``bootstrap`` on the same pictures.
    report : Path
        The HTML page.
    """

    run: str
    split: str
    metrics: Mapping[str, Any]
    baseline: Mapping[str, Any]
    left_out: int
    against: Mapping[str, Any] | None
    report: Path

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values with the stable keys of ``--json``."""
        keys = ("n", "accuracy", "ci95", "balanced_accuracy", "loss", "ece", "per_class")
        return {
            "run": self.run,
            "split": self.split,
            **{key: self.metrics[key] for key in keys},
            "confusion": self.metrics["confusion"],
            "calibration": self.metrics["calibration"],
            "baseline": dict(self.baseline),
            "left_out": self.left_out,
            "against": dict(self.against) if self.against else None,
            "report": str(self.report),
        }


def evaluate(
    run: str | Path | Classifier | None = None,
    *,
    workspace: Workspace | None = None,
    split: str = "test",
    split_set: str | None = None,
    cross: Path | None = None,
    rename: Mapping[str, str] | None = None,
    against: str | Path | Classifier | None = None,
    out: Path | None = None,
    progress: Progress = SILENT,
) -> EvaluateSummary:
    """Evaluate a run.

    Parameters
    ----------
    run : str, Path, Classifier or None
        A run's name in the workspace, its folder, or loaded; None: the newest finished one.
    workspace : Workspace, optional
        Needed for names and splits; not for a folder on a folder.
    split : str
        ``train``, ``validation`` or ``test`` of the split set.
    split_set : str, optional
        By default the one the run was trained on.
    cross : Path, optional
        Another data set instead: a folder with one folder per class.
    rename : Mapping, optional
        Class folder of `cross` -> class of the run.
    against : str, Path or Classifier, optional
        Another run, compared on the same pictures.
    out : Path, optional
        Where report and predictions go; by default ``evaluations/<name>`` in the run's folder.
    progress : Progress
        Told of each batch.

    Raises
    ------
    UsageError
        No such split, or a name without a workspace.
    BodyshopError
        A label is unknown to the run.
    NothingFoundError
        No such run, or no picture is left to evaluate on.
    """
    classifier = resolve_run(run, workspace)
    samples, name = _pictures(classifier, workspace, split, split_set, cross, rename)
    chosen, left_out = samples.of(samples.items[0].split if cross else split), 0
    other = resolve_run(against, workspace) if against is not None else None
    if cross is not None or split != "train":
        # Of another set, what early stopping and temperature were tuned on counts as seen, too.
        tuned = ("train",) if cross is None else ("train", "validation")
        seen = _seen(classifier, tuned) | (_seen(other, tuned) if other is not None else set())
        kept = tuple(item for item in chosen if item.sha256 not in seen)
        left_out = len(chosen) - len(kept)
        chosen = kept
    if not chosen:
        raise NothingFoundError(
            f"no picture of {name} is left to evaluate on"
            + (f": the run was trained on all {left_out}" if left_out else "")
        )
    evaluation = evaluate_samples(classifier, chosen, name=name, progress=progress)
    compared = None
    if other is not None:
        compared = _compare(evaluation, other, progress)
    baseline = baseline_of(evaluation, samples, classifier.record.view)
    folder = out or classifier.folder / "evaluations" / name
    save_evaluation(evaluation, folder)
    report = _report(folder, classifier, evaluation, baseline, compared, left_out)
    result = EvaluateSummary(
        classifier.record.run,
        str(cross) if cross else split,
        evaluation.metrics,
        baseline,
        left_out,
        compared,
        report,
    )
    write_json(folder / "metrics.json", result.as_dict())
    return result


def resolve_run(run: str | Path | Classifier | None, workspace: Workspace | None) -> Classifier:
    """Find a run by name, folder or, with None, as the workspace's newest finished classifier.

    Raises
    ------
    NothingFoundError
        The workspace has no finished run, or none of that name.
    UsageError
        The folder holds no classifier.
    """
    if isinstance(run, Classifier):
        return run
    if run is None:
        if workspace is None:
            raise UsageError("say which run", hint="give a run's folder or a workspace")
        return load_run(workspace.runs / newest_run(workspace))
    if Path(run).is_dir():
        return load_run(Path(run))
    if workspace is not None and (workspace.runs / str(run)).is_dir():
        return load_run(workspace.runs / str(run))
    raise NothingFoundError(
        f"there is no run '{run}'", hint="bodyshop status lists the runs of a workspace"
    )


def newest_run(workspace: Workspace, *, command: str = "train") -> str:
    """Return the name of the workspace's newest finished run.

    Raises
    ------
    NothingFoundError
        There is none.
    """
    table = schema.runs
    query = (
        select(table.c.id)
        .where(table.c.command == command, table.c.state == "done")
        .order_by(table.c.started_at.desc(), table.c.id.desc())
    )
    with workspace.catalog.read() as connection:
        for name in connection.execute(query).scalars():
            if (workspace.runs / name / "run.json").exists():
                return str(name)
    raise NothingFoundError(
        f"{workspace.root} has no finished run yet", hint=f"run: bodyshop {command}"
    )


def baseline_of(evaluation: Evaluation, samples: Samples, view: View) -> dict[str, Any]:
    """Return what has to be beaten: always the same answer, and the audit of this view."""
    counts = np.bincount(evaluation.labels, minlength=len(evaluation.classes))
    baseline: dict[str, Any] = {
        "majority": {
            "label": evaluation.classes[int(counts.argmax())],
            "accuracy": float(counts.max() / counts.sum()),
        }
    }
    audit = audit_baseline(samples.audit, view.equalise)
    if audit:
        baseline["audit"] = audit
    return baseline


def _pictures(
    classifier: Classifier,
    workspace: Workspace | None,
    split: str,
    split_set: str | None,
    cross: Path | None,
    rename: Mapping[str, str] | None,
) -> tuple[Samples, str]:
    if cross is not None:
        samples = folder_samples(Path(cross), target=classifier.record.target)
        names = {nfc(old): nfc(new) for old, new in (rename or {}).items()}
        items = tuple(
            replace(item, label=names.get(item.label, item.label)) for item in samples.items
        )
        return replace(samples, items=items, classes=classifier.classes), Path(cross).name
    if split not in SPLITS:
        raise UsageError(f"there is no split '{split}'", hint=f"choose: {', '.join(SPLITS)}")
    if workspace is None:
        raise UsageError("a split is part of a workspace", hint="give a workspace or a folder")
    name = split_set or classifier.record.split_set
    # A run from before `crop` was a key has none in its recipe.
    crop = classifier.record.recipe.get("data", {}).get("crop", "none")
    samples = load_samples(workspace, split_set=name, variants=False, crop=crop)
    return samples, split if split_set is None else f"{split_set}-{split}"


def _seen(classifier: Classifier, splits: Sequence[str]) -> set[str]:
    """Return the pictures that were in these splits when the run was trained."""
    file = classifier.folder / SAMPLES_FILE
    if not file.exists():
        return set()
    with file.open(encoding="utf-8", newline="") as lines:
        return {row["sha256"] for row in csv.DictReader(lines) if row["split"] in splits}


def _compare(evaluation: Evaluation, other: Classifier, progress: Progress) -> dict[str, Any]:
    if set(other.classes) != set(evaluation.classes):
        raise UsageError(
            f"run '{other.record.run}' tells other classes apart: {', '.join(other.classes)}"
        )
    second = evaluate_samples(other, evaluation.samples, name=evaluation.name, progress=progress)
    first_right = evaluation.labels == evaluation.predicted
    second_right = second.labels == second.predicted
    groups = np.array([item.group for item in evaluation.samples])
    return {
        "run": other.record.run,
        "accuracy": second.metrics["accuracy"],
        "ci95": second.metrics["ci95"],
        "mcnemar": mcnemar(first_right, second_right),
        "bootstrap": paired_bootstrap(first_right, second_right, groups=groups),
    }


def _report(
    folder: Path,
    classifier: Classifier,
    evaluation: Evaluation,
    baseline: Mapping[str, Any],
    compared: Mapping[str, Any] | None,
    left_out: int,
) -> Path:
    metrics = evaluation.metrics
    notes = []
    if left_out:
        notes.append(
            {"good": True, "text": f"{left_out} pictures were left out: a run learned from them."}
        )
    if compared:
        low, high = compared["bootstrap"]["ci95"]
        gap = compared["bootstrap"]["difference"]
        notes.append(
            {
                "good": low > 0,
                "text": f"Against {compared['run']} ({percent(compared['accuracy'])}): a "
                f"difference of {100 * gap:+.1f} points, 95 % interval {100 * low:+.1f} to "
                f"{100 * high:+.1f}, McNemar p = {compared['mcnemar']['p']:.3g}.",
            }
        )
    context = {
        "title": f"{classifier.record.recipe['name']} on {evaluation.name}",
        "subtitle": classifier.record.run,
        "tiles": [
            {
                "name": "accuracy",
                "value": percent(metrics["accuracy"]),
                "note": f"95 % interval {interval(metrics['ci95'])}, n = {metrics['n']}",
            },
            {
                "name": "balanced accuracy",
                "value": percent(metrics["balanced_accuracy"]),
                "note": "mean recall of the classes present",
            },
            {
                "name": "calibration error",
                "value": f"{100 * metrics['calibration']['ece_after']:.1f} %",
                "note": f"{100 * metrics['calibration']['ece_before']:.1f} % before temperature",
            },
        ],
        "notes": notes,
        "ladder": ladder(metrics, baseline),
        "blocks": [evaluation_block(folder, evaluation)],
        "mistakes": mistakes(folder, classifier, evaluation),
        "explained": explained(folder, classifier, evaluation),
    }
    return render(folder / "report.html", context)
