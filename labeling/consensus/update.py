"""Update the consensus of annotators: one mask per picture and class, labels and decisions.

The result depends only on the rows in `annotations` and can be computed again at any time.
The rules:

* Only the newest annotation of each annotator counts.
* Imported masks are used only for pictures without an annotation from a labelling project.
* The masks of a single annotator are used as drawn. With several annotators, a pixel belongs to the
  consensus mask when more than half of them drew it; an annotator who drew nothing of the class
  votes against it. Two annotators therefore have to agree on a pixel.
* The majority of the reviewers decides a review; a tie gives no decision.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Row, delete, select, update

from bodyshop_core.catalog import Field, Origin, add_labels, schema
from labeling.consensus.votes import CONSENSUS, AnnotatorVote, read_votes
from labeling.formats.mask_file import read_mask
from labeling.records.annotations import ACTIVE_STATES, digest, mask_facts, write_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace

CHUNK = 100
"""Pictures per statement."""

DECIDED_BY = "labelstudio:"
"""Prefix of ``decisions.by``; decisions with another prefix are not changed here."""


def update_consensus(connection: Connection, workspace: Workspace, sha256s: Iterable[str]) -> None:
    """Compute the consensus of pictures whose annotations changed, and write it.

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
        chunk = ordered[start : start + CHUNK]
        _write(connection, workspace, chunk, _consensus(connection, workspace, chunk))


def majority_mask(masks: Sequence[NDArray[np.bool_]], annotators: int) -> NDArray[np.bool_]:
    """Return the pixels that more than half of the annotators drew.

    Parameters
    ----------
    masks : sequence of ndarray of bool, shape (height, width)
        Of the annotators who drew the class.
    annotators : int
        How many annotators annotated the picture; at least ``len(masks)``.
    """
    votes = np.zeros(masks[0].shape, np.uint16)
    for mask in masks:
        votes += mask
    return votes * 2 > annotators


@dataclass
class _Consensus:
    """The consensus of a chunk of pictures, before it is written."""

    current: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    masks: list[dict[str, Any]] = field(default_factory=list)
    labels: list[tuple[str, Field, str, Origin, str]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)


def _consensus(connection: Connection, workspace: Workspace, sha256s: Sequence[str]) -> _Consensus:
    table, decided = schema.annotations, schema.decisions
    rows: dict[str, list[Row[Any]]] = {sha256: [] for sha256 in sha256s}
    query = select(table).where(
        table.c.sha256.in_(sha256s),
        table.c.state.in_(ACTIVE_STATES),
        table.c.annotator != CONSENSUS,
    )
    for row in connection.execute(query):
        rows[row.sha256].append(row)
    decided_elsewhere = {
        row.sha256: row.at
        for row in connection.execute(
            select(decided).where(
                decided.c.sha256.in_(sha256s), decided.c.by.not_like(f"{DECIDED_BY}%")
            )
        )
    }
    consensus = _Consensus()
    for sha256 in sha256s:
        votes, reviews, superseded = _counting(read_votes(rows[sha256]))
        consensus.superseded += superseded
        _add_masks(workspace, sha256, votes, consensus)
        _add_labels(sha256, votes, reviews, consensus)
        decision = _decision(sha256, reviews)
        # A decision made elsewhere stays unless that of the reviewers is newer.
        if decision and decision["at"] > decided_elsewhere.get(sha256, ""):
            consensus.decisions.append(decision)
    return consensus


def _counting(
    votes: Sequence[AnnotatorVote],
) -> tuple[list[AnnotatorVote], list[AnnotatorVote], list[str]]:
    """Return the damage annotations that count, the reviews that count, and keys of other rows."""
    newest: dict[tuple[bool, bool, str], AnnotatorVote] = {}
    superseded: list[AnnotatorVote] = []
    for vote in votes:
        place = (vote.is_review, bool(vote.head.instance), vote.annotator)
        other = newest.get(place)
        if other is not None and other.order >= vote.order:
            superseded.append(vote)
            continue
        if other is not None:
            superseded.append(other)
        newest[place] = vote
    from_server = any(on_server for is_review, on_server, _ in newest if not is_review)
    damage: list[AnnotatorVote] = []
    reviews: list[AnnotatorVote] = []
    for (is_review, on_server, _), vote in sorted(newest.items(), key=lambda item: item[0]):
        if is_review:
            reviews.append(vote)
        elif on_server or not from_server:
            damage.append(vote)
        else:
            superseded.append(vote)
    return damage, reviews, [row.key for vote in superseded for row in vote.rows]


