"""Choosing the probability from which a fitted gate accepts a picture."""

from __future__ import annotations

from collections.abc import Sequence

MAX_FALSE_ACCEPTS = 0.005
"""The largest share of the out-of-fold rejects that may be accepted."""


def choose_threshold(accepted: Sequence[float], rejected: Sequence[float]) -> float:
    """Return the threshold between the accepted and the rejected.

    Parameters
    ----------
    accepted, rejected : sequence of float
        Out-of-fold probabilities of the pictures to accept and to reject.

    Returns
    -------
    float
        The lowest that accepts at most `MAX_FALSE_ACCEPTS` of the rejects. When the threshold for
        99.9 % recall is higher, the middle between the two.
    """
    import numpy as np

    bad = np.sort(np.asarray(rejected))[::-1]
    allowed = int(MAX_FALSE_ACCEPTS * len(bad))
    lowest = float(bad[allowed]) if allowed < len(bad) else 0.0
    comfortable = float(np.quantile(accepted, 0.001))
    threshold = (lowest + comfortable) / 2 if comfortable > lowest else np.nextafter(lowest, 1)
    return round(float(threshold) + 5e-5, 4)
