"""Logistic regression on feature vectors, with out-of-fold probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.linear_model import LogisticRegression

FOLDS = 5


def fit_logistic(
    features: NDArray[np.float32],
    positive: Sequence[bool],
    groups: Sequence[int],
    seed: int,
    *,
    strength: float = 3.0,
    weights: NDArray[np.floating] | None = None,
) -> tuple[NDArray[np.float32], float, NDArray[np.float64]]:
    """Fit on everything, and on all but each fold.

    Parameters
    ----------
    features : ndarray of float32, shape (n, d)
        Unit-length vectors.
    positive : sequence of bool
        What to predict; both values must occur in at least `FOLDS` groups.
    groups : sequence of int
        Rows of one group are in one fold.
    seed : int
        Of the folds.
    strength : float
        scikit-learn's C. For the gate the out-of-fold figures from 3 to 30 are the same within
        their intervals.
    weights : ndarray, shape (n,), optional
        How much each row counts within its class; the classes count the same either way.

    Returns
    -------
    (weights, bias, chances)
        Of the fit on everything, and the probability of each row from the fit without its fold.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    y = np.asarray(positive, dtype=int)
    heavy = np.ones(len(y)) if weights is None else np.asarray(weights, float)

    def fitted(chosen: NDArray[np.int64] | slice) -> LogisticRegression:
        model = LogisticRegression(C=strength, max_iter=5000)
        return model.fit(features[chosen], y[chosen], balanced(y[chosen], heavy[chosen]))

    chances = np.full(len(y), np.nan)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(features, y, groups):
        chances[test] = fitted(train).predict_proba(features[test])[:, 1]
    whole = fitted(slice(None))
    return whole.coef_[0].astype(np.float32), float(whole.intercept_[0]), chances


def balanced(positive: NDArray[np.integer], weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale weights so that both classes sum up to half the number of rows."""
    import numpy as np

    scaled = np.asarray(weights, dtype=float).copy()
    for kind in (0, 1):
        rows = positive == kind
        scaled[rows] *= len(positive) / 2 / max(scaled[rows].sum(), 1e-12)
    return scaled
