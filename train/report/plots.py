"""The plots of runs, evaluations and sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.figures import new_figure, save_figure
from train.evaluation.names import shortened
from train.evaluation.predictions import Evaluation
from train.fit.loop import History
from train.fit.rate_test import RateTest
from train.metrics.classification import reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

FEW_CLASSES = 8
"""Up to this many classes a confusion matrix keeps their order, and their names are slanted."""

SHORT_NAME = 14
"""Longer names are slanted, too."""

MOST_CLASSES = 60
"""A larger confusion matrix can't be read."""

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


def plot_rates(found: RateTest, path: Path) -> Path:
    """Draw the loss against the learning rate, its moving mean, and both rates to choose from."""
    figure = new_figure(width=9.0, height=3.6)
    axes = figure.add_subplot()
    axes.plot(found.rates, found.losses, color=TRAIN_COLOUR, lw=0.5, alpha=0.7, label="step")
    axes.plot(found.rates, found.means, color=VALIDATION_COLOUR, label="moving mean")
    axes.set_xscale("log")
    for rate, style, name in (
        (found.suggested, "-", "suggested"),
        (found.configured, ":", "in the recipe"),
    ):
        axes.axvline(rate, color=QUIET, lw=1.0, ls=style, label=f"{name}: {rate:.1g}")
    axes.set_ylim(0.9 * min(found.means), 1.1 * min(max(found.means), 3 * found.means[0]))
    _tidy(axes, "learning rate", "training loss")
    axes.legend(frameon=False, fontsize=8)
    return save_figure(figure, path)


def plot_confusion(evaluation: Evaluation, path: Path) -> Path:
    """Draw the confusion matrix: colours are shares of a row, numbers are counts.

    More than eight classes are sorted so that those which are confused stand side by side; of more
    than 60 the ones with the most errors are shown.
    """
    everything = np.array(evaluation.metrics["confusion"])
    shown = _most_confused(everything, MOST_CLASSES)
    if len(shown) > FEW_CLASSES:
        shown = shown[_side_by_side(everything[np.ix_(shown, shown)])]
    matrix = everything[np.ix_(shown, shown)]
    share = matrix / np.maximum(everything.sum(axis=1)[shown, None], 1)
    n = len(shown)
    names = [plot_label(evaluation.classes[index], limit=40) for index in shown]
    longest = max(map(len, names))
    side = min(12.0, max(3.8, 1.6 + 0.42 * n)) + 0.08 * max(0, longest - 10)
    figure = new_figure(width=side + 0.6, height=side)
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    small = 11 if n <= 4 else 9 if n <= 12 else 8 if n <= 40 else 6
    for row, column in zip(*np.nonzero(matrix if n > 6 else matrix + 1), strict=True):
        axes.text(
            column,
            row,
            str(matrix[row, column]),
            ha="center",
            va="center",
            fontsize=small,
            color="white" if share[row, column] > 0.5 else "#1f2937",
        )
    if n > FEW_CLASSES:
        axes.set_xticks(range(n), names, rotation=90, fontsize=small)
    elif n > 3 or longest > SHORT_NAME:
        axes.set_xticks(range(n), names, rotation=35, ha="right", fontsize=small)
    else:
        axes.set_xticks(range(n), names, fontsize=small)
    axes.set_yticks(range(n), names, fontsize=small)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    if n < len(everything):
        axes.set_title(f"the {n} of {len(everything)} classes with the most errors", fontsize=9)
    axes.spines[:].set_visible(False)
    return save_figure(figure, path)


def _most_confused(matrix: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the indices of the classes with the most errors, in the order of the classes."""
    errors = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    return np.sort(np.argsort(-errors, kind="stable")[:most])


def _side_by_side(matrix: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return an order in which classes that are confused with one another are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    distance = 1 - (share + share.T) / 2
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return np.asarray(leaves_list(tree), np.int64)


def plot_ranking(evaluation: Evaluation, path: Path) -> Path:
    """Draw ROC and precision-recall curves.

    Of two classes only that of the last, the one to detect. Of more than eight the eight with the
    lowest ROC AUC are named, the others are drawn in grey.
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    figure = new_figure(width=9.0, height=3.8)
    roc, pr = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    classes = evaluation.classes
    figures = [evaluation.metrics["per_class"][name] for name in classes]
    tested = [index for index, each in enumerate(figures) if each["roc_auc"] is not None]
    tested = [index for index in tested if index == 1 or len(classes) != 2]
    worst = sorted(tested, key=lambda index: figures[index]["roc_auc"])[: len(CYCLE)]
    for index in [*(i for i in tested if i not in worst), *sorted(worst)]:
        here, scores = evaluation.labels == index, evaluation.probabilities[:, index]
        style: dict[str, Any] = {"color": "#d1d5db", "lw": 0.6}
        names: tuple[str | None, str | None] = (None, None)
        if index in worst:
            style = {"color": CYCLE[sorted(worst).index(index)]}
            label, each = plot_label(classes[index]), figures[index]
            names = (f"{each['roc_auc']:.3f} {label}", f"{each['average_precision']:.3f} {label}")
        false_rate, true_rate, _ = roc_curve(here, scores)
        roc.plot(false_rate, true_rate, label=names[0], **style)
        precision, recall, _ = precision_recall_curve(here, scores)
        pr.plot(recall, precision, label=names[1], **style)
    roc.plot([0, 1], [0, 1], color=QUIET, lw=0.8, ls=":")
    if len(tested) > len(worst):
        figure.suptitle(
            f"named: the {len(worst)} of {len(tested)} classes with the lowest ROC AUC; grey: the "
            "others",
            fontsize=9,
        )
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
