"""A run on one HTML page that opens from disk: figures, what they have to beat, and mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.evaluation.scores import Evaluation
from train.fit.loop import History
from train.metrics.classification import at_threshold, threshold_choices
from train.models.classifier import Classifier
from train.models.run_folder import RunRecord
from train.recipes.recipe import dump
from train.report.gallery import explained, mistakes
from train.report.model_card import write_model_card
from train.report.pages import interval, percent, write_page
from train.report.plots import (
    plot_calibration,
    plot_confusion,
    plot_curves,
    plot_ranking,
    plot_steps,
)

REPORT_FILE = "report.html"


def write_run_report(
    run: Classifier,
    histories: Sequence[History],
    evaluations: Mapping[str, Evaluation],
    baseline: Mapping[str, Any],
    audit: Mapping[str, Any],
    seconds: Mapping[str, float],
) -> Path:
    """Write plots, thumbnails of mistakes, the model card and ``report.html``.

    Parameters
    ----------
    run : Classifier
        The run; everything lands in its folder and is referred to by relative paths.
    histories : Sequence of History
        Of its stages.
    evaluations : Mapping
        ``validation`` and ``test``.
    baseline, audit : Mapping
        What has to be beaten.
    seconds : Mapping
        Phase -> seconds.

    Returns
    -------
    Path
        The page.
    """
    folder, record, test = run.folder, run.record, evaluations["test"]
    write_model_card(folder, record, test, baseline, histories)
    curves = [
        {"file": plot_curves(histories, folder / "curves.png").name, "alt": "loss and accuracy"},
        {"file": plot_steps(histories, folder / "steps.png").name, "alt": "loss of every step"},
    ]
    metrics = test.metrics
    context = {
        "title": f"{record.recipe['name']} · {record.target}",
        "subtitle": f"{record.run} · trained on '{record.split_set}' · "
        f"{' / '.join(record.classes[:6])}{' …' if len(record.classes) > 6 else ''}",
        "tiles": [
            {
                "name": "test accuracy",
                "value": percent(metrics["accuracy"]),
                "note": f"95 % interval {interval(metrics['ci95'])}, n = {metrics['n']}",
            },
            {
                "name": "balanced accuracy",
                "value": percent(metrics["balanced_accuracy"]),
                "note": "mean recall of the classes",
            },
            {
                "name": "calibration error",
                "value": f"{100 * metrics['calibration']['ece_after']:.1f} %",
                "note": f"{100 * metrics['calibration']['ece_before']:.1f} % before temperature "
                f"{record.temperature:.2f}",
            },
            {
                "name": "time",
                "value": f"{sum(seconds.values()):.0f} s",
                "note": ", ".join(
                    f"{name} {value:.0f}" for name, value in seconds.items() if value >= 1
                ),
            },
        ],
        "notes": _notes(record, metrics, baseline, audit),
        "ladder": ladder(metrics, baseline),
        "blocks": [
            evaluation_block(folder, evaluation) for evaluation in (test, evaluations["validation"])
        ],
        "thresholds": threshold_rows(record, evaluations["validation"], test),
        "mistakes": mistakes(folder, run, test),
        "explained": explained(folder, run, test),
        "curves": curves,
        "stages": [_stage_row(history) for history in histories],
        "facts": _facts(record),
        "recipe": dump(record.recipe),
    }
    return render(folder / REPORT_FILE, context)


def render(path: Path, context: Mapping[str, Any]) -> Path:
    """Fill the report's template; everything foreign is escaped."""
    blank: dict[str, Any] = {
        "tiles": [],
        "notes": [],
        "ladder": [],
        "blocks": [],
        "thresholds": [],
        "mistakes": [],
        "explained": [],
        "curves": [],
        "stages": [],
        "facts": [],
        "recipe": "",
        "footer": "Every picture here lies in this folder; nothing is loaded from elsewhere.",
    }
    return write_page("run.html", path, **(blank | dict(context)))


def evaluation_block(folder: Path, evaluation: Evaluation) -> dict[str, Any]:
    """Draw an evaluation's plots and return what the template shows of it."""
    name = evaluation.name
    plots = [
        {
            "file": plot_confusion(evaluation, folder / f"confusion-{name}.png").name,
            "alt": f"confusion matrix, {name}",
            "wide": len(evaluation.classes) > 8,
        },
        {
            "file": plot_calibration(evaluation, folder / f"calibration-{name}.png").name,
            "alt": f"calibration, {name}",
            "wide": False,
        },
        {
            "file": plot_ranking(evaluation, folder / f"ranking-{name}.png").name,
            "alt": f"ROC and precision-recall, {name}",
            "wide": True,
        },
    ]
    rows = [
        {"name": label, "interval": interval(figures["recall_ci95"]), **figures}
        for label, figures in evaluation.metrics["per_class"].items()
    ]
    return {
        "title": name.capitalize(),
        "n": evaluation.metrics["n"],
        "classes": rows,
        "plots": plots,
    }


