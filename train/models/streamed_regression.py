"""Logistic regression on more rows than fit into memory: exact, read in minibatches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.processes import cpu_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

MINIBATCH = 4096
"""Rows that are standardised at a time, on each core."""

TOLERANCE, ITERATIONS = 1e-3, 500
"""Of L-BFGS: those of the regression in memory."""


class StreamedRegression:
    """What scikit-learn's ``StandardScaler`` and ``LogisticRegression`` come to, in little memory.

    Each step of L-BFGS adds up loss and gradient over minibatches in a fixed order, so that the
    answer is that of all rows at once, and the same every time. The first strength starts from the
    answer to a sample of the rows, each other one from the answer before.

    Parameters
    ----------
    features : ndarray of float, shape (n, d)
        May be a memory map in half precision.
    labels : ndarray of int, shape (n,)
        Class indices, of two classes or more.
    weights : ndarray of float, shape (n,), optional
        Weight of each row.
    seed : int
        Of the solver that fits the sample.
    sampled : int
        Rows of the sample.
    """

    def __init__(
        self,
        features: NDArray[np.floating[Any]],
        labels: NDArray[np.int64],
        weights: NDArray[np.float32] | None = None,
        *,
        seed: int = 7,
        sampled: int = 25_000,
    ) -> None:
        from sklearn.preprocessing import StandardScaler

        self._features, self._seed = features, seed
        self._classes, self._labels = np.unique(labels, return_inverse=True)
        count = len(features)
        self._weights = np.ones(count) if weights is None else np.asarray(weights, np.float64)
        self._total = float(self._weights.sum())
        self._starts = range(0, count, MINIBATCH)
        self._scaler = StandardScaler()
        for start in self._starts:
            self._scaler.partial_fit(features[start : start + MINIBATCH].astype(np.float32))
        self._mean = self._scaler.mean_.astype(np.float32)
        self._scale = self._scaler.scale_.astype(np.float32)
        self._sample = np.linspace(0, count - 1, min(sampled, count)).astype(np.int64)
        self._theta: NDArray[np.float64] | None = None

    def fit(self, strength: float) -> Any:
        """Return the fitted pipeline for an inverse regularisation strength."""
        from scipy.optimize import minimize
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from threadpoolctl import threadpool_limits

        if self._theta is None:
            self._theta = self._of_sample(strength)
        # One minibatch per core is faster than all cores on one, which is too small for them.
        with ThreadPoolExecutor(cpu_count()) as pool, threadpool_limits(1):
            found = minimize(
                self._objective,
                self._theta.ravel(),
                args=(strength, pool),
                jac=True,
                method="L-BFGS-B",
                options={
                    "maxiter": ITERATIONS,
                    "maxls": 50,
                    "gtol": TOLERANCE,
                    "ftol": 64 * np.finfo(float).eps,
                },
            )
        self._theta = found.x.reshape(self._theta.shape)
        regression = LogisticRegression(C=strength, random_state=self._seed)
        regression.classes_ = self._classes
        regression.coef_ = self._theta[:, :-1].copy()
        regression.intercept_ = self._theta[:, -1].copy()
        regression.n_features_in_ = regression.coef_.shape[1]
        regression.n_iter_ = np.array([found.nit])
        return make_pipeline(self._scaler, regression)

    def _of_sample(self, strength: float) -> NDArray[np.float64]:
        """Fit a part of the rows: weights and, in the last column, intercepts."""
        from sklearn.linear_model import LogisticRegression

        weights, labels = self._weights[self._sample], self._labels[self._sample]
        outputs = 1 if len(self._classes) == 2 else len(self._classes)
        if len(np.unique(labels)) < len(self._classes):
            return np.zeros((outputs, self._features.shape[1] + 1))
        regression = LogisticRegression(
            # as strong as on all rows
            C=strength * self._total / weights.sum(),
            max_iter=ITERATIONS,
            tol=TOLERANCE,
            random_state=self._seed,
        )
        regression.fit(self._standardised(self._sample), labels, sample_weight=weights)
        return np.column_stack([regression.coef_, regression.intercept_]).astype(np.float64)

    def _standardised(self, rows: Any) -> NDArray[np.float32]:
        part = self._features[rows].astype(np.float32)
        part -= self._mean
        part /= self._scale
        return part

    def _objective(
        self, flat: NDArray[np.float64], strength: float, pool: ThreadPoolExecutor
    ) -> tuple[float, NDArray[np.float64]]:
        theta = flat.reshape(-1, self._features.shape[1] + 1)
        loss, gradient = 0.0, np.zeros_like(theta)
        for value, slope in pool.map(lambda start: self._minibatch(start, theta), self._starts):
            loss += value
            gradient += slope
        penalty = 1 / (strength * self._total)
        weights = theta[:, :-1]
        gradient /= self._total
        gradient[:, :-1] += penalty * weights
        return loss / self._total + penalty / 2 * float((weights**2).sum()), gradient.ravel()

    def _minibatch(
        self, start: int, theta: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64]]:
        from scipy.special import expit, log_softmax

        rows = slice(start, start + MINIBATCH)
        x, labels, weights = self._standardised(rows), self._labels[rows], self._weights[rows]
        scores = (x @ theta[:, :-1].T.astype(np.float32)).astype(np.float64) + theta[:, -1]
        if len(theta) == 1:
            sign = np.where(labels == 1, 1.0, -1.0)[:, None]
            each = np.logaddexp(0, -sign * scores)[:, 0]
            slope = -sign * expit(-sign * scores)
        else:
            logs = log_softmax(scores, axis=1)
            each = -logs[np.arange(len(labels)), labels]
            slope = np.exp(logs)
            slope[np.arange(len(labels)), labels] -= 1
        slope *= weights[:, None]
        inner = slope.T.astype(np.float32) @ x
        return float(weights @ each), np.column_stack([inner, slope.sum(axis=0)])


def probabilities(pipeline: Any, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return a fitted pipeline's class probabilities, read in minibatches."""
    parts = [
        pipeline.predict_proba(features[start : start + MINIBATCH].astype(np.float32))
        for start in range(0, len(features), MINIBATCH)
    ]
    return np.concatenate(parts)
