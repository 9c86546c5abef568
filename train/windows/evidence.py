"""From window features to a score, and from a score to an answer; pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MINIBATCH = 1024


def log_odds(
    windows: NDArray[np.floating], weights: NDArray[np.float32], bias: float
) -> NDArray[np.float32]:
    """Return the log-odds of damage of each window.

    Parameters
    ----------
    windows : ndarray of float32 or float16, shape (…, windows, features)
        As the network puts them out; of a memory map, `MINIBATCH` pictures are read at a time.
    weights : ndarray of float32, shape (features,)
        Of the logistic regression.
    bias : float
        Of the logistic regression.

    Returns
    -------
    ndarray of float32, shape (…, windows)
    """
    if not isinstance(windows, np.memmap):
        return np.asarray(windows @ weights + np.float32(bias), np.float32)
    parts = [
        windows[start : start + MINIBATCH].astype(np.float32) @ weights
        for start in range(0, len(windows), MINIBATCH)
    ]
    return np.concatenate(parts) + np.float32(bias)


def pool(evidence: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one score per picture: the log of the mean of exp, between the mean and the largest.

    A picture is damaged when a part of it is, so the largest log-odds should decide; the log-mean-
    exp is smooth, and several windows that agree outweigh a single one.

    Parameters
    ----------
    evidence : ndarray of float32, shape (…, windows)
        Log-odds of the windows.

    Returns
    -------
    ndarray of float32, shape (…,)
    """
    largest = evidence.max(axis=-1, keepdims=True)
    mean = np.exp(evidence - largest).mean(axis=-1)
    return np.asarray(largest[..., 0] + np.log(mean), np.float32)


def probability(score: NDArray[np.float32], slope: float, offset: float) -> NDArray[np.float32]:
    """Return calibrated probabilities (Platt 1999): 1 / (1 + exp(-(slope * score + offset)))."""
    return np.asarray(np.exp(-np.logaddexp(0, -(slope * score + offset))), np.float32)


def depth(
    pictures: NDArray[np.float32], mean: NDArray[np.float32], scale: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return how far pictures are from those that were learned from.

    The root of the mean squared standard score over the features: about 1 for pictures like them.

    Parameters
    ----------
    pictures : ndarray of float32, shape (n, features)
        Features of the window that is the whole picture.
    mean, scale : ndarray of float32, shape (features,)
        Of the training pictures.
    """
    return np.asarray(np.sqrt((((pictures - mean) / scale) ** 2).mean(axis=-1)), np.float32)
