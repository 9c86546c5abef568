"""The pages of an evaluation and of a cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.evaluation.predictions import Evaluation
from train.models.classifier import Classifier
from train.report.evaluation_parts import (
    baseline_rows,
    evaluation_block,
    metric_tiles,
    write_report_page,
)
from train.report.gallery import correct_gallery, error_gallery
from train.report.pages import percent

REPORT_FILE = "report.html"

NAMED = 5
"""Unreadable pictures that a page names; all are in ``metrics.json``."""


def write_evaluation_report(
    folder: Path,
    run: Classifier,
    evaluation: Evaluation,
    baseline: Mapping[str, Any],
    *,
    compared: Mapping[str, Any] | None = None,
    left_out: int = 0,
    unreadable: Mapping[str, str] | None = None,
    costs: Sequence[Mapping[str, Any]] | None = None,
) -> Path:
    """Write plots, pictures and ``report.html`` of an evaluation.

    Parameters
    ----------
    folder : Path
        Where everything goes.
    run : Classifier
        What was tested.
    evaluation : Evaluation
        On what, and the result.
    baseline : Mapping
        As `train.evaluation.baseline.baselines`.
    compared : Mapping or None
        The comparison with another run, as `train.runs.evaluate.EvaluateSummary.against`.
    left_out : int
        Pictures left out because a run was trained or tuned on them.
    unreadable : Mapping, optional
        File -> why it could not be read.
    costs : Sequence of Mapping, optional
        As `train.evaluation.costs.cost_rows`.
    """
    notes = []
    if left_out:
        text = f"Pictures left out because a run was trained or tuned on them: {left_out}."
        notes.append({"good": True, "text": text})
    if unreadable:
        named = "; ".join(list(unreadable.values())[:NAMED])
        text = f"Pictures left out because they can't be read: {len(unreadable)} ({named})."
        notes.append({"good": False, "text": text})
    if compared:
        notes.append(_comparison_note(compared))
    return write_report_page(
        folder / REPORT_FILE,
        {
            "title": f"{run.record.recipe['name']} on {evaluation.name}",
            "subtitle": run.record.run,
            "tiles": metric_tiles(evaluation.metrics),
            "notes": notes,
            "baselines": baseline_rows(evaluation.metrics, baseline),
            "blocks": [evaluation_block(folder, evaluation)],
            "thresholds": costs or [],
            "thresholds_note": "what these pictures cost at each; the cheapest was chosen on the "
            "run's validation pictures",
            "costs": costs,
            "errors": error_gallery(folder, run, evaluation),
            "correct": correct_gallery(folder, run, evaluation),
        },
    )


def write_folds_report(
    folder: Path, run: Classifier, evaluation: Evaluation, baseline: Mapping[str, Any]
) -> Path:
    """Write plots and ``report.html`` of a cross-validation.

    Parameters
    ----------
    folder : Path
        Where everything goes.
    run : Classifier
        Whose recipe was trained.
    evaluation : Evaluation
        Out-of-fold predictions; ``folds`` of its metrics are the accuracies of the folds.
    baseline : Mapping
        As `train.evaluation.baseline.baselines`.
    """
    metrics = evaluation.metrics
    each = metrics["folds"]
    accuracy, balanced, calibration = metric_tiles(metrics, name=f"accuracy over {len(each)} folds")
    spread = {
        "name": "lowest and highest fold",
        "value": f"{100 * min(each):.1f} – {100 * max(each):.1f} %",
        "note": ", ".join(percent(value) for value in each),
    }
    return write_report_page(
        folder / REPORT_FILE,
        {
            "title": f"{run.record.recipe['name']} in {len(each)} folds",
            "subtitle": f"recipe, equalising and seed of {run.record.run}; each picture was tested "
            "once, by a model that was trained on neither it nor its group",
            "tiles": [accuracy, spread, balanced, calibration],
            "baselines": baseline_rows(metrics, baseline),
            "blocks": [evaluation_block(folder, evaluation)],
        },
    )


def _comparison_note(compared: Mapping[str, Any]) -> dict[str, Any]:
    low, high = compared["bootstrap"]["ci95"]
    gap = compared["bootstrap"]["difference"]
    return {
        "good": low > 0,
        "text": f"Compared with {compared['run']} ({percent(compared['accuracy'])}): difference "
        f"{100 * gap:+.1f} percentage points, 95 % interval {100 * low:+.1f} to {100 * high:+.1f}, "
        f"McNemar p = {compared['mcnemar']['p']:.3g}.",
    }
