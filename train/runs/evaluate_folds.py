"""k-fold cross-validation of a run's recipe, with a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bodyshop_core.imaging import Equalise
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from train.data.samples import audit_baseline, load_samples
from train.evaluation.baseline import baselines
from train.evaluation.crossval import cross_validate, write_out_of_fold
from train.evaluation.names import result_stem
from train.evaluation.predictions import Evaluation
from train.models.classifier import Classifier
from train.models.run_folder import read_json, write_json
from train.report.evaluation_report import write_folds_report
from train.runs.evaluate import EvaluationSummary
from train.runs.lookup import resolve_run
from train.runs.plan import PLAN_FILE


@dataclass(frozen=True)
class FoldsSummary(EvaluationSummary):
    """Result of a cross-validation.

    Parameters
    ----------
    run, split, metrics, baseline, report
        As `EvaluationSummary`; ``folds`` of the metrics are the accuracies of the folds.
    predictions : Path
        sha256, fold, label and out-of-fold probabilities: the input of label-error detectors.
    """

    predictions: Path

    figures: ClassVar[tuple[str, ...]] = (*EvaluationSummary.figures, "folds")


def evaluate_folds(
    run: str | Path | Classifier | None,
    workspace: Workspace,
    *,
    folds: int = 5,
    split_set: str | None = None,
    out: Path | None = None,
    progress: Progress = SILENT,
) -> FoldsSummary:
    """Train a run's recipe once per fold; each picture is tested by a model not trained on it.

    Parameters
    ----------
    run : str, Path, Classifier or None
        Its recipe, equalising, weights and seed are used; None: the newest finished run.
    workspace : Workspace
        With the pictures: those of all three splits are assigned to folds, groups kept together.
    folds : int
        At least 3: one is tested, one is validation, the others are trained on.
    split_set : str, optional
        By default the one the run was trained on.
    out : Path, optional
        Where report and predictions go; by default ``evaluations/folds-<k>`` in the run's folder
        (``<split set>-folds-<k>`` for another split set).
    progress : Progress
        Reports one step per fold.

    Raises
    ------
    BodyshopError
        A class has fewer independent groups of pictures than there are folds, or the run's folder
        has no ``plan.json``, which names its weights.
    """
    classifier = resolve_run(run, workspace)
    record = classifier.record
    recipe = record.network_recipe()
    weights = read_json(classifier.folder / PLAN_FILE)["weights"]
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
        weights=weights,
        seed=record.seed,
        progress=progress,
    )
    evaluation = Evaluation(
        f"folds-{folds}",
        result.samples,
        result.classes,
        result.labels,
        result.probabilities,
        result.predicted,
        result.metrics,
        result.raw,
    )
    baseline = baselines(
        [item.label for item in result.samples],
        audit=audit_baseline(samples.audit, record.view.equalise),
    )
    stem = result_stem(evaluation.name, split_set, record.split_set)
    folder = out or classifier.folder / "evaluations" / stem
    predictions = write_out_of_fold(result, folder / "out-of-fold.csv")
    report = write_folds_report(folder, classifier, evaluation, baseline)
    summary = FoldsSummary(
        record.run, f"{folds} folds", result.metrics, baseline, report, predictions
    )
    write_json(folder / "metrics.json", summary.as_dict())
    return summary
