"""The plots of runs, evaluations and sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.figures import new_figure, save_figure
from train.evaluation.names import shortened
from train.evaluation.predictions import Evaluation
from train.fit.loop import History
from train.metrics.classification import reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAIN_COLOUR, VALIDATION_COLOUR, QUIET = "#8a94a6", "#0b6bcb", "#9aa3af"
CYCLE = ("#0b6bcb", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0e7490", "#a16207", "#be185d")


def plot_curves(
    histories: Sequence[History], path: Path, *, keys: Sequence[str] = ("loss", "accuracy")
) -> Path:
    """Draw two metrics by epoch, of train and of validation, the stages one after the other."""
    figure = new_figure(width=9.0, height=3.6)
    for place, key in enumerate(keys, start=1):
        axes = figure.add_subplot(1, 2, place)
        offset = 0
        for number, history in enumerate(histories):
            epochs = [offset + entry["epoch"] for entry in history.epochs]
            for name, colour, label in (
                (key, TRAIN_COLOUR, "train"),
                (f"val_{key}", VALIDATION_COLOUR, "validation"),
            ):
                if name not in history.epochs[0]:
                    continue
                axes.plot(
                    epochs,
                    [entry[name] for entry in history.epochs],
                    color=colour,
                    label=label if not number else None,
                    marker="o" if len(epochs) < 3 else None,
                )
            if history.best_epoch:
                axes.axvline(offset + history.best_epoch, color=QUIET, lw=0.8, ls=":")
            if number:
                axes.axvline(offset + 0.5, color=QUIET, lw=0.8)
            axes.annotate(
                history.stage,
                (offset + 0.6, 0.98),
                xycoords=("data", "axes fraction"),
                va="top",
                fontsize=8,
                color="#4b5563",
            ).set_in_layout(False)
            offset += len(history.epochs)
        axes.set_xlim(0.5, offset + 0.5)
        _tidy(axes, "epoch", key)
        axes.legend(frameon=False, fontsize=8, loc="best")
    return save_figure(figure, path)


def plot_steps(histories: Sequence[History], path: Path) -> Path:
    """Draw the loss of every step, with its running mean."""
    figure = new_figure(width=9.0, height=2.8)
    axes = figure.add_subplot()
    losses = np.array([loss for history in histories for loss in history.step_losses])
    axes.plot(losses, color=TRAIN_COLOUR, lw=0.5, alpha=0.7, label="step")
    window = max(1, len(losses) // 50)
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    axes.plot(
        np.arange(len(smooth)) + window - 1,
        smooth,
        color=VALIDATION_COLOUR,
        label=f"mean of {window}",
    )
    axes.set_xlim(-0.5, len(losses) - 0.5)
    _tidy(axes, "step", "training loss")
    axes.legend(frameon=False, fontsize=8)
    return save_figure(figure, path)


def plot_confusion(evaluation: Evaluation, path: Path) -> Path:
    """Draw the confusion matrix: colours are shares of a row, numbers are counts."""
    matrix = np.array(evaluation.metrics["confusion"])
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    n = len(evaluation.classes)
    names = [plot_label(name) for name in evaluation.classes]
    longest = max(map(len, names))
    slanted = n > 3 or longest > 14
    side = min(11.0, max(3.8, 1.6 + 0.42 * n)) + 0.08 * max(0, longest - 10)
    figure = new_figure(width=side + 0.6, height=side)
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    small = 11 if n <= 4 else 8 if n <= 12 else 6
    for row in range(n):
        for column in range(n):
            if matrix[row, column] or n <= 6:
                axes.text(
                    column,
                    row,
                    str(matrix[row, column]),
                    ha="center",
                    va="center",
                    fontsize=small,
                    color="white" if share[row, column] > 0.5 else "#1f2937",
                )
    axes.set_xticks(
        range(n),
        names,
        rotation=35 if slanted else 0,
        ha="right" if slanted else "center",
        fontsize=small,
    )
    axes.set_yticks(range(n), names, fontsize=small)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.spines[:].set_visible(False)
    return save_figure(figure, path)


def plot_ranking(evaluation: Evaluation, path: Path) -> Path:
    """Draw ROC and precision-recall curves: of the positive class, or of up to eight classes."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    figure = new_figure(width=9.0, height=3.8)
    roc, pr = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    shown = [1] if len(evaluation.classes) == 2 else list(range(len(evaluation.classes)))[:8]
    for place, index in enumerate(shown):
        here = evaluation.labels == index
        if not 0 < here.sum() < len(here):
            continue
        scores, name = evaluation.probabilities[:, index], evaluation.classes[index]
        figures = evaluation.metrics["per_class"][name]
        colour = CYCLE[place % len(CYCLE)]
        false_rate, true_rate, _ = roc_curve(here, scores)
        label = plot_label(name)
        roc.plot(false_rate, true_rate, color=colour, label=f"{figures['roc_auc']:.3f} {label}")
        precision, recall, _ = precision_recall_curve(here, scores)
        pr.plot(
            recall, precision, color=colour, label=f"{figures['average_precision']:.3f} {label}"
        )
    roc.plot([0, 1], [0, 1], color=QUIET, lw=0.8, ls=":")
    for axes, x, y in (
        (roc, "false positive rate", "true positive rate"),
        (pr, "recall", "precision"),
    ):
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        _tidy(axes, x, y)
        if axes.get_legend_handles_labels()[0]:  # none where only one class was tested
            axes.legend(
                frameon=False, fontsize=8, loc="lower right" if axes is roc else "lower left"
            )
    return save_figure(figure, path)


