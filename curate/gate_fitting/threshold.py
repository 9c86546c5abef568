"""From which probability on a picture passes a fitted gate."""

from __future__ import annotations

from collections.abc import Sequence

MAX_FALSE_ACCEPTS = 0.005
"""The threshold lets at most this share of the out-of-fold rejects in."""


def choose_threshold(accepted: Sequence[float], rejected: Sequence[float]) -> float:
    """Return the threshold between the two kinds.

    Parameters
    ----------
    accepted, rejected : sequence of float
        Out-of-fold probabilities of the pictures to let in and to keep out.

    Returns
    -------
    float
        The lowest that lets at most `MAX_FALSE_ACCEPTS` of the rejects in, and no lower than what
        keeps 99.9 % of the accepted: what lies between the kinds is shared out evenly.
    """
    import numpy as np

    bad = np.sort(np.asarray(rejected))[::-1]
    allowed = int(MAX_FALSE_ACCEPTS * len(bad))
    lowest = float(bad[allowed]) if allowed < len(bad) else 0.0
    comfortable = float(np.quantile(accepted, 0.001))
    threshold = (lowest + comfortable) / 2 if comfortable > lowest else np.nextafter(lowest, 1)
    return round(float(threshold) + 5e-5, 4)
