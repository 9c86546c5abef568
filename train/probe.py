"""The floor of every report: a logistic regression on the untouched backbone's features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
"""Inverse regularisation strengths tried; the best on validation is kept."""


def fit_probe(
    features: NDArray[np.floating[Any]],
    labels: NDArray[np.int64],
    validation: NDArray[np.floating[Any]],
    validation_labels: NDArray[np.int64],
    *,
    weights: NDArray[np.float32] | None = None,
    seed: int = 7,
) -> Any:
    """Fit standardised logistic regressions and return the best on validation.

    Parameters
    ----------
    features, validation : ndarray of float, shape (n, d)
        Pooled features.
    labels, validation_labels : ndarray of int, shape (n,)
        Class indices; every class occurs in `labels`.
    weights : ndarray of float, shape (n,), optional
        Weight of each training row.
    seed : int
        Of the solver.

    Returns
    -------
    sklearn.pipeline.Pipeline
        With ``predict_proba``; its `chosen` attribute is the strength.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    best, best_loss = None, float("inf")
    for strength in STRENGTHS:
        probe = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=strength, max_iter=500, tol=1e-3, random_state=seed),
        )
        probe.fit(features, labels, logisticregression__sample_weight=weights)
        loss = log_loss(
            validation_labels, probe.predict_proba(validation), labels=sorted(set(labels.tolist()))
        )
        if loss < best_loss:
            best, best_loss = probe, loss
            best.chosen = strength
    return best
