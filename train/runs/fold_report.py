"""A run's recipe in k-fold cross-validation, on a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bodyshop_core.imaging import Equalise
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from train.data.samples import load_samples
from train.evaluation.crossval import CrossValidation, cross_validate, write_out_of_fold
from train.evaluation.scores import Evaluation
from train.models.classifier import Classifier
from train.models.run_folder import read_json, write_json
from train.recipes.recipe import Recipe
from train.report.classifier_report import evaluation_block, ladder, render
from train.report.pages import interval, percent
from train.runs.evaluate import baseline_of, resolve_run
from train.runs.plan import PLAN_FILE


@dataclass(frozen=True)
class FoldsSummary:
    """What a cross-validation came to.

    Parameters
    ----------
    run : str
        Whose recipe, pictures and settings.
    folds : int
        How many.
    metrics : Mapping
        As `train.evaluation.crossval.CrossValidation`.
    baseline : Mapping
        ``majority`` and the ``audit``.
    report : Path
        The HTML page.
    predictions : Path
        sha256, fold, label and out-of-fold probabilities: what label-error finders read.
    """

    run: str
    folds: int
    metrics: Mapping[str, Any]
    baseline: Mapping[str, Any]
    report: Path
    predictions: Path

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values with the stable keys of ``--json``."""
        keys = ("n", "accuracy", "ci95", "balanced_accuracy", "loss", "ece", "per_class")
        return {
            "run": self.run,
            "split": f"{self.folds} folds",
            **{key: self.metrics[key] for key in keys},
            "confusion": self.metrics["confusion"],
            "calibration": self.metrics["calibration"],
            "folds": self.metrics["folds"],
            "baseline": dict(self.baseline),
            "predictions": str(self.predictions),
            "report": str(self.report),
        }


def evaluate_folds(
    run: str | Path | Classifier | None,
    workspace: Workspace,
    *,
    folds: int = 5,
    split_set: str | None = None,
    out: Path | None = None,
    progress: Progress = SILENT,
) -> FoldsSummary:
    """Train a run's recipe once per fold and test every picture with a model that never saw it.

    Parameters
    ----------
    run : str, Path, Classifier or None
        Whose recipe, view, weights and seed; None: the newest finished run.
    workspace : Workspace
        With the pictures: all three splits are dealt anew, whole groups together.
    folds : int
        At least 3: one tests, one validates, the others train.
    split_set : str, optional
        By default the one the run was trained on.
    out : Path, optional
        Where report and predictions go; by default ``evaluations/folds-<k>`` in the run's folder.
    progress : Progress
        Told of each fold.

    Raises
    ------
    BodyshopError
        A class has fewer independent groups of pictures than there are folds.
    """
    classifier = resolve_run(run, workspace)
    record = classifier.record
    recipe = Recipe.model_validate(record.recipe)
    plan = classifier.folder / PLAN_FILE
    samples = load_samples(
        workspace,
        split_set=split_set or record.split_set,
        variants=recipe.data.variants,
        crop=recipe.data.crop,
    )
    result = cross_validate(
        recipe,
        samples,
        workspace.features,
        folds=folds,
        equalise=Equalise(**record.equalise) if record.equalise else None,
        weights=read_json(plan)["weights"] if plan.exists() else None,
        seed=record.seed,
        progress=progress,
    )
    evaluation = Evaluation(
        f"folds-{folds}",
        result.samples,
        result.classes,
        result.labels,
        result.probabilities,
        result.probabilities.argmax(axis=1),
        result.metrics,
        result.raw,
    )
    baseline = baseline_of(evaluation, samples, record.view)
    folder = out or classifier.folder / "evaluations" / evaluation.name
    predictions = write_out_of_fold(result, folder / "out-of-fold.csv")
    report = _report(folder, classifier, evaluation, result, baseline)
    summary = FoldsSummary(record.run, folds, result.metrics, baseline, report, predictions)
    write_json(folder / "metrics.json", summary.as_dict())
    return summary


def _report(
    folder: Path,
    classifier: Classifier,
    evaluation: Evaluation,
    result: CrossValidation,
    baseline: Mapping[str, Any],
) -> Path:
    metrics = result.metrics
    each = metrics["folds"]
    tiles = [
        {
            "name": f"accuracy over {len(each)} folds",
            "value": percent(metrics["accuracy"]),
            "note": f"95 % interval {interval(metrics['ci95'])}, n = {metrics['n']}",
        },
        {
            "name": "worst and best fold",
            "value": f"{100 * min(each):.1f} – {100 * max(each):.1f} %",
            "note": ", ".join(percent(value) for value in each),
        },
        {
            "name": "balanced accuracy",
            "value": percent(metrics["balanced_accuracy"]),
            "note": "mean recall of the classes",
        },
    ]
    return render(
        folder / "report.html",
        {
            "title": f"{classifier.record.recipe['name']} in {len(each)} folds",
            "subtitle": f"recipe, view and seed of {classifier.record.run}; every picture was "
            "tested once by a model that saw neither it nor its group",
            "tiles": tiles,
            "ladder": ladder(metrics, baseline),
            "blocks": [evaluation_block(folder, evaluation)],
        },
    )
