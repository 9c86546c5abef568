"""Short vectors whose products estimate the cosines of long ones: to find candidates cheaply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


class ShortVectors:
    """Principal components of vectors of length 1, and what their mean adds to a cosine.

    With m the mean and P the components ``<x, y> = <x - m, y - m> + <m, x> + <m, y> - <m, m>``, and
    ``<P(x - m), P(y - m)>`` estimates the first part (Jolliffe, Principal Component Analysis, 2002,
    chapter 2: of all linear maps to so few numbers it loses the least).

    Parameters
    ----------
    sample : ndarray of float32, shape (n, d)
        Vectors of length 1 to learn from.
    numbers : int
        Components, at most d and n.
    """

    def __init__(self, sample: Vectors, numbers: int) -> None:
        self._mean = sample.mean(axis=0)
        centred = sample - self._mean
        _, vectors = np.linalg.eigh(centred.T @ centred)
        self._components = np.ascontiguousarray(vectors[:, ::-1][:, : min(numbers, len(sample))])

    def of(self, vectors: Vectors) -> Vectors:
        """Return what is stored of vectors, shape (n, numbers + 1)."""
        inner = (vectors - self._mean) @ self._components
        return np.concatenate([inner, (vectors @ self._mean)[:, None]], axis=1)

    def estimated(self, asked: Vectors, others: Vectors) -> Vectors:
        """Return estimated cosines of stored vectors, shape (len(asked), len(others))."""
        constant = np.float32(self._mean @ self._mean)
        queries = np.concatenate([asked[:, :-1], np.ones((len(asked), 1), np.float32)], axis=1)
        return (queries @ others.T) + (asked[:, -1:] - constant)
