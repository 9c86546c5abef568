"""The summaries of training and evaluation on a terminal: a few lines, rounded figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import train

MOST_CLASSES = 4
"""With more classes, only those with the lowest figures are shown; all are in the report."""

BASELINES = {
    "shipped": "shipped model",
    "audit": "nuisance features",
    "linear_probe": "linear probe",
    "majority": "majority class",
}


def brief(
    summary: train.TrainSummary | train.EvaluateSummary | train.FoldsSummary,
) -> list[tuple[str, str]]:
    """Return at most ten rows (name, text) of what `--json` prints in full."""
    metrics = summary.metrics
    rows = [("run", summary.run)]
    if isinstance(summary, train.TrainSummary):
        rows.append(("recipe", f"{summary.recipe}, {summary.target} of '{summary.split_set}'"))
    rows += _masks(metrics) if "mean_iou" in metrics else _classes(summary.split, metrics)
    known = summary.baseline
    told = [
        f"{name} {_percent(known[key]['accuracy'])}"
        for key, name in BASELINES.items()
        if known.get(key) and known[key].get("accuracy") is not None
    ]
    if told:
        rows.append(("to be beaten", ", ".join(told)))
    if isinstance(summary, train.TrainSummary):
        rows.append(("time", f"{sum(summary.seconds.values()):.0f} s"))
    if isinstance(summary, train.EvaluateSummary):
        left = []
        if summary.left_out:
            left.append(f"{summary.left_out} pictures that a run was trained on")
        if summary.unreadable:
            left.append(f"unreadable: {len(summary.unreadable)}")
        if left:
            rows.append(("left out", ", ".join(left)))
        if summary.against:
            rows.append(("against", _against(summary.against)))
        if summary.costs:
            each = (f"{row['name']} {row['cost']:.3g}" for row in summary.costs)
            rows.append(("cost per picture", ", ".join(each)))
    return rows


def _classes(split: str, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        (
            f"accuracy on {split}",
            f"{_percent(metrics['accuracy'])} ({_interval(metrics['ci95'])}), "
            f"{metrics['n']} pictures",
        ),
        ("balanced accuracy", _percent(metrics["balanced_accuracy"])),
        ("recall", _each(metrics["per_class"], "recall")),
        ("precision", _each(metrics["per_class"], "precision")),
        ("loss", f"{metrics['loss']:.3f}, calibration error {_percent(metrics['ece'])}"),
    ]
    if folds := metrics.get("folds"):
        rows.append(("folds", ", ".join(map(_percent, folds))))
    return rows


def _masks(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("mean IoU", f"{_share(metrics['mean_iou'])}, {metrics['n']} pictures"),
        ("IoU", _each(metrics["per_class"], "iou", write=_share)),
        ("recall", _each(metrics["per_class"], "recall")),
        ("precision", _each(metrics["per_class"], "precision")),
    ]


def _each(per_class: Mapping[str, Mapping[str, Any]], key: str, *, write: Any = None) -> str:
    known = [(name, each[key]) for name, each in per_class.items() if each[key] is not None]
    shown = known
    if len(known) > MOST_CLASSES:
        shown = sorted(known, key=lambda each: each[1])[: MOST_CLASSES - 1]
    text = ", ".join(f"{name[:30]} {(write or _percent)(value)}" for name, value in shown)
    return text if len(shown) == len(known) else f"lowest of {len(known)} classes: {text}"


def _against(found: Mapping[str, Any]) -> str:
    gap, (low, high) = found["bootstrap"]["difference"], found["bootstrap"]["ci95"]
    return (
        f"{found['run']}: {100 * gap:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}), "
        f"p = {found['mcnemar']['p']:.2g}"
    )


def _interval(bounds: Sequence[float] | None) -> str:
    return "–" if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f} %"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
