"""A finished run tested on any split or folder, alone or compared with another run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bodyshop_core.catalog import nfc
from bodyshop_core.errors import NothingFoundError, UnreadableImageError, UsageError
from bodyshop_core.imaging import load_rgb
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace
from train.data.samples import SPLITS, Sample, Samples, audit_baseline, folder_samples, load_samples
from train.evaluation.baseline import baselines
from train.evaluation.costs import cost_rows, with_cost_threshold
from train.evaluation.names import file_stem
from train.evaluation.predictions import Evaluation, evaluate_samples, save_evaluation
from train.metrics.paired import mcnemar, paired_bootstrap
from train.models.classifier import Classifier
from train.models.run_folder import write_json
from train.recipes.recipe import Costs
from train.report.evaluation_report import write_evaluation_report
from train.runs.lookup import resolve_run


@dataclass(frozen=True)
class EvaluationSummary(Summary):
    """What the results of evaluations have in common; their metrics are keys of the JSON object.

    Parameters
    ----------
    run : str
        The run's name.
    split : str
        What was tested: a split, a folder, or a number of folds.
    metrics : Mapping
        As `train.metrics.classification.summary`, and ``calibration``.
    baseline : Mapping
        As `train.evaluation.baseline.baselines`.
    report : Path
        The HTML page.
    """

    run: str
    split: str
    metrics: Mapping[str, Any]
    baseline: Mapping[str, Any]
    report: Path

    hidden: ClassVar[tuple[str, ...]] = ("metrics",)
    figures: ClassVar[tuple[str, ...]] = (
        "n",
        "accuracy",
        "ci95",
        "balanced_accuracy",
        "loss",
        "ece",
        "per_class",
        "confusion",
        "calibration",
    )

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values with the stable keys of ``--json``."""
        return {**super().as_dict(), **{name: self.metrics[name] for name in self.figures}}


@dataclass(frozen=True)
class EvaluateSummary(EvaluationSummary):
    """Result of an evaluation.

    Parameters
    ----------
    run, split, metrics, baseline, report
        As `EvaluationSummary`.
    left_out : int
        Pictures left out because the run, or the one it is compared with, was trained or tuned on
        them.
    against : Mapping or None
        The other run's ``run``, ``accuracy``, ``ci95``, ``mcnemar`` and ``bootstrap`` on the same
        pictures.
    costs : tuple of dict, optional
        Where costs were given: what the pictures cost at the run's threshold, at the cheapest one
        on its validation pictures, and without a model (see `train.evaluation.costs.cost_rows`).
    unreadable : Mapping, optional
        File of a `cross` folder -> why it can't be decoded; such pictures don't count.
    """

    left_out: int
    against: Mapping[str, Any] | None
    costs: tuple[dict[str, Any], ...] | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PictureChoice:
    """Which pictures a run is tested on.

    Parameters
    ----------
    split : str
        ``train``, ``validation`` or ``test`` of the split set.
    split_set : str, optional
        By default the one the run was trained on.
    cross : Path, optional
        Another data set instead: a folder with one folder per class.
    rename : Mapping, optional
        Class folder of `cross` -> class of the run.
    """

    split: str = "test"
    split_set: str | None = None
    cross: Path | None = None
    rename: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        """For people."""
        if self.cross is not None:
            return self.cross.resolve().name or "folder"
        return self.split if self.split_set is None else f"{self.split_set}-{self.split}"

    def stem(self, samples: Samples) -> str:
        """Return the name of the result's folder.

        That of a folder of pictures follows from what they are and are labelled: other pictures in
        the same place, or in a folder of the same name, replace no earlier result.
        """
        if self.cross is None:
            return file_stem(self.name)
        return f"cross-{file_stem(self.name)}-{samples.digest()[:8]}"

    def load(self, run: Classifier, workspace: Workspace | None) -> Samples:
        """Read the pictures, all of the chosen split.

        Raises
        ------
        UsageError
            No such split or folder, a split without a workspace, or `rename` names no folder.
        NothingFoundError
            There is no picture.
        """
        samples = self._folder(run) if self.cross is not None else self._split(run, workspace)
        return replace(samples, items=samples.of(self.split))

    def _folder(self, run: Classifier) -> Samples:
        assert self.cross is not None
        samples = folder_samples(self.cross, split=self.split, target=run.record.target)
        names = {nfc(old): nfc(new) for old, new in (self.rename or {}).items()}
        unknown = set(names) - {item.label for item in samples.items}
        if unknown:
            raise UsageError(f"{self.cross} has no class folder '{min(unknown)}' to rename")
        items = (replace(item, label=names.get(item.label, item.label)) for item in samples.items)
        return replace(samples, items=tuple(items), classes=run.classes)

    def _split(self, run: Classifier, workspace: Workspace | None) -> Samples:
        if self.split not in SPLITS:
            raise UsageError(
                f"there is no split '{self.split}'", hint=f"choose: {', '.join(SPLITS)}"
            )
        if workspace is None:
            raise UsageError("a split is part of a workspace", hint="give a workspace or a folder")
        name = self.split_set or run.record.split_set
        crop = run.record.recipe.get("data", {}).get("crop", "none")
        return load_samples(workspace, split_set=name, variants=False, crop=crop)


