"""Thresholds of two-class decisions: by rule or by cost, and what each comes to.

Throughout, `labels` is an integer array of shape (n,), `scores` the probability of the positive
class, shape (n,); a picture is called positive when its score is at least the threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from train.metrics.classification import TINY, ratio
from train.recipes.recipe import Costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.recipes.recipe import ThresholdRule

    Ints = NDArray[np.integer[Any]]
    Floats = NDArray[np.floating[Any]]


def choose_threshold(
    rule: ThresholdRule, labels: Ints, scores: Floats, *, positive: int = 1
) -> float:
    """Return the threshold that a recipe's rule gives on validation pictures.

    Parameters
    ----------
    rule : float, ``"balanced"`` or Costs
        A number is returned as it is.
    labels, scores : ndarray, shape (n,)
        Of the validation pictures; with one class only, a rule can't choose: 0.5.
    positive : int
        Index of the positive class.
    """
    if isinstance(rule, float):
        return rule
    if len(set(np.asarray(labels).tolist())) < 2:
        return 0.5
    if isinstance(rule, Costs):
        return cost_threshold(labels, scores, rule, positive=positive)
    return balanced_threshold(labels, scores, positive=positive)


def cost_threshold(labels: Ints, scores: Floats, costs: Costs, *, positive: int = 1) -> float:
    """Return a threshold with the lowest total cost on these pictures.

    Every threshold between two neighbouring scores costs the same. Among the cheapest ones the
    nearest to false / (false + missed) is taken, the best one for calibrated probabilities (Elkan
    2001, "The foundations of cost-sensitive learning", section 2): a few dozen pictures leave wide
    gaps.

    Parameters
    ----------
    labels, scores : ndarray, shape (n,)
        As everywhere here.
    costs : Costs
        Of a missed positive picture and of a false alarm.
    positive : int
        Index of the positive class.
    """
    truth = np.asarray(labels) == positive
    values = np.unique(scores)
    edges = np.concatenate([[0.0], values, [1.0]]) if values[-1] < 1 else np.append(0.0, values)
    low, high = edges[:-1], edges[1:]
    missed = np.array([(truth & (scores < top)).sum() for top in high])
    false = np.array([(~truth & (scores >= top)).sum() for top in high])
    each = costs.missed * missed + costs.false * false
    best = np.flatnonzero(each <= each.min() * (1 + 1e-12))
    ideal = costs.false / (costs.false + costs.missed)
    inside = best[(low[best] < ideal) & (ideal <= high[best])]
    if len(inside):
        return float(ideal)
    middles = (low[best] + high[best]) / 2
    return float(middles[np.argmin(np.abs(middles - ideal))])


def balanced_threshold(labels: Ints, scores: Floats, *, positive: int = 1) -> float:
    """Return the threshold with the best balanced accuracy, the midpoint of its interval."""
    from sklearn.metrics import roc_curve

    truth = np.asarray(labels) == positive
    false_rate, true_rate, cuts = roc_curve(truth, scores, drop_intermediate=False)
    best = int(np.argmax(true_rate - false_rate))
    upper = float(min(cuts[best], 1.0))
    below = scores[scores < upper]
    return (upper + float(below.max())) / 2 if len(below) else upper


def threshold_choices(labels: Ints, scores: Floats, *, positive: int = 1) -> dict[str, float]:
    """Return thresholds by common rules, chosen on these pictures.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        True classes; both occur.
    scores : ndarray of float, shape (n,)
        Probability of the positive class.
    positive : int
        Index of the positive class.

    Returns
    -------
    dict
        Rule -> threshold: the best balanced accuracy, the best F1, and the highest threshold with a
        recall of at least 95 % and 99 %.
    """
    from sklearn.metrics import precision_recall_curve

    truth = np.asarray(labels) == positive
    precision, recall, cuts = precision_recall_curve(truth, scores)
    f1 = 2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], TINY)
    found = {
        "best balanced accuracy": balanced_threshold(labels, scores, positive=positive),
        "best F1": float(cuts[int(f1.argmax())]),
    }
    for share in (0.95, 0.99):
        enough = cuts[recall[:-1] >= share]
        found[f"threshold for {100 * share:.0f} % recall"] = float(enough.max())
    return found


def at_threshold(
    labels: Ints, scores: Floats, threshold: float, *, positive: int = 1
) -> dict[str, Any]:
    """Return what a threshold comes to.

    Returns
    -------
    dict
        ``recall``, ``precision``, ``false_positive_rate``, ``accuracy``; ``missed`` and ``false``:
        the numbers of positive pictures below it and of others above it.
    """
    truth, predicted = np.asarray(labels) == positive, scores >= threshold
    hits = int((truth & predicted).sum())
    return {
        "recall": ratio(hits, int(truth.sum())),
        "precision": ratio(hits, int(predicted.sum())),
        "false_positive_rate": ratio(int((~truth & predicted).sum()), int((~truth).sum())),
        "accuracy": float((truth == predicted).mean()),
        "missed": int((truth & ~predicted).sum()),
        "false": int((~truth & predicted).sum()),
    }