def threshold_rows(
    record: RunRecord, validation: Evaluation, test: Evaluation
) -> list[dict[str, Any]]:
    """Return what other thresholds would give: chosen on validation, measured on test."""
    if record.positive is None or len(set(validation.labels.tolist())) < 2:
        return []
    column = record.classes.index(record.positive)
    choices = {
        "in use": record.threshold,
        **threshold_choices(
            validation.labels, validation.probabilities[:, column], positive=column
        ),
    }
    return [
        {
            "name": name,
            "threshold": threshold,
            **at_threshold(test.labels, test.probabilities[:, column], threshold, positive=column),
        }
        for name, threshold in choices.items()
    ]


def ladder(metrics: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the comparison with what has to be beaten."""
    rows: list[tuple[str, float, Sequence[float] | None]] = [
        ("this model", metrics["accuracy"], metrics["ci95"])
    ]
    if "linear_probe" in baseline:
        linear_probe = baseline["linear_probe"]
        rows.append(
            (
                "a straight line through the untouched backbone's features (linear probe)",
                linear_probe["accuracy"],
                linear_probe["ci95"],
            )
        )
    audit = baseline.get("audit")
    if isinstance(audit, Mapping) and audit.get("accuracy") is not None:
        rows.append(
            (
                "size, sharpness, source and the like, without the picture (audit)",
                audit["accuracy"],
                audit.get("ci95"),
            )
        )
    majority = baseline["majority"]
    rows.append((f"always saying '{majority['label']}'", majority["accuracy"], None))
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


def _notes(
    record: RunRecord,
    metrics: Mapping[str, Any],
    baseline: Mapping[str, Any],
    audit: Mapping[str, Any],
) -> list[dict[str, Any]]:
    notes = []
    if audit.get("leak"):
        spec = record.equalise
        notes.append(
            {
                "good": bool(spec),
                "text": "The audit can tell the classes apart without looking at the car. "
                + (
                    f"Every picture, in training and in use, is therefore brought to at most "
                    f"{spec['longest_side']} pixels and JPEG quality {spec['jpeg_quality']}."
                    if spec
                    else "This run does not equalise: read its accuracy with that in mind."
                ),
            }
        )
    found = baseline.get("audit")
    if (
        isinstance(found, Mapping)
        and found.get("accuracy") is not None
        and metrics["ci95"][0] <= found["accuracy"]
    ):
        notes.append(
            {
                "good": False,
                "text": "The interval of this model reaches down to what nuisance "
                "features alone achieve: it has not been shown to look at the car.",
            }
        )
    linear_probe = baseline.get("linear_probe")
    if linear_probe and metrics["accuracy"] < linear_probe["accuracy"]:
        notes.append(
            {
                "good": False,
                "text": f"The linear probe is right more often "
                f"({percent(linear_probe['accuracy'])}): the longer training brought no gain here.",
            }
        )
    return notes


def _stage_row(history: History) -> dict[str, Any]:
    best = history.epochs[max(history.best_epoch, 1) - 1]
    return {
        "name": history.stage,
        "epochs": len(history.epochs),
        "best": history.best_epoch,
        "ended": "early: no longer improving" if history.stopped == "early" else "all epochs",
        "batch": history.batch_size,
        "seconds": f"{history.seconds:.1f}",
        "accuracy": best["val_accuracy"],
    }


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    counts = record.data["counts"]
    sizes = record.extra.get("parameters", {})
    return [
        ("backbone", str(record.recipe.get("backbone") or "own network")),
        ("parameters", f"{sizes.get('total', 0):,} ({sizes.get('trainable', 0):,} learned last)"),
        ("input", f"{record.side} x {record.side}{', grey' if record.grey else ''}"),
        (
            "pictures",
            "; ".join(
                f"{split}: " + ", ".join(f"{name} {n}" for name, n in each.items())
                for split, each in counts.items()
            ),
        ),
        ("data hash", str(record.data["digest"])),
        ("seed", str(record.seed)),
        (
            "threshold",
            f"{record.threshold:.3f}" + (f" for '{record.positive}'" if record.positive else ""),
        ),
        ("versions", ", ".join(f"{name} {value}" for name, value in record.versions.items())),
        ("made", record.created_at),
    ]
