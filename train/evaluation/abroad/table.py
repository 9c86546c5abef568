"""The figures of left-out origins: ranked within each model, and decided at the run's threshold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from train.evaluation.abroad.resampling import PairScores, mean_auc, mean_share

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAMINGS = ("full", "part", "interior")

FEWEST_COMPARED = 5
"""Pictures of one framing and label in an origin, for an area of their own."""


def leave_pair_out(
    scores: Sequence[PairScores], labels: tuple[str, str], threshold: float
) -> dict[str, Any]:
    """Summarise the scores of left-out pairs.

    Parameters
    ----------
    scores : sequence of PairScores
        One per model, at least one.
    labels : tuple of two str
        The label to detect and the other one.
    threshold : float
        From which probability on the run says the label to detect.

    Returns
    -------
    dict
        JSON-able. ``auc``, ``ci95``, ``folds``: of all pictures; ``framings``: the same per
        framing, pictures of one framing against each other; ``classes``: label -> ``n``,
        ``accuracy``, ``ci95`` and the same per framing; ``table``: one row per origin, label and
        framing (``all`` for all of them) with ``n``, ``accuracy``, ``ci95``, ``auc``, ``auc_ci95``.
        A picture that several models scored counts once, with the mean of their decisions.
    """
    found = mean_auc(scores)
    assert found is not None
    framings = {
        framing: area
        for framing in FRAMINGS
        if (area := mean_auc([each.of_framing(framing) for each in scores], fewest=FEWEST_COMPARED))
    }
    classes: dict[str, Any] = {}
    table: list[dict[str, Any]] = []
    for side, label in enumerate(labels):
        decided, seen = _decisions(scores, side, threshold)
        parts = {framing: _of_framing(decided, seen, framing) for framing in FRAMINGS}
        classes[label] = {
            **_accuracy(decided),
            "framings": {
                framing: _accuracy(part)
                for framing, part in parts.items()
                if any(len(rows) for rows in part.values())
            },
        }
        for origin in sorted(decided):
            table += _rows(scores, side, label, origin, decided[origin], seen[origin])
    return {**found, "framings": framings, "classes": classes, "table": table}


def _decisions(
    scores: Sequence[PairScores], side: int, threshold: float
) -> tuple[dict[str, NDArray[np.float64]], dict[str, Sequence[str]]]:
    """Return origin -> the share of models that were right about each picture, and framings."""
    right: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    framings: dict[str, Sequence[str]] = {}
    for each in scores:
        origin = (each.pair.positive, each.pair.negative)[side]
        says = ((each.positive, each.negative)[side] >= threshold) == (side == 0)
        right[origin].append(says.astype(np.float64))
        framings[origin] = each.framings[side]
    return {origin: np.mean(rows, axis=0) for origin, rows in right.items()}, framings


def _of_framing(
    decided: Mapping[str, NDArray[np.float64]], seen: Mapping[str, Sequence[str]], framing: str
) -> dict[str, NDArray[np.float64]]:
    return {
        origin: rows[np.array([each == framing for each in seen[origin]], bool)]
        for origin, rows in decided.items()
    }


def _accuracy(decided: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    share = mean_share(decided)
    assert share is not None
    return {"n": share["n"], "accuracy": share["value"], "ci95": share["ci95"]}


def _rows(
    scores: Sequence[PairScores],
    side: int,
    label: str,
    origin: str,
    decided: NDArray[np.float64],
    framings: Sequence[str],
) -> list[dict[str, Any]]:
    own = [each for each in scores if (each.pair.positive, each.pair.negative)[side] == origin]
    rows = []
    for framing in ("all", *FRAMINGS):
        whole = framing == "all"
        here = np.array([whole or each == framing for each in framings], bool)
        if not here.any():
            continue
        compared = own if whole else [each.of_framing(framing) for each in own]
        area = mean_auc(compared, fewest=1 if whole else FEWEST_COMPARED)
        rows.append(
            {
                "origin": origin,
                "label": label,
                "framing": framing,
                **_accuracy({origin: decided[here]}),
                "auc": area and area["auc"],
                "auc_ci95": area and area["ci95"],
            }
        )
    return rows
