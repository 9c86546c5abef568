"""Inter-annotator agreement: overlap of masks, and Cohen's kappa of classes and labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Row, select

from bodyshop_core.catalog import schema
from bodyshop_core.summary import Summary
from labeling.consensus.votes import CONSENSUS, AnnotatorVote, read_votes
from labeling.formats.mask_file import read_mask
from labeling.records.annotations import ACTIVE_STATES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace

WORST = 20
"""How many of the pictures with the lowest agreement are listed."""

Pair = tuple[str, str]
"""Two annotators."""


@dataclass(frozen=True)
class Agreement(Summary):
    """How far annotators of the same pictures agree.

    Parameters
    ----------
    pictures : int
        Pictures that at least two people annotated.
    iou : dict
        Damage class -> mean intersection over union, over all pairs of annotators of which at
        least one drew the class; 1 means equal masks, 0 means no overlap.
    kappa : dict
        ``damage`` and each drawn class -> Cohen's kappa, averaged over pairs of annotators with
        the number of pictures they share as weight; None where it is undefined.
    pairs : tuple of dict
        Per pair of annotators: pictures, iou.
    worst : tuple of dict
        The pictures with the lowest agreement: sha256, iou.
    """

    pictures: int
    iou: dict[str, float]
    kappa: dict[str, float | None]
    pairs: tuple[dict[str, Any], ...]
    worst: tuple[dict[str, Any], ...]


def measure_agreement(workspace: Workspace, project: str = "damage") -> Agreement:
    """Compare the annotations of every picture that several people annotated.

    Parameters
    ----------
    workspace : Workspace
        With the annotations that were pulled.
    project : str
        Name of the labelling project.
    """
    shared = {s: votes for s, votes in _newest_votes(workspace, project).items() if len(votes) > 1}
    by_class: dict[str, list[float]] = defaultdict(list)
    by_pair: dict[Pair, list[float]] = defaultdict(list)
    pictures: dict[Pair, int] = defaultdict(int)
    by_picture: dict[str, list[float]] = defaultdict(list)
    answers: dict[str, dict[Pair, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    drawn = sorted({c for votes in shared.values() for vote in votes.values() for c in vote.masks})
    for sha256, votes in shared.items():
        masks = {name: _load(workspace, vote) for name, vote in votes.items()}
        for pair in combinations(sorted(votes), 2):
            pictures[pair] += 1
            first, second = masks[pair[0]], masks[pair[1]]
            for label in sorted(first.keys() | second.keys()):
                value = iou(first.get(label), second.get(label))
                by_class[label].append(value)
                by_pair[pair].append(value)
                by_picture[sha256].append(value)
            states = (votes[pair[0]].damage, votes[pair[1]].damage)
            if states[0] and states[1]:
                answers["damage"][pair].append((states[0], states[1]))
            for label in drawn:
                answers[label][pair].append((str(label in first), str(label in second)))
    worst = sorted((float(np.mean(values)), sha256) for sha256, values in by_picture.items())
    return Agreement(
        len(shared),
        {label: float(np.mean(values)) for label, values in sorted(by_class.items())},
        {name: _weighted_kappa(pairs) for name, pairs in answers.items()},
        tuple(
            {"annotators": list(pair), "pictures": count,
             "iou": float(np.mean(by_pair[pair])) if by_pair[pair] else None}
            for pair, count in sorted(pictures.items())
        ),
        tuple({"sha256": sha256, "iou": value} for value, sha256 in worst[:WORST] if value < 1),
    )  # fmt: skip


def iou(first: NDArray[np.bool_] | None, second: NDArray[np.bool_] | None) -> float:
    """Return the intersection over union of two masks of one shape, 0 to 1.

    None is an empty mask. Two empty masks are equal: 1.
    """
    if first is None or second is None:
        other = second if first is None else first
        return 0.0 if other is not None and other.any() else 1.0
    union = int((first | second).sum())
    return float((first & second).sum() / union) if union else 1.0


def cohens_kappa(answers: Sequence[tuple[str, str]]) -> float | None:
    """Return Cohen's kappa of two annotators' answers to the same questions, -1 to 1.

    Computed by `sklearn.metrics.cohen_kappa_score` (Cohen 1960, Educational and Psychological
    Measurement 20:37). None without answers, and when both annotators always gave one and the same
    answer: then it is 0/0.
    """
    from sklearn.metrics import cohen_kappa_score

    if len({answer for pair in answers for answer in pair}) < 2:
        return None
    first, second = zip(*answers, strict=True)
    return float(cohen_kappa_score(first, second))


def _weighted_kappa(pairs: dict[Pair, list[tuple[str, str]]]) -> float | None:
    values = [(cohens_kappa(answers), len(answers)) for answers in pairs.values()]
    known = [(kappa, weight) for kappa, weight in values if kappa is not None]
    if not known:
        return None
    return float(sum(k * w for k, w in known) / sum(w for _, w in known))


def _newest_votes(workspace: Workspace, project: str) -> dict[str, dict[str, AnnotatorVote]]:
    """Return sha256 -> annotator -> the newest annotation."""
    table = schema.annotations
    query = select(table).where(
        table.c.project == project,
        table.c.state.in_(ACTIVE_STATES),
        table.c.annotator != CONSENSUS,
    )
    rows: dict[str, list[Row[Any]]] = defaultdict(list)
    with workspace.catalog.read() as connection:
        for row in connection.execute(query):
            rows[row.sha256].append(row)
    newest: dict[str, dict[str, AnnotatorVote]] = {}
    for sha256, group in rows.items():
        votes = sorted(read_votes(group), key=lambda vote: vote.order)
        newest[sha256] = {vote.annotator: vote for vote in votes}
    return newest


def _load(workspace: Workspace, vote: AnnotatorVote) -> dict[str, NDArray[np.bool_]]:
    return {label: read_mask(workspace.derived.ref(row.file)) for label, row in vote.masks.items()}
