"""Parts that the pages of runs and of evaluations share: tiles, plots, baselines, thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.evaluation.costs import cost_rows
from train.evaluation.names import shortened
from train.evaluation.predictions import Evaluation
from train.metrics.thresholds import at_threshold, threshold_choices
from train.models.run_folder import RunRecord
from train.recipes.recipe import Costs
from train.report.pages import interval, percent, write_page
from train.report.plots import (
    FEW_CLASSES,
    SHORT_NAME,
    plot_calibration,
    plot_confusion,
    plot_ranking,
)

EMPTY: Mapping[str, Any] = {
    "tiles": [],
    "notes": [],
    "abroad": None,
    "baselines": [],
    "blocks": [],
    "thresholds": [],
    "thresholds_note": "chosen on the validation split, measured on the test split; set one with "
    "--set threshold=NUMBER, threshold=balanced or --cost missed=N,false=N",
    "costs": None,
    "errors": [],
    "correct": [],
    "curves": [],
    "stages": [],
    "facts": [],
    "recipe": "",
}
"""Every part of the template ``run.html``, left out."""


def write_report_page(path: Path, context: Mapping[str, Any]) -> Path:
    """Fill the template of a run's or an evaluation's page; everything foreign is escaped.

    Parameters
    ----------
    path : Path
        The page to write.
    context : Mapping
        ``title``, ``subtitle`` and any keys of `EMPTY`.
    """
    return write_page("run.html", path, **{**EMPTY, **context})


def metric_tiles(metrics: Mapping[str, Any], *, name: str = "accuracy") -> list[dict[str, str]]:
    """Return the tiles of accuracy, balanced accuracy and calibration error."""
    calibration = metrics["calibration"]
    return [
        {
            "name": name,
            "value": percent(metrics["accuracy"]),
            "note": f"95 % interval {interval(metrics['ci95'])}, n = {metrics['n']}",
        },
        {
            "name": "balanced accuracy",
            "value": percent(metrics["balanced_accuracy"]),
            "note": "mean of the classes' recalls",
        },
        {
            "name": "calibration error",
            "value": percent(calibration["ece_after"]),
            "note": f"{percent(calibration['ece_before'])} before temperature scaling "
            f"(temperature {calibration['temperature']:.2f})",
        },
    ]


def evaluation_block(folder: Path, evaluation: Evaluation) -> dict[str, Any]:
    """Draw an evaluation's plots and return what the template shows of it."""
    name, stem = evaluation.name, evaluation.stem
    wordy = len(evaluation.classes) > FEW_CLASSES or max(map(len, evaluation.classes)) > SHORT_NAME
    plots = [
        {
            "file": plot_confusion(evaluation, folder / f"confusion-{stem}.png").name,
            "alt": f"confusion matrix, {name}",
            "wide": wordy,
            "large": wordy,
        },
        {
            "file": plot_calibration(evaluation, folder / f"calibration-{stem}.png").name,
            "alt": f"calibration, {name}",
            "wide": False,
            "large": False,
        },
        {
            "file": plot_ranking(evaluation, folder / f"ranking-{stem}.png").name,
            "alt": f"ROC and precision-recall curves, {name}",
            "wide": True,
            "large": True,
        },
    ]
    rows = [
        {"name": label, "interval": interval(figures["recall_ci95"]), **figures}
        for label, figures in evaluation.metrics["per_class"].items()
    ]
    return {
        "title": name[:1].upper() + name[1:],
        "n": evaluation.metrics["n"],
        "classes": rows,
        "plots": plots,
    }


def baseline_rows(metrics: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows that compare a model with its baselines."""
    rows: list[tuple[str, float, Sequence[float] | None]] = [
        ("this model", metrics["accuracy"], metrics["ci95"])
    ]
    linear_probe = baseline.get("linear_probe")
    if linear_probe:
        rows.append(
            (
                "linear probe: logistic regression on the pretrained backbone's features",
                linear_probe["accuracy"],
                linear_probe["ci95"],
            )
        )
    shipped = baseline.get("shipped")
    if shipped:
        name = "the damage model that comes with bodyshop, before"
        rows.append((name, shipped["accuracy"], shipped["ci95"]))
    audit = baseline.get("audit")
    if isinstance(audit, Mapping) and audit.get("accuracy") is not None:
        rows.append(
            (
                "shortcut audit: size, sharpness, source and other nuisance features only",
                audit["accuracy"],
                audit.get("ci95"),
            )
        )
    majority = baseline["majority"]
    most = shortened(majority["label"])
    rows.append((f"majority class: always '{most}'", majority["accuracy"], None))
    return [
        {
            "name": name,
            "accuracy": accuracy,
            "at": round(100 * accuracy, 2),
            "interval": interval(bounds),
            "low": round(100 * bounds[0], 2) if bounds else None,
            "span": round(100 * (bounds[1] - bounds[0]), 2) if bounds else None,
        }
        for name, accuracy, bounds in rows
    ]


def threshold_rows(
    record: RunRecord, validation: Evaluation, test: Evaluation
) -> list[dict[str, Any]]:
    """Return the test metrics at thresholds that were chosen on validation; two classes only."""
    if record.positive is None or len(set(validation.labels.tolist())) < 2:
        return []
    column = record.classes.index(record.positive)
    choices = {
        "current threshold": record.threshold,
        **threshold_choices(
            validation.labels, validation.probabilities[:, column], positive=column
        ),
    }
    rule = record.recipe.get("threshold")
    if isinstance(rule, Mapping):
        return cost_rows(test, Costs(**rule), choices, positive=column)
    scores = test.probabilities[:, column]
    return [
        {
            "name": name,
            "threshold": threshold,
            **at_threshold(test.labels, scores, threshold, positive=column),
        }
        for name, threshold in choices.items()
    ]
