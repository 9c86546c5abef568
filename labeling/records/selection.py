"""Select the pictures of a labelling project: kept, borderline or uncertain ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import Reason, effective_labels, picture_origins, schema
from bodyshop_core.catalog.split_sets import newest_split_set
from bodyshop_core.errors import NothingFoundError
from labeling.configs.label_config import ProjectKind
from labeling.records.annotations import ACTIVE_STATES
from labeling.records.pictures import CatalogPicture, load_pictures, not_erased

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

BORDERLINE = (
    Reason.NOT_A_CAR, Reason.BLURRY, Reason.BAD_EXPOSURE, Reason.LABEL_CONFLICT, Reason.TOO_SMALL
)  # fmt: skip
"""Reasons for which a person may overrule a reject; duplicates and split bridges are facts."""

Uncertainty = Callable[[Sequence[CatalogPicture]], Mapping[str, float]]
"""Returns sha256 -> how uncertain a model is about each picture; larger is more uncertain."""


@dataclass(frozen=True)
class Selection:
    """Conditions on pictures; all that are given must be true.

    Parameters
    ----------
    label : str, optional
        Effective damage label, such as ``damaged``.
    brand, model : str, optional
        Effective brand or model label.
    framing : str, optional
        ``full``, ``part`` or ``interior``, as the gate estimated it.
    origin : str, optional
        The host they were downloaded from, or the name of their import.
    split : str, optional
        ``train``, ``validation`` or ``test`` of the newest split set, or of `split_set`.
    split_set : str, optional
        Name of a split set; default the newest.
    reasons : tuple of str, optional
        Reasons of the verdict (review); a picture must have at least one of them.
    everything : bool
        Ignore verdicts: also take rejected pictures and those without a verdict.
    limit : int, optional
        The largest number of pictures: the first in the order that `select_pictures` describes.
    """

    label: str | None = None
    brand: str | None = None
    model: str | None = None
    framing: str | None = None
    origin: str | None = None
    split: str | None = None
    split_set: str | None = None
    reasons: tuple[str, ...] = ()
    everything: bool = False
    limit: int | None = None


def select_pictures(
    workspace: Workspace,
    kind: ProjectKind | str,
    selection: Selection,
    *,
    uncertainty: Uncertainty | None = None,
) -> list[str]:
    """Return the sha256 of the pictures that a project should contain.

    A damage project contains kept pictures, in the order of their sha256. A review project contains
    borderline rejects and label conflicts without a decision, those closest to the gate's threshold
    first.

    Parameters
    ----------
    workspace : Workspace
        Where they are.
    kind : ProjectKind
        ``damage`` or ``review``.
    selection : Selection
        Conditions on the pictures.
    uncertainty : callable, optional
        Given pictures, returns sha256 -> how uncertain a model is; larger is more uncertain. The
        most uncertain pictures come first, pictures without a value last; pictures that somebody
        annotated or skipped are left out (pool-based sampling: Settles 2009, section 2.3).

    Raises
    ------
    NothingFoundError
        No picture meets the conditions; the message names the missing step.
    """
    kind = ProjectKind(kind)
    facts = _facts(workspace, selection)
    if not facts:
        raise NothingFoundError(
            f"no picture in {workspace.root}",
            hint="add pictures with: bodyshop collect brands.yaml, or: bodyshop import FOLDER",
        )
    if not selection.everything and all(fact["verdict"] is None for fact in facts.values()):
        raise NothingFoundError(
            "no picture has a verdict yet",
            hint="run bodyshop curate first, or push all pictures with --all",
        )
    matching = {s: f for s, f in facts.items() if _matches(f, kind, selection)}
    if not matching:
        raise NothingFoundError(
            f"none of {len(facts)} pictures matches: {_described(selection, kind)}",
            hint="bodyshop status shows how many pictures each stage has",
        )
    order = sorted(matching)
    if uncertainty is not None:
        pool = load_pictures(workspace, sorted(matching.keys() - _annotated(workspace, kind)))
        if not pool:
            raise NothingFoundError(
                f"all {len(matching)} matching pictures were annotated or skipped already",
                hint="collect or import more pictures, or push without --uncertain",
            )
        uncertainties = uncertainty(pool)
        order = [picture.sha256 for picture in pool]
        order.sort(key=lambda sha256: -uncertainties.get(sha256, float("-inf")))
    elif kind is ProjectKind.REVIEW:
        order.sort(key=lambda sha256: abs((matching[sha256]["p_car"] or 0.0) - 0.5))
    return order[: selection.limit]


def _annotated(workspace: Workspace, kind: ProjectKind) -> set[str]:
    table = schema.annotations
    query = select(table.c.sha256).where(
        table.c.project == kind.value, table.c.state.in_((*ACTIVE_STATES, "skipped"))
    )
    with workspace.catalog.read() as connection:
        return set(connection.scalars(query))


def _facts(workspace: Workspace, selection: Selection) -> dict[str, dict[str, Any]]:
    images, verdicts, gate = schema.images, schema.verdicts, schema.gate_scores
    decided, splits = schema.decisions, schema.splits
    query = (
        select(
            images.c.sha256, verdicts.c.verdict, verdicts.c.reasons, gate.c.p_car,
            gate.c.framing, decided.c.decision,
        )
        .outerjoin(verdicts, verdicts.c.sha256 == images.c.sha256)
        .outerjoin(gate, (gate.c.sha256 == images.c.sha256) & (gate.c.gate == verdicts.c.gate))
        .outerjoin(decided, decided.c.sha256 == images.c.sha256)
        .where(images.c.width.is_not(None), not_erased())
    )  # fmt: skip
    newest = newest_split_set(workspace.catalog)
    name = selection.split_set or (newest.name if newest else None)
    with workspace.catalog.read() as connection:
        facts = {row.sha256: dict(row._mapping) for row in connection.execute(query)}
        in_split = select(splits.c.sha256, splits.c.split).where(splits.c.split_set == name)
        split = {row.sha256: row.split for row in connection.execute(in_split)}
    labels_of = {field: effective_labels(workspace.catalog, field) for field in _FIELDS}
    origins = picture_origins(workspace.catalog)
    for sha256, fact in facts.items():
        fact["split"] = split.get(sha256)
        fact["origin"] = origins.get(sha256)
        for field, labels in labels_of.items():
            fact[field] = labels[sha256].value if sha256 in labels else None
    return facts


def _matches(fact: Mapping[str, Any], kind: ProjectKind, selection: Selection) -> bool:
    wanted = {
        "damage": selection.label,
        "brand": selection.brand,
        "model": selection.model,
        "framing": selection.framing,
        "origin": selection.origin,
        "split": selection.split,
    }
    if any(value is not None and fact[name] != value for name, value in wanted.items()):
        return False
    reasons = set(fact["reasons"] or ())
    if selection.reasons and not reasons & set(selection.reasons):
        return False
    if selection.everything:
        return True
    if kind is ProjectKind.DAMAGE:
        return bool(fact["verdict"] == "keep")
    return fact["decision"] is None and bool(
        selection.reasons or reasons & {reason.value for reason in BORDERLINE}
    )


def _described(selection: Selection, kind: ProjectKind) -> str:
    conditions = [
        f"{name} {value}"
        for name, value in vars(selection).items()
        if value and name not in {"everything", "limit"}
    ]
    verdict = "kept" if kind is ProjectKind.DAMAGE else "borderline and without a decision"
    words = [] if selection.everything else [verdict]
    if conditions:
        words.append(f"with {', '.join(conditions)}")
    return " ".join(words)


_FIELDS = ("damage", "brand", "model")
