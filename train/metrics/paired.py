"""Whether two models differ, tested on the same pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 2000


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> dict[str, Any]:
    """Compare two models by the pictures that only one of them classifies correctly.

    Parameters
    ----------
    first, second : ndarray of bool, shape (n,)
        Whether each picture was classified correctly.

    Returns
    -------
    dict
        ``only_first``, ``only_second`` and the two-sided exact ``p`` (McNemar 1947; binomial, so
        that it holds for small counts).
    """
    from scipy.stats import binomtest

    only_first = int((first & ~second).sum())
    only_second = int((second & ~first).sum())
    n = only_first + only_second
    p = float(binomtest(only_first, n).pvalue) if n else 1.0
    return {"only_first": only_first, "only_second": only_second, "p": p}


def paired_bootstrap(
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    *,
    groups: NDArray[Any] | None = None,
    seed: int = 7,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return the difference in accuracy (first - second) with a 95 % percentile interval.

    Parameters
    ----------
    first, second : ndarray of bool, shape (n,)
        Whether each picture was classified correctly.
    groups : ndarray, shape (n,), optional
        Pictures of one group are resampled together: near-duplicates are not independent.
    seed : int
        Of the resampling.
    resamples : int
        How many times.
    """
    difference = first.astype(float) - second.astype(float)
    if groups is None:
        groups = np.arange(len(difference))
    _, place = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(place, difference), np.bincount(place)
    random = np.random.default_rng(seed)
    drawn = random.integers(len(sums), size=(resamples, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {"difference": float(difference.mean()), "ci95": [float(low), float(high)]}
