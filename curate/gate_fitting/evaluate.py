"""How well a gate performs on pictures with known answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from curate.gate.gate import Gate
from curate.gate.stage import open_gate
from curate.gate_fitting.fit import folder_examples
from curate.gate_fitting.intervals import proportion, table_cells
from curate.policy import Policy

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class GateEvaluation(Summary):
    """The outcome of `evaluate_gate`.

    Parameters
    ----------
    gate : str
        What was evaluated: backbone, weights, rule, framing.
    rule : str
        ``top5``, ``mass`` or ``probe``.
    threshold : float
        The one in force.
    recall : dict
        Folder of cars -> how many were accepted, as k of n with a 95 % interval.
    false_accepts : dict
        Folder of others -> the same.
    unreadable : int
        Pictures that could not be decoded; they count as rejected.
    auc : float
        Area under the ROC curve over all pictures.
    roc : tuple of dict
        ``threshold``, ``recall`` and ``false_accepts`` at points along the curve.
    """

    gate: str
    rule: str
    threshold: float
    recall: dict[str, dict[str, Any]]
    false_accepts: dict[str, dict[str, Any]]
    unreadable: int
    auc: float
    roc: tuple[dict[str, float], ...]

    columns: ClassVar[tuple[str, ...]] = ("group", "expected", "accepted", "share", "95 % interval")

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return one row per group, for a table."""
        return [
            (name, wanted, *table_cells(row))
            for wanted, groups in (("accept", self.recall), ("reject", self.false_accepts))
            for name, row in groups.items()
        ]

    def notes(self) -> list[str]:
        """Return the threshold and the ROC curve in words, to print below the table."""
        at = [
            f"{100 * limit:g} %: {100 * max(recalls):.2f} %"
            for limit in (0, 0.001, 0.005, 0.01, 0.05)
            if (recalls := [p["recall"] for p in self.roc if p["false_accepts"] <= limit])
        ]
        return [
            f"Rule {self.rule}: a p_car of {self.threshold:.4g} or more is accepted.",
            f"Area under the ROC curve: {self.auc:.5f}.",
            f"Largest recall at false accepts of at most {', '.join(at)}.",
        ]


def evaluate_gate(
    workspace: Workspace,
    *,
    accept: Sequence[Path],
    reject: Sequence[Path],
    gate: str = "efficientnet-lite0",
    weights: Path | str | None = None,
    policy: Policy | Path | str | None = None,
    progress: Progress = SILENT,
) -> GateEvaluation:
    """Score folders of known pictures by a gate.

    Parameters
    ----------
    workspace : Workspace
        Its fitted probe has precedence over the shipped one; nothing is written.
    accept : sequence of Path
        Folders of cars, each a group of its own: whole, close-ups, damaged.
    reject : sequence of Path
        Folders without cars: animals, other vehicles, objects, scenes.
    gate : str
        A backbone of `bodyshop_core.backbones.names`.
    weights : Path, optional
        Its weights file.
    policy : Policy or path, optional
        Its gate part decides rule and threshold.
    progress : Progress
        Told how many pictures are done.

    Raises
    ------
    NothingFoundError
        A folder holds no picture.
    MissingPartError
        Weights or probe are missing.
    """
    opened = open_gate(workspace, gate, weights=weights, policy=policy)
    scores = {
        (wanted, name): scores
        for wanted, folders in ((True, accept), (False, reject))
        for name, scores in _scores(opened, folders, wanted, progress).items()
    }
    unreadable = sum(value is None for values in scores.values() for value in values)
    threshold = opened.rule.threshold
    passed = {
        key: proportion(sum(v is not None and v >= threshold for v in values), len(values))
        for key, values in scores.items()
    }
    good = [v or 0.0 for (wanted, _), values in scores.items() if wanted for v in values]
    bad = [v or 0.0 for (wanted, _), values in scores.items() if not wanted for v in values]
    return GateEvaluation(
        opened.id,
        opened.rule.name,
        threshold,
        {name: row for (wanted, name), row in passed.items() if wanted},
        {name: row for (wanted, name), row in passed.items() if not wanted},
        unreadable,
        *roc_curve(good, bad),
    )


def roc_curve(
    accepted: Sequence[float], rejected: Sequence[float], *, points: int = 50
) -> tuple[float, tuple[dict[str, float], ...]]:
    """Return the area under the ROC curve, and points along it.

    Parameters
    ----------
    accepted, rejected : sequence of float
        Scores of the pictures to accept and to reject; neither empty.
    points : int
        About how many points to spread along it, besides those with few false accepts.
    """
    import numpy as np

    good, bad = np.sort(accepted), np.sort(rejected)
    # Probability that a car scores higher than another picture; ties count half (Mann-Whitney).
    below = np.searchsorted(bad, good, side="left")
    equal = np.searchsorted(bad, good, side="right") - below
    auc = float((below + equal / 2).mean() / len(bad))
    thresholds = np.unique(np.concatenate([good, bad]))
    spread = np.linspace(0, len(thresholds) - 1, min(points, len(thresholds))).astype(int)
    # The corner that a gate lives in: just above each of the likeliest 5 % of the others.
    top = bad[::-1][: min(points, 1 + len(bad) // 20)]
    corner = np.searchsorted(thresholds, top, side="right")
    places = np.unique(np.concatenate([spread, corner[corner < len(thresholds)]]))
    curve = tuple(
        {
            "threshold": round(float(value), 5),
            "recall": round(float((good >= value).mean()), 5),
            "false_accepts": round(float((bad >= value).mean()), 5),
        }
        for value in thresholds[places]
    )
    return round(auc, 5), curve


def _scores(
    gate: Gate, folders: Sequence[Path], wanted: bool, progress: Progress
) -> Mapping[str, list[float | None]]:
    """Return ``p_car`` per folder; None for pictures that can't be read."""
    scores: dict[str, list[float | None]] = {}
    for folder in folders:
        examples = folder_examples(folder, accept=wanted)
        answers = gate.judge([one.path for one in examples], progress=progress)
        scores.setdefault(folder.name, []).extend(
            None if answer.error is not None else answer.p_car for answer in answers
        )
    return scores
