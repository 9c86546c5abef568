"""Shares with their uncertainty."""

from __future__ import annotations

from math import sqrt
from typing import Any

Z95 = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""


def wilson(k: int, n: int) -> dict[str, Any]:
    """Return a share with its 95 % interval (Wilson 1927), which holds near 0 and 1 too.

    Parameters
    ----------
    k, n : int
        Hits, and tries.

    Returns
    -------
    dict
        ``k``, ``n``, ``share`` and ``ci95`` (low, high); share is None for no tries.
    """
    if n == 0:
        return {"k": 0, "n": 0, "share": None, "ci95": [0.0, 1.0]}
    share, z2 = k / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At 0 and n the bound is exact; what the root leaves behind is rounding.
    low = 0.0 if k == 0 else max(0.0, middle - half)
    high = 1.0 if k == n else min(1.0, middle + half)
    return {"k": k, "n": n, "share": round(share, 5), "ci95": [round(low, 5), round(high, 5)]}


def worded(row: dict[str, Any]) -> tuple[str, str, str]:
    """Return the cells of a table for a result of `wilson`: k of n, the share, its interval."""
    low, high = row["ci95"]
    return (
        f"{row['k']} of {row['n']}",
        f"{100 * row['share']:.2f} %",
        f"{100 * low:.2f} to {100 * high:.2f} %",
    )
