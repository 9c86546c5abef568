"""Learn the evidence of damage: from windows whose answer is known, and from whole pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRENGTH = 3e-2
"""Of the L2 penalty on the weights; chosen by within-photo AUC (docs/benchmarks/abroad.md)."""

ITERATIONS = 150
"""Of L-BFGS at most: it has settled by then."""

MINIBATCH = 1 << 28
"""Numbers looked at at a time: 1 GB. More are added up in parts, with the same sum."""


@dataclass(frozen=True)
class KnownWindows:
    """Windows of which it is known whether they show damage.

    Parameters
    ----------
    features : ndarray of float32, shape (n, features)
        As the network puts them out.
    damaged : ndarray of bool, shape (n,)
        The answer.
    weights : ndarray of float32, shape (n,)
        How much each counts.
    context : ndarray of float32, shape (n, features), optional
        Means of the features over the window's photo, or zeros. They get weights of their own,
        which are thrown away: what a photo's windows have in common explains nothing then.
    places : (pictures, windows), optional
        Which windows of `features`, then of shape (pictures, windows, features), these are. They
        are read a part at a time.
    """

    features: NDArray[np.floating]
    damaged: NDArray[np.bool_]
    weights: NDArray[np.float32]
    context: NDArray[np.float32] | None = None
    places: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self.damaged)

    def minibatches(self) -> Iterator[KnownWindows]:
        """Yield all windows, no more than `MINIBATCH` numbers of them at a time."""
        for rows in _minibatches(len(self), self.features.shape[-1]):
            places = rows if self.places is None else tuple(each[rows] for each in self.places)
            yield KnownWindows(
                self.features[places].astype(np.float32, copy=False),
                self.damaged[rows],
                self.weights[rows],
                None if self.context is None else self.context[rows],
            )


@dataclass(frozen=True)
class KnownPictures:
    """Pictures of which only the label is known: at least one window shows damage, or none does.

    Parameters
    ----------
    features : ndarray of float32 or float16, shape (n, windows, features)
        As the network puts them out.
    damaged : ndarray of bool, shape (n,)
        The label.
    weights : ndarray of float32, shape (n,)
        How much each counts.
    places : ndarray of int, shape (n,), optional
        Which rows of `features` these are, as for `KnownWindows`.
    """

    features: NDArray[np.floating]
    damaged: NDArray[np.bool_]
    weights: NDArray[np.float32]
    places: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.damaged)

    def minibatches(self) -> Iterator[KnownPictures]:
        """Yield all pictures, no more than `MINIBATCH` numbers of them at a time."""
        for rows in _minibatches(len(self), int(np.prod(self.features.shape[1:]))):
            features = self.features[rows if self.places is None else self.places[rows]]
            if self.places is not None:
                features = features.astype(np.float32)
            yield KnownPictures(features, self.damaged[rows], self.weights[rows])


def _minibatches(rows: int, numbers: int) -> Iterator[slice]:
    step = max(1, MINIBATCH // numbers)
    yield from (slice(start, start + step) for start in range(0, rows, step))


def fit_evidence(
    windows: KnownWindows | None,
    pictures: KnownPictures | None,
    *,
    start: tuple[NDArray[np.float32], float] | None = None,
    strength: float = STRENGTH,
) -> tuple[NDArray[np.float32], float]:
    """Fit one logistic regression to windows, and to pictures through `train.windows.pool`.

    Multiple-instance learning: a picture's score is the log-mean-exp of its windows' log-odds, and
    a picture has a bias of its own.

    Parameters
    ----------
    windows, pictures : KnownWindows and KnownPictures, or None
        What is known; one of them at least.
    start : (weights, bias), optional
        Earlier weights to stay near: the penalty is on the difference to them.
    strength : float
        Of that penalty.

    Returns
    -------
    weights : ndarray of float32, shape (features,)
    bias : float
    """
    from scipy.optimize import minimize

    parts = [part for part in (windows, pictures) if part is not None]
    size = parts[0].features.shape[-1]
    total = float(sum(part.weights.sum() for part in parts))
    # weights, bias, the pictures' own bias, weights of the photos' means
    length = size + 2 + (size if windows is not None and windows.context is not None else 0)
    centre = np.zeros(length)
    if start is not None:
        centre[:size], centre[size] = start

    def objective(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        loss, gradient = 0.0, np.zeros(length)
        for part in (some for known in parts for some in known.minibatches()):
            if isinstance(part, KnownWindows):
                value, slope = _window_loss(part, theta)
            else:
                value, slope = _picture_loss(part, theta)
            loss += value / total
            gradient += slope / total
        away = theta - centre
        away[size] = 0.0
        away[size + 1] *= 0.1
        return loss + strength / 2 * float(away @ away), gradient + strength * away

    found = minimize(
        objective, centre, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}
    ).x
    return found[:size].astype(np.float32), float(found[size])


def fit_platt(
    scores: NDArray[np.float32],
    damaged: NDArray[np.bool_],
    weights: NDArray[np.float32] | None = None,
) -> tuple[float, float]:
    """Fit slope and offset of `evidence.probability`, both classes equally heavy.

    The targets are Platt's (1999), (n + 1) / (n + 2) and 1 / (n + 2) in place of 1 and 0: a few
    pictures that can be told apart without an error do not make the model certain.

    Parameters
    ----------
    scores : ndarray of float32, shape (n,)
        Pooled log-odds.
    damaged : ndarray of bool, shape (n,)
        The label.
    weights : ndarray of float32, shape (n,), optional
        How much each counts within its class.
    """
    from sklearn.linear_model import LogisticRegression

    heavy = np.ones(len(scores)) if weights is None else np.array(weights, np.float64)
    target = np.empty(len(scores))
    for label in (True, False):
        of = damaged == label
        heavy[of] *= len(scores) / 2 / heavy[of].sum()
        target[of] = (of.sum() + 1 if label else 1) / (of.sum() + 2)
    regression = LogisticRegression(C=1e3)
    regression.fit(
        np.tile(np.asarray(scores, np.float64), 2)[:, None],
        np.repeat([True, False], len(scores)),
        sample_weight=np.concatenate([heavy * target, heavy * (1 - target)]),
    )
    return float(regression.coef_[0, 0]), float(regression.intercept_[0])


def _window_loss(
    part: KnownWindows, theta: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    size = part.features.shape[1]
    score = part.features @ theta[:size].astype(np.float32) + theta[size]
    if part.context is not None:
        score = score + part.context @ theta[size + 2 :].astype(np.float32)
    loss, slope = _logistic(score, part.damaged, part.weights)
    gradient = np.zeros_like(theta)
    gradient[:size] = part.features.T @ slope.astype(np.float32)
    if part.context is not None:
        gradient[size + 2 :] = part.context.T @ slope.astype(np.float32)
    gradient[size] = slope.sum()
    return loss, gradient


def _picture_loss(
    part: KnownPictures, theta: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    size = part.features.shape[2]
    weights = theta[:size].astype(part.features.dtype)
    evidence = (part.features @ weights).astype(np.float64) + theta[size]
    largest = evidence.max(axis=1, keepdims=True)
    share = np.exp(evidence - largest)
    pooled = largest[:, 0] + np.log(share.mean(axis=1))
    share /= share.sum(axis=1, keepdims=True)
    loss, slope = _logistic(pooled + theta[size + 1], part.damaged, part.weights)
    flow = (slope[:, None] * share).astype(part.features.dtype)
    gradient = np.zeros_like(theta)
    gradient[:size] = np.tensordot(flow, part.features, axes=2)
    gradient[size] = gradient[size + 1] = slope.sum()
    return loss, gradient


def _logistic(
    score: NDArray[np.floating], damaged: NDArray[np.bool_], weights: NDArray[np.float32]
) -> tuple[float, NDArray[np.float64]]:
    """Return the weighted cross-entropy and its derivative by the score."""
    from scipy.special import expit

    sign = np.where(damaged, 1.0, -1.0)
    margin = sign * score
    loss = float((weights * np.logaddexp(0, -margin)).sum())
    return loss, -weights * sign * expit(-margin)
