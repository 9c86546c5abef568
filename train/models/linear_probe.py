"""The baseline of every report: a logistic regression on the pretrained backbone's features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from train.models.streamed_regression import StreamedRegression, probabilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRENGTHS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0)
"""Inverse regularisation strengths, tried in this order until validation no longer gains."""

MANY = 100_000
"""Rows that are standardised and fitted in memory: 1.8 GB of `default`'s features, and copies."""


def fit_linear_probe(
    features: NDArray[np.floating[Any]],
    labels: NDArray[np.int64],
    validation: NDArray[np.floating[Any]],
    validation_labels: NDArray[np.int64],
    *,
    weights: NDArray[np.float32] | None = None,
    seed: int = 7,
) -> Any:
    """Fit standardised logistic regressions and return the best on validation.

    More than `MANY` rows are read in minibatches (see `train.models.streamed_regression`).

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

    if len(features) > MANY:
        return _streamed(features, labels, validation, validation_labels, weights, seed)
    features = features.astype(np.float32, copy=False)
    validation = validation.astype(np.float32, copy=False)
    scaler = StandardScaler().fit(features)
    scaled, checked = scaler.transform(features), scaler.transform(validation)
    present = sorted(set(labels.tolist()))
    best, best_loss, start = None, float("inf"), None
    for strength in STRENGTHS:
        regression = LogisticRegression(
            C=strength, max_iter=500, tol=1e-3, random_state=seed, warm_start=True
        )
        if start is not None:  # the weaker one is a good place to start from
            regression.coef_, regression.intercept_, regression.classes_ = start
        regression.fit(scaled, labels, sample_weight=weights)
        loss = log_loss(validation_labels, regression.predict_proba(checked), labels=present)
        if loss >= best_loss:
            break
        best, best_loss = make_pipeline(scaler, regression), loss
        best.chosen = strength
        start = regression.coef_.copy(), regression.intercept_.copy(), regression.classes_
    return best


def _streamed(
    features: NDArray[np.floating[Any]],
    labels: NDArray[np.int64],
    validation: NDArray[np.floating[Any]],
    validation_labels: NDArray[np.int64],
    weights: NDArray[np.float32] | None,
    seed: int,
) -> Any:
    from sklearn.metrics import log_loss

    regression = StreamedRegression(features, labels, weights, seed=seed, sampled=MANY // 4)
    best, best_loss = None, float("inf")
    for strength in STRENGTHS:
        found = regression.fit(strength)
        said = probabilities(found, validation)
        loss = log_loss(validation_labels, said, labels=found.classes_.tolist())
        if loss >= best_loss:
            break
        best, best_loss = found, loss
        best.chosen = strength
    return best