def plot_calibration(evaluation: Evaluation, path: Path) -> Path:
    """Draw accuracy against confidence before and after the temperature.

    The area of a dot is the number of pictures.
    """
    figure = new_figure(width=4.2, height=3.8)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=QUIET, lw=0.8, ls=":")
    error = evaluation.metrics["calibration"]
    for name, probabilities, colour, value in (
        ("before", evaluation.raw, TRAIN_COLOUR, error["ece_before"]),
        ("after", evaluation.probabilities, VALIDATION_COLOUR, error["ece_after"]),
    ):
        bins = reliability(evaluation.labels, probabilities, bins=10)
        most = max(count for *_, count in bins)
        axes.scatter(
            [confidence for confidence, _, _ in bins],
            [accuracy for _, accuracy, _ in bins],
            s=[20 + 180 * count / most for *_, count in bins],
            facecolor="none" if name == "before" else colour,
            edgecolor=colour if name == "before" else "white",
            alpha=0.8,
            label=f"{name} temperature: ECE {100 * value:.1f} %",
        )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.05, 1.05)
    _tidy(axes, "confidence", "accuracy")
    figure.legend(frameon=False, fontsize=8, loc="outside upper left", markerscale=0.5)
    return save_figure(figure, path)


def plot_trials(
    labels: Sequence[str],
    accuracies: Sequence[float],
    intervals: Sequence[Sequence[float]],
    path: Path,
) -> Path:
    """Draw the accuracy of each trial of a sweep with its 95 % interval."""
    figure = new_figure(width=9.0, height=max(2.2, 0.34 * len(labels) + 1.0))
    axes = figure.add_subplot()
    places = np.arange(len(labels))[::-1]
    values = np.array(accuracies)
    bounds = np.array(intervals)
    axes.errorbar(
        values,
        places,
        # Rounding may put a bound a hair on the wrong side of a share of 0 or 1.
        xerr=np.maximum([values - bounds[:, 0], bounds[:, 1] - values], 0),
        fmt="o",
        color=VALIDATION_COLOUR,
        ecolor="#bfd9f5",
        elinewidth=5,
        ms=5,
    )
    axes.set_yticks(places, [plot_label(label, limit=60) for label in labels], fontsize=8)
    _tidy(axes, "validation accuracy", "")
    return save_figure(figure, path)


def plot_label(name: str, *, limit: int = 24) -> str:
    """Return a name from outside as matplotlib shows it: short, on one line, no mathematics."""
    return shortened(name, limit=limit).replace("$", r"\$")


def _tidy(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="#e5e7eb", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
