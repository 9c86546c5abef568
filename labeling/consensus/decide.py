"""From what annotators said to what counts: one mask per picture and class, labels, decisions.

Everything here is a function of the rows in `annotations` and can be computed again at any time.
The rules:

* Of one annotator's annotations of a picture, the newest counts.
* Annotations made in a labelling project count before imported masks.
* One annotator: their masks count. Several: a pixel counts when more than half of them drew it
  (someone who looked at the picture and drew nothing of that class said "nothing here"). Two
  annotators therefore have to agree on a pixel.
* A review is decided by the majority of the reviewers; a tie decides nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Row, delete, select, update

from bodyshop_core.catalog import Field, Origin, add_labels, schema
from labeling.annotations import LIVE, digest, read_mask, write_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace

CONSENSUS = "consensus"
"""Annotator of the masks that several annotators agreed on."""

CHUNK = 100
"""Pictures per statement."""

DECIDED_BY = "labelstudio:"
"""Prefix of ``decisions.by``: those of other origin are never touched here."""


@dataclass
class _Voice:
    """The counting annotation of one annotator: their row of choices and their masks by class."""

    choices: Row[Any]
    masks: dict[str, Row[Any]] = field(default_factory=dict)

    def one(self, control: str) -> str | None:
        """Return the chosen value of a control that takes one."""
        values = self.chosen.get(control)
        return values[0] if values else None

    @property
    def chosen(self) -> dict[str, list[str]]:
        value = (self.choices.value or {}).get("choices", {})
        return value if isinstance(value, dict) else {}

    @property
    def damage(self) -> str | None:
        """What the annotator says about damage: the choice, else whether anything was drawn."""
        return self.one("state") or ("damaged" if self.masks else None)


def settle(connection: Connection, workspace: Workspace, sha256s: Iterable[str]) -> None:
    """Decide, for pictures whose annotations changed, what counts.

    Parameters
    ----------
    connection : Connection
        The write transaction in which the annotations changed.
    workspace : Workspace
        Where the masks are.
    sha256s : iterable of str
        The pictures.
    """
    ordered = sorted(set(sha256s))
    for start in range(0, len(ordered), CHUNK):
        _settle(connection, workspace, ordered[start : start + CHUNK])


def majority(masks: Sequence[NDArray[np.bool_]], voices: int) -> NDArray[np.bool_]:
    """Return the pixels that more than half of the voices drew.

    Parameters
    ----------
    masks : sequence of ndarray of bool, shape (height, width)
        Of those who drew the class at all.
    voices : int
        How many annotators looked at the picture; at least ``len(masks)``.
    """
    votes = np.zeros(masks[0].shape, np.uint16)
    for mask in masks:
        votes += mask
    return votes * 2 > voices


def _voices(rows: Sequence[Row[Any]]) -> tuple[list[_Voice], list[_Voice], list[str]]:
    """Split rows into voices on damage, voices of reviewers, and keys of rows that don't count."""
    opinions: dict[tuple[Any, ...], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        opinions[row.project, row.instance, row.remote_id, row.annotator].append(row)
    newest: dict[tuple[bool, bool, str], tuple[tuple[str, int], list[Row[Any]]]] = {}
    superseded: list[str] = []
    for (_, instance, remote_id, annotator), mine in opinions.items():
        head = _head(mine)
        review = "decision" in _Voice(head).chosen
        place = (review, bool(instance), annotator)
        age = (head.updated_at, remote_id or 0)
        if place in newest and newest[place][0] >= age:
            superseded += [row.key for row in mine]
            continue
        if place in newest:
            superseded += [row.key for row in newest[place][1]]
        newest[place] = (age, mine)
    served = any(instance for review, instance, _ in newest if not review)
    drawn: list[_Voice] = []
    reviews: list[_Voice] = []
    for (review, instance, _), (_, mine) in sorted(newest.items(), key=lambda item: item[0]):
        if not review and served and not instance:
            superseded += [row.key for row in mine]
            continue
        voice = _Voice(_head(mine), {row.label: row for row in mine if row.kind == "mask"})
        (reviews if review else drawn).append(voice)
    return drawn, reviews, superseded


def _head(rows: Sequence[Row[Any]]) -> Row[Any]:
    """Return an annotation's row of choices; masks from elsewhere may come without one."""
    return next((row for row in rows if row.kind == "choices"), rows[0])


@dataclass
class _Outcome:
    """What counts, for a chunk of pictures, before it is written."""

    current: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    agreed: list[dict[str, Any]] = field(default_factory=list)
    labels: list[tuple[str, Field, str, Origin, str]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)


def _settle(connection: Connection, workspace: Workspace, sha256s: Sequence[str]) -> None:
    table, decided = schema.annotations, schema.decisions
    rows: dict[str, list[Row[Any]]] = {sha256: [] for sha256 in sha256s}
    query = select(table).where(
        table.c.sha256.in_(sha256s), table.c.state.in_(LIVE), table.c.annotator != CONSENSUS
    )
    for row in connection.execute(query):
        rows[row.sha256].append(row)
    connection.execute(
        delete(decided).where(decided.c.sha256.in_(sha256s), decided.c.by.startswith(DECIDED_BY))
    )
    elsewhere = {
        row.sha256: row.at
        for row in connection.execute(select(decided).where(decided.c.sha256.in_(sha256s)))
    }
    outcome = _Outcome()
    for sha256 in sha256s:
        drawn, reviews, superseded = _voices(rows[sha256])
        outcome.superseded += superseded
        _masks(workspace, sha256, drawn, outcome)
        _labels(sha256, drawn, reviews, outcome)
        decision = _decision(sha256, reviews)
        # A decision made elsewhere stands unless the reviewers' is newer.
        if decision and decision["at"] > elsewhere.get(sha256, ""):
            outcome.decisions.append(decision)
    _write(connection, workspace, sha256s, outcome)


def _write(
    connection: Connection, workspace: Workspace, sha256s: Sequence[str], outcome: _Outcome
) -> None:
    table, labels = schema.annotations, schema.labels
    for state, keys in (("current", outcome.current), ("superseded", outcome.superseded)):
        connection.execute(update(table).where(table.c.key.in_(keys)).values(state=state))
    connection.execute(
        update(table)
        .where(table.c.sha256.in_(sha256s), table.c.annotator == CONSENSUS)
        .values(state="deleted")
    )
    workspace.catalog.upsert(table, outcome.agreed, connection=connection)
    connection.execute(
        delete(labels).where(
            labels.c.sha256.in_(sha256s),
            labels.c.field == Field.DAMAGE.value,
            (labels.c.origin == Origin.ANNOTATION.value)
            | ((labels.c.origin == Origin.HUMAN.value) & labels.c.annotator.startswith(DECIDED_BY)),
        )
    )
    add_labels(workspace.catalog, outcome.labels, connection=connection)
    workspace.catalog.upsert(schema.decisions, outcome.decisions, connection=connection)


def _masks(workspace: Workspace, sha256: str, drawn: Sequence[_Voice], outcome: _Outcome) -> None:
    for voice in drawn:
        outcome.current.append(voice.choices.key)
    if len(drawn) == 1:
        outcome.current += [row.key for row in drawn[0].masks.values()]
        return
    by_label: dict[str, list[Row[Any]]] = defaultdict(list)
    for voice in drawn:
        for label, row in voice.masks.items():
            by_label[label].append(row)
    for label, said in sorted(by_label.items()):
        outcome.superseded += [row.key for row in said]
        outcome.agreed += _agree(workspace, sha256, label, said, len(drawn))


def _agree(
    workspace: Workspace, sha256: str, label: str, said: Sequence[Row[Any]], voices: int
) -> list[dict[str, Any]]:
    masks = [read_mask(workspace.root / row.file) for row in said]
    mask = majority(masks, voices)
    if not mask.any():
        return []
    key = digest(sha256, CONSENSUS, label)
    facts = {"width": mask.shape[1], "height": mask.shape[0], "pixels": int(mask.sum())}
    return [
        {
            "key": key,
            "sha256": sha256,
            "project": said[0].project,
            "instance": "",
            "remote_id": None,
            "annotator": CONSENSUS,
            "kind": "mask",
            "label": label,
            "file": write_mask(workspace, sha256, label, key, mask),
            "value": facts | {"voices": voices, "drew": len(said)},
            "state": "current",
            "updated_at": max(row.updated_at for row in said),
        }
    ]


def _labels(
    sha256: str, drawn: Sequence[_Voice], reviews: Sequence[_Voice], outcome: _Outcome
) -> None:
    """Collect what annotators say about damage; disagreement is the catalog's to judge."""
    outcome.labels += [
        (sha256, Field.DAMAGE, voice.damage, Origin.ANNOTATION, voice.choices.annotator)
        for voice in drawn
        if voice.damage
    ]
    outcome.labels += [
        (sha256, Field.DAMAGE, state, Origin.HUMAN, f"{DECIDED_BY}{voice.choices.annotator}")
        for voice in reviews
        if (state := voice.one("state"))
    ]


def _decision(sha256: str, reviews: Sequence[_Voice]) -> dict[str, Any] | None:
    """Return the majority's decision as a row; None when there is none."""
    votes = Counter(vote for voice in reviews if (vote := voice.one("decision")))
    ranked = votes.most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    decision = ranked[0][0]
    agreeing = [voice for voice in reviews if voice.one("decision") == decision]
    framings = Counter(f for voice in agreeing for f in voice.chosen.get("framing", []))
    reasons = sorted({r for voice in agreeing for r in voice.chosen.get("reason", [])})
    names = ", ".join(sorted(voice.choices.annotator for voice in agreeing))
    return {
        "sha256": sha256,
        "decision": decision,
        "framing": framings.most_common(1)[0][0] if framings else None,
        "note": "; ".join(reasons) or None,
        "by": f"{DECIDED_BY}{names}"[:64],
        # The catalog's clock has seconds.
        "at": max(voice.choices.updated_at for voice in agreeing)[:19] + "+00:00",
    }
