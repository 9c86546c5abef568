"""Compute the consensus of annotators; the rules are in `labeling.consensus.update`."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Row, select

from bodyshop_core.catalog import Field, Origin, schema
from bodyshop_core.errors import UnreadableImageError
from labeling.consensus.counting import CountingMasks, counting_masks
from labeling.consensus.votes import CONSENSUS, AnnotatorVote, read_votes
from labeling.formats.instances import shape_mask, shapes_of_masks
from labeling.formats.mask_file import encode_mask, read_mask
from labeling.formats.shapes import Shape
from labeling.records.annotations import ACTIVE_STATES, digest, mask_facts, mask_file
from labeling.records.regions import mask_of, region_row, regions_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace

DECIDED_BY = "labelstudio:"
"""Prefix of ``decisions.by``; decisions with another prefix are not changed here."""


_Counted = tuple[list[AnnotatorVote], list[AnnotatorVote], list[AnnotatorVote], list[str]]
"""Damage annotations, reviews and imports that count, and keys of other rows."""


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
class ConsensusOfChunk:
    """The consensus of a chunk of pictures, before it is written."""

    current: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    masks: list[dict[str, Any]] = field(default_factory=list)
    pngs: list[bytes] = field(default_factory=list)
    regions: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    labels: list[tuple[str, Field, str, Origin, str]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Said:
    """What a catalog has about some pictures that decides about their consensus.

    Parameters
    ----------
    rows : dict
        sha256 -> rows of annotations.
    regions : dict
        Key of a mask that several annotators drew -> its regions.
    decided_elsewhere : dict
        sha256 -> when it was decided, not by reviewers.
    counting : dict
        sha256 -> masks that count.
    """

    rows: dict[str, list[Row[Any]]]
    regions: dict[str, list[Row[Any]]]
    decided_elsewhere: dict[str, str]
    counted: dict[str, _Counted] = field(compare=False)
    counting: dict[str, list[CountingMasks]] = field(compare=False)

    @classmethod
    def read(cls, connection: Connection, sha256s: Sequence[str]) -> Said:
        """Read what is said of some pictures."""
        table, decided = schema.annotations, schema.decisions
        rows: dict[str, list[Row[Any]]] = {sha256: [] for sha256 in sha256s}
        query = (
            select(table)
            .where(
                table.c.sha256.in_(sha256s),
                table.c.state.in_(ACTIVE_STATES),
                table.c.annotator != CONSENSUS,
            )
            .order_by(table.c.key)
        )
        for row in connection.execute(query):
            rows[row.sha256].append(row)
        elsewhere = select(decided).where(
            decided.c.sha256.in_(sha256s), decided.c.by.not_like(f"{DECIDED_BY}%")
        )
        decided_elsewhere = {row.sha256: row.at for row in connection.execute(elsewhere)}
        counted = {sha256: _counting(read_votes(rows[sha256])) for sha256 in sha256s}
        counting = {sha256: counting_masks(*counted[sha256][::2]) for sha256 in sha256s}
        shared = [
            row.key
            for found in counting.values()
            for each in found
            if each.annotators != 1
            for row in each.rows
        ]
        regions = regions_of(connection, shared)
        return cls(rows, regions, decided_elsewhere, counted, counting)


def compute_consensus(workspace: Workspace, said: Said) -> ConsensusOfChunk:
    """Compute the consensus of some pictures; the catalog is not asked, and nothing is written.

    Raises
    ------
    TransientError
        A mask can't be read.
    """
    consensus = ConsensusOfChunk()
    drawn = _DrawnMasks(workspace, [each for found in said.counting.values() for each in found])
    for sha256, (votes, reviews, imports, superseded) in said.counted.items():
        consensus.superseded += superseded
        counting = said.counting[sha256]
        _add_states(votes, imports, counting, consensus)
        for each in counting:
            _add_masks(said, drawn, sha256, each, consensus)
        _add_labels(sha256, votes, reviews, imports, counting, consensus)
        decision = _decision(sha256, reviews)
        # A decision made elsewhere stays unless that of the reviewers is newer.
        if decision and decision["at"] > said.decided_elsewhere.get(sha256, ""):
            consensus.decisions.append(decision)
    return consensus


class _DrawnMasks:
    """The files of masks that several annotators drew, read together."""

    def __init__(self, workspace: Workspace, counting: Iterable[CountingMasks]) -> None:
        self._derived = workspace.derived
        names = sorted(
            {str(row.file) for each in counting if each.annotators != 1 for row in each.rows}
        )
        self._pngs = dict(zip(names, self._derived.contents(names), strict=True))

    def read(self, name: str) -> NDArray[np.bool_]:
        """Decode a mask; its error names the file."""
        png = self._pngs[name]
        if png is not None:
            with contextlib.suppress(UnreadableImageError):
                return read_mask(png)
        return read_mask(self._derived.ref(name))


def _counting(
    votes: Sequence[AnnotatorVote],
) -> _Counted:
    """Return the damage annotations and the reviews that count, imports, and keys of other rows."""
    newest: dict[tuple[bool, str], AnnotatorVote] = {}
    superseded: list[AnnotatorVote] = []
    imports = [vote for vote in votes if vote.is_import and not vote.is_review]
    for vote in votes:
        if vote.is_import and not vote.is_review:
            continue
        place = (vote.is_review, vote.annotator)
        other = newest.get(place)
        if other is not None and other.order >= vote.order:
            superseded.append(vote)
            continue
        if other is not None:
            superseded.append(other)
        newest[place] = vote
    ordered = [vote for _, vote in sorted(newest.items(), key=lambda item: item[0])]
    damage = [vote for vote in ordered if not vote.is_review]
    reviews = [vote for vote in ordered if vote.is_review]
    return damage, reviews, imports, [row.key for vote in superseded for row in vote.rows]


def _add_states(
    votes: Sequence[AnnotatorVote],
    imports: Sequence[AnnotatorVote],
    counting: Sequence[CountingMasks],
    consensus: ConsensusOfChunk,
) -> None:
    """Set the state of the rows of choices: that of an import is the state of its masks."""
    consensus.current += [vote.head.key for vote in votes if vote.head.kind == "choices"]
    used = {row.key for each in counting for row in each.rows}
    for vote in imports:
        if vote.head.kind == "choices":
            keys = {row.key for row in vote.masks.values()}
            state = consensus.superseded if keys and not keys & used else consensus.current
            state.append(vote.head.key)


def _add_masks(
    said: Said,
    files: _DrawnMasks,
    sha256: str,
    counting: CountingMasks,
    consensus: ConsensusOfChunk,
) -> None:
    for row, by in counting.dropped:
        consensus.superseded.append(row.key)
        if row.state == "current":
            consensus.dropped.append(
                f"{sha256[:12]}: the {counting.label} mask of {row.annotator} no longer counts, "
                f"because of {by}"
            )
    if counting.annotators == 1:
        consensus.current += [row.key for row in counting.rows]
        return
    consensus.superseded += [row.key for row in counting.rows]
    _add_agreed(said, files, sha256, counting, consensus)


def _add_agreed(
    said: Said,
    files: _DrawnMasks,
    sha256: str,
    counting: CountingMasks,
    consensus: ConsensusOfChunk,
) -> None:
    rows, label = counting.rows, counting.label
    if not rows:
        return
    drawn = [files.read(row.file) for row in rows]
    mask = majority_mask(drawn, counting.annotators)
    if not mask.any():
        who = ", ".join(sorted(row.annotator for row in rows))
        if any(row.state == "current" for row in rows):
            consensus.dropped.append(
                f"{sha256[:12]}: no pixel of {label} has a majority of its "
                f"{counting.annotators} annotators; it was drawn by {who}"
            )
        return
    key = digest(sha256, CONSENSUS, label)
    consensus.masks.append(
        {
            "key": key,
            "sha256": sha256,
            "project": rows[0].project,
            "instance": "",
            "remote_id": None,
            "annotator": CONSENSUS,
            "kind": "mask",
            "label": label,
            "file": mask_file(sha256, label, key),
            "value": mask_facts(mask) | {"annotators": counting.annotators, "drew": len(rows)},
            "state": "current",
            "updated_at": max(row.updated_at for row in rows),
        }
    )
    consensus.pngs.append(encode_mask(mask))
    regions = {row.key: said.regions[row.key] for row in rows if row.key in said.regions}
    if not regions:
        return
    closest = max(
        (pair for pair in zip(rows, drawn, strict=True) if pair[0].key in regions),
        key=lambda pair: int((pair[1] & mask).sum()) / int((pair[1] | mask).sum()),
    )[0]
    others = [row for key, found in regions.items() if key != closest.key for row in found]
    shapes = _agreed_instances(regions[closest.key], others, label, mask)
    for number, shape in enumerate(shapes):
        part = shape.mask
        if part is not None:
            consensus.regions.append(
                region_row(
                    shape, part, key=digest(key, number), sha256=sha256, of=key, number=number,
                    annotator=CONSENSUS,
                )
            )  # fmt: skip


def _agreed_instances(
    regions: Sequence[Row[Any]], others: Sequence[Row[Any]], label: str, mask: NDArray[np.bool_]
) -> list[Shape]:
    """Return the instances of one annotator, and of what else was agreed upon those of others."""
    shapes = []
    left = mask.copy()
    for row in regions:
        part = mask_of(row, *mask.shape) & mask
        left &= ~part
        if part.any():
            shapes.append(
                Shape(label, mask=part, kind="mask", severity=row.severity, part=row.part)
            )
    for shape in shapes_of_masks({label: left}):
        drawn = [
            (int((mask_of(row, *mask.shape) & shape_mask(shape, *mask.shape)).sum()), row)
            for row in others
        ]
        _, said = max(drawn, key=lambda pair: pair[0], default=(0, None))
        facts = {} if said is None else {"severity": said.severity, "part": said.part}
        shapes.append(replace(shape, **facts))
    return shapes


def _add_labels(
    sha256: str,
    votes: Sequence[AnnotatorVote],
    reviews: Sequence[AnnotatorVote],
    imports: Sequence[AnnotatorVote],
    counting: Sequence[CountingMasks],
    consensus: ConsensusOfChunk,
) -> None:
    """Collect the damage labels; the catalog handles labels that contradict each other.

    Imports give one only where no annotator did, and only by masks that count.
    """
    used = {row.key for each in counting for row in each.rows}
    said = [vote for vote in votes if vote.damage]
    said = said or [vote for vote in imports if any(row.key in used for row in vote.masks.values())]
    consensus.labels += [
        (sha256, Field.DAMAGE, vote.damage or "damaged", Origin.ANNOTATION, vote.annotator)
        for vote in said
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
