"""The page of a training run: metrics, baselines, errors, thresholds, curves and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bodyshop_core.catalog.split_sets import WAY_OUT, leaks_left
from train.evaluation.abroad.wording import where_tested
from train.evaluation.names import shortened
from train.evaluation.predictions import Evaluation
from train.fit.loop import History
from train.models.classifier import Classifier
from train.models.run_folder import RunRecord
from train.recipes.recipe import dump
from train.report.abroad_report import abroad_table, abroad_tiles
from train.report.evaluation_parts import (
    baseline_rows,
    evaluation_block,
    metric_tiles,
    threshold_rows,
    write_report_page,
)
from train.report.evaluation_report import REPORT_FILE
from train.report.gallery import correct_gallery, error_gallery
from train.report.model_card import shown_in_training, write_model_card
from train.report.pages import percent
from train.report.plots import plot_curves, plot_steps


def write_run_report(
    run: Classifier,
    histories: Sequence[History],
    evaluations: Mapping[str, Evaluation],
    baseline: Mapping[str, Any],
    audit: Mapping[str, Any],
    seconds: Mapping[str, float],
    abroad: Mapping[str, Any] | None = None,
) -> Path:
    """Write plots, thumbnails, the model card and ``report.html``.

    Parameters
    ----------
    run : Classifier
        The run; everything is written into its folder and linked by relative paths.
    histories : Sequence of History
        Of its stages.
    evaluations : Mapping
        ``validation`` and ``test``.
    baseline : Mapping
        As `train.evaluation.baseline.baselines`.
    audit : Mapping
        The shortcut audit of the split set; empty without one.
    seconds : Mapping
        Phase -> seconds.
    abroad : Mapping, optional
        As `train.runs.abroad.measure_abroad`: the page begins with it.

    Returns
    -------
    Path
        The page.
    """
    folder, record = run.folder, run.record
    test, validation = evaluations["test"], evaluations["validation"]
    abroad = abroad or {}
    write_model_card(folder, record, test, baseline, histories, abroad)
    curves = [
        {"file": plot_curves(histories, folder / "curves.png").name, "alt": "loss and accuracy"},
        {"file": plot_steps(histories, folder / "steps.png").name, "alt": "loss of every step"},
    ]
    metrics = test.metrics
    time = {
        "name": "time",
        "value": f"{sum(seconds.values()):.0f} s",
        "note": ", ".join(f"{name} {value:.0f}" for name, value in seconds.items() if value >= 1),
    }
    return write_report_page(
        folder / REPORT_FILE,
        {
            "title": f"{record.recipe['name']} · {record.target}",
            "subtitle": f"{record.run} · trained on '{record.split_set}' · "
            f"{' / '.join(map(shortened, record.classes[:6]))}"
            f"{' …' if len(record.classes) > 6 else ''}",
            "tiles": [
                *abroad_tiles(abroad, metrics),
                *metric_tiles(metrics, name=f"test accuracy ({where_tested(metrics)})"),
                time,
            ],
            "notes": _notes(record, metrics, baseline, audit),
            "abroad": abroad_table(abroad, metrics),
            "baselines": baseline_rows(metrics, baseline),
            "blocks": [evaluation_block(folder, each) for each in (test, validation)],
            "thresholds": threshold_rows(record, validation, test),
            "costs": isinstance(record.recipe.get("threshold"), Mapping),
            "errors": error_gallery(folder, run, test),
            "correct": correct_gallery(folder, run, test),
            "curves": curves,
            "stages": [_stage_row(history) for history in histories],
            "facts": _facts(record),
            "recipe": dump(record.recipe),
        },
    )


def _notes(
    record: RunRecord,
    metrics: Mapping[str, Any],
    baseline: Mapping[str, Any],
    audit: Mapping[str, Any],
) -> list[dict[str, Any]]:
    notes = []
    if not record.extra.get("positive_certain", True) and record.target == "damage":
        names = " and ".join(f"'{shortened(name)}'" for name in record.classes)
        notes.append(
            {
                "good": False,
                "text": f"Is '{shortened(str(record.positive))}' the class to detect? The names "
                f"{names} do not say which one means damage, so the last one by name was taken. "
                "The threshold applies to it. Train with --set positive=NAME to be sure.",
            }
        )
    if audit.get("leak"):
        notes.append(_audit_note(record, audit))
    found = baseline.get("audit")
    if (
        isinstance(found, Mapping)
        and found.get("accuracy") is not None
        and metrics["ci95"][0] <= found["accuracy"]
    ):
        notes.append(
            {
                "good": False,
                "text": "The interval of this model includes the accuracy that nuisance features "
                "alone achieve: it is not shown that the model uses the car itself.",
            }
        )
    linear_probe = baseline.get("linear_probe")
    if linear_probe and metrics["accuracy"] < linear_probe["accuracy"]:
        notes.append(
            {
                "good": False,
                "text": f"The linear probe has a higher accuracy "
                f"({percent(linear_probe['accuracy'])}): training the network was no gain here.",
            }
        )
    shipped = baseline.get("shipped")
    if shipped and metrics["accuracy"] <= shipped["accuracy"]:
        notes.append(
            {
                "good": False,
                "text": "The damage model that comes with bodyshop has no lower accuracy on these "
                f"pictures ({percent(shipped['accuracy'])}): adapting it was no gain here. "
                "bodyshop predict --run shipped asks it.",
            }
        )
    return notes


def _audit_note(record: RunRecord, audit: Mapping[str, Any]) -> dict[str, Any]:
    """Say what the audit found before and, where the run equalises, after equalising."""
    text = "The shortcut audit predicts the classes from nuisance features alone. "
    spec, after = record.equalise, audit.get("equalised") or {}
    left = leaks_left(audit, equalised=spec is not None)
    if spec is None:
        text += (
            "This run does not equalise the pictures: its accuracy may come from these features."
        )
    else:
        text += (
            "Every picture, in training and in prediction, is therefore brought to at most "
            f"{spec['longest_side']} pixels and JPEG quality {spec['jpeg_quality']}."
        )
        if not after.get("baseline"):
            text += " Whether they still predict the classes after that was not measured."
        elif not left:
            text += " After that the audit no longer predicts them."
    if left:
        text += _what_is_left(left)
    return {"good": not left and bool(after.get("baseline")) and spec is not None, "text": text}


def _what_is_left(left: Mapping[str, float]) -> str:
    told = ", ".join(f"{name} ({percent(value)})" for name, value in left.items())
    return (
        f" What is left still tells the classes: {told}, as balanced accuracy without the car. The "
        f"way out: {WAY_OUT}. The figures abroad say how far the model depends on it."
    )


def _stage_row(history: History) -> dict[str, Any]:
    best = history.epochs[max(history.best_epoch, 1) - 1]
    return {
        "name": history.stage,
        "epochs": len(history.epochs),
        "best": history.best_epoch,
        "ended": "early, no improvement" if history.stopped == "early" else "all epochs",
        "batch": history.batch_size,
        "seconds": f"{history.seconds:.1f}",
        "accuracy": best["val_accuracy"],
    }


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    counts = record.data["counts"]
    sizes = record.extra.get("parameters", {})
    return [
        ("backbone", str(record.recipe.get("backbone") or "own network")),
        (
            "parameters",
            f"{sizes.get('total', 0):,} ({sizes.get('trainable', 0):,} trained in the last stage)",
        ),
        ("input", f"{record.side} x {record.side}{', greyscale' if record.grey else ''}"),
        (
            "pictures",
            "; ".join(
                f"{split}: " + ", ".join(f"{shortened(name)} {n}" for name, n in each.items())
                for split, each in counts.items()
            ),
        ),
        ("shown in training", shown_in_training(record)),
        ("data hash", str(record.data["digest"])),
        ("seed", str(record.seed)),
        (
            "threshold",
            f"{record.threshold:.3f}"
            + (f" for '{shortened(record.positive)}'" if record.positive else "")
            + ("" if record.extra.get("positive_certain", True) else " (?)"),
        ),
        ("versions", ", ".join(f"{name} {value}" for name, value in record.versions.items())),
        ("created", record.created_at),
    ]
