"""Proportions with their 95 % intervals."""

from __future__ import annotations

from typing import Any


def proportion(k: int, n: int) -> dict[str, Any]:
    """Return a proportion with its 95 % Wilson score interval.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927:
    unlike the normal approximation it holds near 0 and 1, too.

    Parameters
    ----------
    k, n : int
        Successes, and trials.

    Returns
    -------
    dict
        ``k``, ``n``, ``share`` and ``ci95`` (low, high), 0 to 1; share is None without trials.
    """
    from scipy.stats import binomtest

    if n == 0:
        return {"k": 0, "n": 0, "share": None, "ci95": [0.0, 1.0]}
    low, high = binomtest(k, n).proportion_ci(0.95, method="wilson")
    return {
        "k": k,
        "n": n,
        "share": round(k / n, 5),
        "ci95": [round(float(low), 5), round(float(high), 5)],
    }


def table_cells(row: dict[str, Any]) -> tuple[str, str, str]:
    """Return the cells of a table for a result of `proportion`: k of n, share, interval."""
    low, high = row["ci95"]
    share = "" if row["share"] is None else f"{100 * row['share']:.2f} %"
    return f"{row['k']} of {row['n']}", share, f"{100 * low:.2f} to {100 * high:.2f} %"