def evaluate(
    run: str | Path | Classifier | None = None,
    *,
    workspace: Workspace | None = None,
    split: str = "test",
    split_set: str | None = None,
    cross: Path | None = None,
    rename: Mapping[str, str] | None = None,
    against: str | Path | Classifier | None = None,
    costs: Costs | None = None,
    out: Path | None = None,
    progress: Progress = SILENT,
) -> EvaluateSummary:
    """Evaluate a run.

    Parameters
    ----------
    run : str, Path, Classifier or None
        A run's name in the workspace, its folder, or loaded; None: the newest finished one.
    workspace : Workspace, optional
        Needed for names and splits; not for a run's folder tested on a folder.
    split, split_set, cross, rename
        As `PictureChoice`.
    against : str, Path or Classifier, optional
        Another run, compared on the same pictures.
    costs : Costs, optional
        Of a missed picture of the class to detect and of a false alarm; the metrics are then those
        at the threshold with the lowest cost on the run's validation pictures.
    out : Path, optional
        Where report and predictions go; by default ``evaluations/<name>`` in the run's folder,
        where the name of a `cross` folder ends with a hash of its pictures and labels.
    progress : Progress
        Reports one step per batch.

    Raises
    ------
    UsageError
        No such split, or a name without a workspace.
    UnknownLabelError
        The run was not trained on a label.
    NothingFoundError
        No such run, or no picture is left to test.
    NotFiniteError
        A network's probabilities are NaN or infinite.
    UnreadableImageError
        A picture of a split, or every picture of a `cross` folder, can't be decoded.
    BodyshopError
        A run's folder has no ``samples.csv``: it is not known which pictures it was trained on.
    """
    chosen = PictureChoice(split, split_set, Path(cross) if cross is not None else None, rename)
    classifier, thresholds = resolve_run(run, workspace), {}
    if costs is not None:
        thresholds["the run's threshold"] = classifier.record.threshold
        record = with_cost_threshold(classifier.folder, classifier.record, costs)
        classifier = Classifier(classifier.folder, record)
        thresholds["lowest cost on validation"] = record.threshold
    other = resolve_run(against, workspace) if against is not None else None
    samples = chosen.load(classifier, workspace)
    seen = _seen(classifier, chosen, samples)
    if other is not None:
        seen |= _seen(other, chosen, samples)
    kept = tuple(item for item in samples.items if item.sha256 not in seen)
    left_out = len(samples.items) - len(kept)
    if not kept:
        raise NothingFoundError(
            f"no picture of {chosen.name} is left to evaluate on"
            + (f": the run was trained on all {left_out}" if left_out else "")
        )
    unreadable: dict[str, str] = {}
    try:
        evaluation = evaluate_samples(classifier, kept, name=chosen.name, progress=progress)
    except UnreadableImageError:
        if chosen.cross is None:
            raise  # a picture of the set was readable when it was curated
        unreadable = _unreadable(kept)
        kept = tuple(item for item in kept if str(item.path) not in unreadable)
        if not kept:
            raise
        progress.log(f"{len(unreadable)} unreadable pictures are left out")
        evaluation = evaluate_samples(classifier, kept, name=chosen.name, progress=progress)
    compared = _compare(evaluation, other, progress) if other is not None else None
    audit = audit_baseline(samples.audit, classifier.record.view.equalise)
    baseline = baselines([item.label for item in kept], audit=audit)
    folder = out or classifier.folder / "evaluations" / chosen.stem(samples)
    save_evaluation(evaluation, folder)
    spent = None
    if costs is not None:
        positive = classifier.classes.index(str(classifier.record.positive))
        spent = cost_rows(evaluation, costs, thresholds, positive=positive)
    report = write_evaluation_report(
        folder, classifier, evaluation, baseline, compared=compared, left_out=left_out,
        unreadable=unreadable, costs=spent,
    )  # fmt: skip
    result = EvaluateSummary(
        classifier.record.run,
        str(chosen.cross) if chosen.cross else split,
        evaluation.metrics,
        baseline,
        report,
        left_out,
        compared,
        tuple(spent) if spent is not None else None,
        unreadable,
    )
    write_json(folder / "metrics.json", result.as_dict())
    return result


def _seen(run: Classifier, chosen: PictureChoice, samples: Samples) -> frozenset[str]:
    """Return the pictures that must not count: those the run was trained or tuned on.

    Early stopping and temperature were tuned on the run's own validation pictures. They count only
    where they are what was asked for; training pictures likewise.
    """
    if chosen.cross is None and samples.split_set == run.record.split_set:
        if chosen.split == "train":
            return frozenset()
        if chosen.split == "validation":
            return run.pictures_seen(("train",))
    return run.pictures_seen(("train", "validation"))


def _unreadable(samples: Sequence[Sample]) -> dict[str, str]:
    def problem(item: Sample) -> tuple[str, str] | None:
        try:
            load_rgb(item.path)
        except UnreadableImageError as error:
            return str(item.path), error.message
        return None

    with ThreadPoolExecutor(4) as pool:
        return dict(filter(None, pool.map(problem, samples)))


def _compare(evaluation: Evaluation, other: Classifier, progress: Progress) -> dict[str, Any]:
    if set(other.classes) != set(evaluation.classes):
        raise UsageError(
            f"run '{other.record.run}' has other classes: {', '.join(other.classes)}",
            hint="compare runs of the same classes",
        )
    second = evaluate_samples(other, evaluation.samples, name=evaluation.name, progress=progress)
    groups = np.array([item.group for item in evaluation.samples])
    # Each run has its own order of the classes; whether it is right does not depend on it.
    return {
        "run": other.record.run,
        "accuracy": second.metrics["accuracy"],
        "ci95": second.metrics["ci95"],
        "mcnemar": mcnemar(evaluation.correct, second.correct),
        "bootstrap": paired_bootstrap(evaluation.correct, second.correct, groups=groups),
    }
