"""Metrics of predicted class probabilities, from plain arrays: no TensorFlow, no files.

Throughout, `labels` is an integer array of shape (n,), `probabilities` a float array of shape
(n, classes) whose rows sum to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from train.metrics.finite import require_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.integer[Any]]
    Floats = NDArray[np.floating[Any]]

TINY = 1e-7
"""Probabilities are kept this far from 0 before a logarithm, as Keras' losses do."""

TEMPERATURE_PRIOR = 0.5
"""Standard deviation of the prior of log temperature: 95 % of it is between T = 0.37 and 2.7."""


def decide(
    probabilities: Floats, *, threshold: float | Floats = 0.5, positive: int | None = None
) -> NDArray[np.int64]:
    """Choose a class for each row.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, classes)
        Scores.
    threshold : float, or ndarray of float, shape (n,)
        With two classes: the positive one is chosen when its probability is at least this.
    positive : int, optional
        Index of the positive class; None: the most probable class is chosen.
    """
    if positive is None or probabilities.shape[1] != 2:
        return probabilities.argmax(axis=1).astype(np.int64)
    return np.where(probabilities[:, positive] >= threshold, positive, 1 - positive)


def confusion(labels: Ints, predicted: Ints, classes: int) -> NDArray[np.int64]:
    """Count (true class, predicted class) pairs; rows are the truth. Shape (classes, classes)."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def losses(labels: Ints, probabilities: Floats) -> NDArray[np.float64]:
    """Return each row's cross-entropy in nats, shape (n,)."""
    rows = np.arange(len(labels))
    picked = np.clip(probabilities[rows, labels].astype(np.float64), TINY, 1.0)
    return -np.log(picked)


def summary(
    labels: Ints,
    probabilities: Floats,
    classes: Sequence[str],
    *,
    threshold: float | Floats = 0.5,
    positive: int | None = None,
) -> dict[str, Any]:
    """Return the metrics of a split as JSON-able values.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        True classes.
    probabilities : ndarray of float, shape (n, classes)
        Scores.
    classes : Sequence of str
        Names of the columns.
    threshold, positive
        As `decide`.

    Returns
    -------
    dict
        ``n``, ``correct``, ``accuracy``, ``ci95`` (95 % score interval, Wilson 1927),
        ``balanced_accuracy``, ``loss``, ``per_class`` (class -> n, precision, recall, f1, loss,
        recall_ci95, roc_auc, average_precision; None where undefined), ``confusion`` (rows are the
        true classes), ``ece``, ``brier``. Without any picture the figures are None.

    Raises
    ------
    NotFiniteError
        A probability is NaN or infinite.
    """
    labels = np.asarray(labels)
    require_finite(probabilities, "probabilities")
    predicted = decide(probabilities, threshold=threshold, positive=positive)
    matrix = confusion(labels, predicted, len(classes))
    each = losses(labels, probabilities)
    per_class: dict[str, Any] = {}
    for index, name in enumerate(classes):
        hits, truth, claimed = matrix[index, index], matrix[index].sum(), matrix[:, index].sum()
        recall = ratio(hits, truth)
        precision = ratio(hits, claimed)
        here = labels == index
        area, mean_precision = _ranking(here, probabilities[:, index])
        per_class[name] = {
            "n": int(truth),
            "precision": precision,
            "recall": recall,
            "recall_ci95": _interval(int(hits), int(truth)),
            "f1": ratio(2 * hits, truth + claimed),
            "loss": float(each[here].mean()) if truth else None,
            "roc_auc": area,
            "average_precision": mean_precision,
        }
    n, correct = len(labels), int(np.trace(matrix))
    recalls = [entry["recall"] for entry in per_class.values() if entry["recall"] is not None]
    onehot = np.eye(len(classes))[labels]
    return {
        "n": n,
        "correct": correct,
        "accuracy": correct / n if n else None,
        "ci95": _interval(correct, n),
        "balanced_accuracy": float(np.mean(recalls)) if recalls else None,
        "loss": float(each.mean()) if n else None,
        "brier": float(((probabilities - onehot) ** 2).sum(axis=1).mean()) if n else None,
        "ece": expected_calibration_error(labels, probabilities) if n else None,
        "per_class": per_class,
        "confusion": matrix.tolist(),
    }


def reliability(
    labels: Ints, probabilities: Floats, *, bins: int = 15
) -> list[tuple[float, float, int]]:
    """Return (mean confidence, accuracy, count) of each non-empty equal-width confidence bin."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        (
            float(confidence[place == b].mean()),
            float(correct[place == b].mean()),
            int((place == b).sum()),
        )
        for b in range(bins)
        if (place == b).any()
    ]


def expected_calibration_error(labels: Ints, probabilities: Floats, *, bins: int = 15) -> float:
    """Return the ECE of Guo et al. 2017 (arXiv:1706.04599), 0 (perfect) to 1."""
    n = len(labels)
    return float(
        sum(
            count / n * abs(confidence - accuracy)
            for confidence, accuracy, count in reliability(labels, probabilities, bins=bins)
        )
    )


def temper(probabilities: Floats, temperature: float) -> NDArray[np.float64]:
    """Divide the logits by `temperature`; the order of the classes does not change.

    A temperature above 1 brings the probabilities closer together, one below 1 moves them apart.
    """
    logits = np.log(np.clip(probabilities.astype(np.float64), TINY, 1.0)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    scaled = np.exp(logits)
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True), np.float64)


def fit_temperature(labels: Ints, probabilities: Floats) -> float:
    """Find the temperature that minimises the cross-entropy (Guo et al. 2017), 0.1 to 10.

    For a few dozen pictures that are all classified correctly, the minimum alone would be at
    temperature 0, that is at probabilities of 0 and 1. A normal prior on log T (mean 0, standard
    deviation `TEMPERATURE_PRIOR`) keeps the temperature near 1 until the data say otherwise.
    """
    from scipy.optimize import minimize_scalar

    def cost(log_t: float) -> float:
        data = losses(labels, temper(probabilities, float(np.exp(log_t)))).sum()
        return float(data + (log_t / TEMPERATURE_PRIOR) ** 2 / 2)

    found = minimize_scalar(cost, bounds=(np.log(0.1), np.log(10.0)), method="bounded")
    return float(np.exp(found.x))


def _interval(hits: int, n: int) -> list[float] | None:
    """Return the 95 % Wilson interval of a proportion; None without trials."""
    if not n:
        return None
    from scipy.stats import binomtest

    interval = binomtest(hits, n).proportion_ci(method="wilson")
    # SciPy's bounds leave the unit interval by rounding for proportions of 0 and 1
    return [max(0.0, float(interval.low)), min(1.0, float(interval.high))]


def _ranking(here: NDArray[np.bool_], scores: Floats) -> tuple[float | None, float | None]:
    if not 0 < here.sum() < len(here):
        return None, None
    from sklearn.metrics import average_precision_score, roc_auc_score

    return float(roc_auc_score(here, scores)), float(average_precision_score(here, scores))


def ratio(numerator: Any, denominator: Any) -> float | None:
    """Return a share; None of nothing."""
    return float(numerator / denominator) if denominator else None
