"""How a fitted gate does on a source of pictures that it has never seen any picture of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from curate.gate_fitting.intervals import wilson
from curate.gate_fitting.logistic import FOLDS, fit_logistic
from curate.gate_fitting.threshold import choose_threshold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def judge_unseen(
    features: NDArray[np.float32],
    accepted: Sequence[bool],
    groups: Sequence[int],
    sources: Sequence[str],
    counted: Collection[int],
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Fit without each source in turn, threshold included, and judge that source.

    Cross-validation over mixed sources flatters a gate: the fold that is judged has the cameras,
    sites and habits of those it was fitted on. Pictures from elsewhere do not.

    Parameters
    ----------
    features : ndarray of float32, shape (n, d)
        Unit-length vectors.
    accepted : sequence of bool
        Which are to be let in.
    groups : sequence of int
        Near-duplicates: those of a judged picture are left out of the fit, whatever their source.
    sources : sequence of str
        Where each row is from.
    counted : collection of int
        Rows that count in the figures (the others are views of them).
    seed : int
        Of the folds in which the threshold is chosen.

    Returns
    -------
    dict
        Source -> how many of it were let in: ``{"k", "n", "share", "ci95", "threshold"}``. A source
        is left out when the others have fewer than `FOLDS` groups of either kind.
    """
    import numpy as np

    wanted = np.asarray(accepted, dtype=bool)
    group, source = np.asarray(groups), np.asarray(sources)
    counts = np.zeros(len(wanted), dtype=bool)
    counts[list(counted)] = True
    told = {}
    for name in dict.fromkeys(sources):
        own = source == name
        rest = np.flatnonzero(~own & ~np.isin(group, group[own]))
        kinds = [len(set(group[rest][wanted[rest] == kind])) for kind in (True, False)]
        if min(kinds) < FOLDS:
            continue
        weights, bias, chances = fit_logistic(
            features[rest], wanted[rest].tolist(), group[rest].tolist(), seed
        )
        seen = counts[rest]
        threshold = choose_threshold(
            chances[seen & wanted[rest]].tolist(), chances[seen & ~wanted[rest]].tolist()
        )
        scores = 1 / (1 + np.exp(-(features[own & counts] @ weights + bias)))
        passed = int((scores >= threshold).sum())
        told[name] = {**wilson(passed, len(scores)), "threshold": threshold}
    return told