def _add_masks(
    workspace: Workspace, sha256: str, votes: Sequence[AnnotatorVote], consensus: _Consensus
) -> None:
    consensus.current += [vote.head.key for vote in votes]
    if len(votes) == 1:
        consensus.current += [row.key for row in votes[0].masks.values()]
        return
    by_label: dict[str, list[Row[Any]]] = defaultdict(list)
    for vote in votes:
        for label, row in vote.masks.items():
            by_label[label].append(row)
    for label, rows in sorted(by_label.items()):
        consensus.superseded += [row.key for row in rows]
        consensus.masks += _agreed_mask(workspace, sha256, label, rows, len(votes))


def _agreed_mask(
    workspace: Workspace, sha256: str, label: str, rows: Sequence[Row[Any]], annotators: int
) -> list[dict[str, Any]]:
    mask = majority_mask([read_mask(workspace.root / row.file) for row in rows], annotators)
    if not mask.any():
        return []
    key = digest(sha256, CONSENSUS, label)
    return [
        {
            "key": key,
            "sha256": sha256,
            "project": rows[0].project,
            "instance": "",
            "remote_id": None,
            "annotator": CONSENSUS,
            "kind": "mask",
            "label": label,
            "file": write_mask(workspace, sha256, label, key, mask),
            "value": mask_facts(mask) | {"annotators": annotators, "drew": len(rows)},
            "state": "current",
            "updated_at": max(row.updated_at for row in rows),
        }
    ]


def _add_labels(
    sha256: str,
    votes: Sequence[AnnotatorVote],
    reviews: Sequence[AnnotatorVote],
    consensus: _Consensus,
) -> None:
    """Collect the damage labels; the catalog handles labels that contradict each other."""
    consensus.labels += [
        (sha256, Field.DAMAGE, vote.damage, Origin.ANNOTATION, vote.annotator)
        for vote in votes
        if vote.damage
    ]
    consensus.labels += [
        (sha256, Field.DAMAGE, state, Origin.HUMAN, f"{DECIDED_BY}{vote.annotator}")
        for vote in reviews
        if (state := vote.choice("state"))
    ]


def _decision(sha256: str, reviews: Sequence[AnnotatorVote]) -> dict[str, Any] | None:
    """Return the majority's decision as a row; None when there is none."""
    votes = Counter(decision for vote in reviews if (decision := vote.choice("decision")))
    ranked = votes.most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    decision = ranked[0][0]
    agreeing = [vote for vote in reviews if vote.choice("decision") == decision]
    framings = Counter(f for vote in agreeing for f in vote.chosen.get("framing", []))
    reasons = sorted({r for vote in agreeing for r in vote.chosen.get("reason", [])})
    names = ", ".join(sorted(vote.annotator for vote in agreeing))
    return {
        "sha256": sha256,
        "decision": decision,
        "framing": framings.most_common(1)[0][0] if framings else None,
        "note": "; ".join(reasons) or None,
        "by": f"{DECIDED_BY}{names}"[:64],
        # Times in the catalog have a resolution of one second.
        "at": max(vote.head.updated_at for vote in agreeing)[:19] + "+00:00",
    }


def _write(
    connection: Connection, workspace: Workspace, sha256s: Sequence[str], consensus: _Consensus
) -> None:
    table, labels, decided = schema.annotations, schema.labels, schema.decisions
    for state, keys in (("current", consensus.current), ("superseded", consensus.superseded)):
        connection.execute(update(table).where(table.c.key.in_(keys)).values(state=state))
    connection.execute(
        update(table)
        .where(table.c.sha256.in_(sha256s), table.c.annotator == CONSENSUS)
        .values(state="deleted")
    )
    workspace.catalog.upsert(table, consensus.masks, connection=connection)
    connection.execute(
        delete(labels).where(
            labels.c.sha256.in_(sha256s),
            labels.c.field == Field.DAMAGE.value,
            (labels.c.origin == Origin.ANNOTATION.value)
            | ((labels.c.origin == Origin.HUMAN.value) & labels.c.annotator.startswith(DECIDED_BY)),
        )
    )
    add_labels(workspace.catalog, consensus.labels, connection=connection)
    connection.execute(
        delete(decided).where(decided.c.sha256.in_(sha256s), decided.c.by.startswith(DECIDED_BY))
    )
    workspace.catalog.upsert(decided, consensus.decisions, connection=connection)
