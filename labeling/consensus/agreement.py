"""How far annotators agree: overlap of masks, and kappa of what they say about a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Row, select

from bodyshop_core.catalog import schema
from labeling.annotations import LIVE, read_mask
from labeling.consensus.decide import CONSENSUS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace

WORST = 20
"""How many of the most disputed pictures are named."""


@dataclass(frozen=True)
class Agreement:
    """How far several annotators of the same pictures agree.

    Parameters
    ----------
    pictures : int
        That at least two people annotated.
    iou : dict
        Damage class -> mean intersection over union, over the pairs of annotators of which at
        least one drew the class; 1 is equal, 0 is apart or drawn by one alone.
    kappa : dict
        ``damage`` and each drawn class -> Cohen's kappa, weighted by the pictures each pair of
        annotators shares; None where chance alone explains everything.
    pairs : tuple of dict
        Per pair of annotators: pictures, iou.
    worst : tuple of dict
        The most disputed pictures: sha256, iou.
    """

    pictures: int
    iou: dict[str, float]
    kappa: dict[str, float | None]
    pairs: tuple[dict[str, Any], ...]
    worst: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)


def measure_agreement(workspace: Workspace, project: str = "damage") -> Agreement:
    """Compare the annotations of every picture that several people annotated.

    Parameters
    ----------
    workspace : Workspace
        Where they are, as pulled.
    project : str
        Name of the labelling project.
    """
    said = {s: voices for s, voices in _voices(workspace, project).items() if len(voices) > 1}
    by_class: dict[str, list[float]] = defaultdict(list)
    by_pair: dict[tuple[str, str], list[float]] = defaultdict(list)
    shared: dict[tuple[str, str], int] = defaultdict(int)
    by_picture: dict[str, list[float]] = defaultdict(list)
    answers: dict[str, dict[tuple[str, str], list[tuple[str, str]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    drawn = sorted({label for voices in said.values() for v in voices.values() for label in v[0]})
    for sha256, voices in said.items():
        masks = {name: _load(workspace, files) for name, (files, _) in voices.items()}
        for pair in combinations(sorted(voices), 2):
            shared[pair] += 1
            first, second = masks[pair[0]], masks[pair[1]]
            for label in sorted(first.keys() | second.keys()):
                value = iou(first.get(label), second.get(label))
                by_class[label].append(value)
                by_pair[pair].append(value)
                by_picture[sha256].append(value)
            states = (voices[pair[0]][1], voices[pair[1]][1])
            if states[0] and states[1]:
                answers["damage"][pair].append((states[0], states[1]))
            for label in drawn:
                answers[label][pair].append((str(label in first), str(label in second)))
    worst = sorted((float(np.mean(values)), sha256) for sha256, values in by_picture.items())
    return Agreement(
        len(said),
        {label: float(np.mean(values)) for label, values in sorted(by_class.items())},
        {name: _pooled(pairs) for name, pairs in answers.items()},
        tuple(
            {"annotators": list(pair), "pictures": count,
             "iou": float(np.mean(by_pair[pair])) if by_pair[pair] else None}
            for pair, count in sorted(shared.items())
        ),
        tuple({"sha256": sha256, "iou": value} for value, sha256 in worst[:WORST] if value < 1),
    )  # fmt: skip


def iou(first: NDArray[np.bool_] | None, second: NDArray[np.bool_] | None) -> float:
    """Return intersection over union; None stands for an empty mask, and two of them are equal."""
    if first is None or second is None:
        other = second if first is None else first
        return 0.0 if other is not None and other.any() else 1.0
    union = int((first | second).sum())
    return float((first & second).sum() / union) if union else 1.0


def cohens_kappa(answers: Sequence[tuple[str, str]]) -> float | None:
    """Return Cohen's kappa of two people's answers to the same questions.

    ``(p_o - p_e) / (1 - p_e)`` with the observed and the expected share of equal answers
    (Cohen 1960, Educational and Psychological Measurement 20:37); None when both always gave one
    and the same answer, where it is undefined.
    """
    if not answers:
        return None
    total = len(answers)
    observed = sum(a == b for a, b in answers) / total
    values = {value for pair in answers for value in pair}
    expected = sum(
        sum(a == value for a, _ in answers) * sum(b == value for _, b in answers)
        for value in values
    ) / (total * total)
    return None if expected == 1 else (observed - expected) / (1 - expected)


def _pooled(pairs: dict[tuple[str, str], list[tuple[str, str]]]) -> float | None:
    told = [(cohens_kappa(answers), len(answers)) for answers in pairs.values()]
    known = [(kappa, weight) for kappa, weight in told if kappa is not None]
    if not known:
        return None
    return float(sum(k * w for k, w in known) / sum(w for _, w in known))


Voice = tuple[dict[str, str], str | None]
"""Class -> mask file, and what is said about damage."""


def _voices(workspace: Workspace, project: str) -> dict[str, dict[str, Voice]]:
    """Return sha256 -> annotator -> their newest annotation."""
    table = schema.annotations
    query = (
        select(table)
        .where(table.c.project == project, table.c.state.in_(LIVE), table.c.annotator != CONSENSUS)
        .order_by(table.c.updated_at, table.c.remote_id)
    )
    rows: dict[tuple[str, str], dict[int | None, list[Row[Any]]]] = defaultdict(dict)
    with workspace.catalog.read() as connection:
        for row in connection.execute(query):
            rows[row.sha256, row.annotator].setdefault(row.remote_id, []).append(row)
    said: dict[str, dict[str, Voice]] = defaultdict(dict)
    for (sha256, annotator), opinions in rows.items():
        newest = list(opinions.values())[-1]
        files = {row.label: row.file for row in newest if row.kind == "mask"}
        heads = [row.value for row in newest if row.kind == "choices"]
        state = (heads[0]["choices"].get("state") or [None])[0] if heads else None
        said[sha256][annotator] = (files, state or ("damaged" if files else None))
    return said


def _load(workspace: Workspace, files: dict[str, str]) -> dict[str, NDArray[np.bool_]]:
    return {label: read_mask(workspace.root / file) for label, file in files.items()}
