"""Metrics of predicted masks: overlap per class, and detection per picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from train.metrics.finite import require_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST = 0.002
"""Smallest share of a picture's pixels that counts as a detection."""


def mask_summary(
    truth: NDArray[np.uint8],
    predicted: NDArray[np.float32],
    classes: Sequence[str],
    *,
    level: float = 0.5,
) -> dict[str, Any]:
    """Return the metrics of a set of masks as JSON-able values.

    Pixel accuracy is not among them: an empty mask for every picture would score over 90 %.

    Parameters
    ----------
    truth : ndarray, shape (n, height, width, classes)
        0 or 1.
    predicted : ndarray of float, same shape
        Probabilities.
    classes : Sequence of str
        Names of the channels.
    level : float
        A pixel is predicted as damage when its probability is at least this.

    Returns
    -------
    dict
        ``n``; ``per_class``: ``iou`` (intersection over union of all pixels of all pictures; None
        for a class that is neither annotated nor predicted), ``dice``, ``pixels``, and over
        pictures ``recall`` and ``precision`` of detecting the class; ``mean_iou`` over the classes.

    Raises
    ------
    NotFiniteError
        A predicted probability is NaN or infinite.
    """
    require_finite(predicted, "mask probabilities")
    found, real = predicted >= level, truth.astype(bool)
    per_class: dict[str, Any] = {}
    for index, name in enumerate(classes):
        a, b = real[..., index], found[..., index]
        both, either = int((a & b).sum()), int((a | b).sum())
        present = np.asarray(a.any(axis=(1, 2)))
        detected = np.asarray(b.mean(axis=(1, 2)) >= SMALLEST)
        per_class[name] = {
            "iou": both / either if either else None,
            "dice": 2 * both / (int(a.sum()) + int(b.sum())) if either else None,
            "pixels": int(a.sum()),
            "pictures": int(present.sum()),
            "recall": float(detected[present].mean()) if present.any() else None,
            "precision": float(present[detected].mean()) if detected.any() else None,
        }
    known = [each["iou"] for each in per_class.values() if each["iou"] is not None]
    return {
        "n": len(truth),
        "mean_iou": float(np.mean(known)) if known else None,
        "per_class": per_class,
    }


def best_constant_iou(
    train: NDArray[np.uint8], test: NDArray[np.uint8], classes: Sequence[str]
) -> dict[str, float]:
    """Return per class the IoU of the best single mask for all pictures.

    The mask is a level set of the training masks' mean; its level is chosen on the test masks
    themselves. It is an upper bound for a model that ignores the picture.
    """
    result = {}
    for index, name in enumerate(classes):
        mean = train[..., index].mean(axis=0)
        real = test[..., index].astype(bool)
        best = 0.0
        for level in np.unique(np.quantile(mean, np.linspace(0, 1, 25))):
            mask = mean >= level
            both = int((real & mask).sum())
            either = int((real | mask).sum())
            best = max(best, both / either if either else 0.0)
        result[name] = best
    return result
