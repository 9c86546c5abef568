"""How a fitted gate performs on a source that was left out of its fit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from curate.gate_fitting.intervals import proportion
from curate.gate_fitting.logistic import FOLDS, fit_logistic
from curate.gate_fitting.threshold import choose_threshold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def evaluate_unseen(
    features: NDArray[np.float32],
    accepted: Sequence[bool],
    groups: Sequence[int],
    sources: Sequence[str],
    counted: Collection[int],
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Fit without each source in turn, threshold included, and score that source.

    Cross-validation over mixed sources overestimates a gate: the held-out fold has the same
    cameras and sites as the pictures it was fitted on. Pictures from elsewhere do not.

    Parameters
    ----------
    features : ndarray of float32, shape (n, d)
        Unit-length vectors.
    accepted : sequence of bool
        Which should be accepted.
    groups : sequence of int
        Near-duplicates: those of a scored picture are left out of the fit, whatever their source.
    sources : sequence of str
        Where each row is from.
    counted : collection of int
        Rows that count in the figures (the others are views of them).
    seed : int
        Of the folds in which the threshold is chosen.

    Returns
    -------
    dict
        Source -> how many of it were accepted: ``{"k", "n", "share", "ci95", "threshold"}``. A
        source is left out when the others have fewer than `FOLDS` groups of either kind.
    """
    import numpy as np

    wanted = np.asarray(accepted, dtype=bool)
    group, source = np.asarray(groups), np.asarray(sources)
    counts = np.zeros(len(wanted), dtype=bool)
    counts[list(counted)] = True
    found = {}
    for name in dict.fromkeys(sources):
        own = source == name
        rest = np.flatnonzero(~own & ~np.isin(group, group[own]))
        kinds = [len(set(group[rest][wanted[rest] == kind])) for kind in (True, False)]
        if min(kinds) < FOLDS:
            continue
        weights, bias, chances = fit_logistic(
            features[rest], wanted[rest].tolist(), group[rest].tolist(), seed
        )
        counted_rest = counts[rest]
        threshold = choose_threshold(
            chances[counted_rest & wanted[rest]].tolist(),
            chances[counted_rest & ~wanted[rest]].tolist(),
        )
        scores = 1 / (1 + np.exp(-(features[own & counts] @ weights + bias)))
        passed = int((scores >= threshold).sum())
        found[name] = {**proportion(passed, len(scores)), "threshold": threshold}
    return found
