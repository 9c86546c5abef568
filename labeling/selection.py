"""Which pictures go to the labelers: kept ones, a part of them, the borderline, the uncertain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import Reason, effective_labels, schema
from bodyshop_core.catalog.split_sets import newest_split_set
from bodyshop_core.errors import NothingFoundError
from labeling.annotations import LIVE
from labeling.configs.scheme import Kind
from labeling.pictures import Picture, load_pictures

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

BORDERLINE = (
    Reason.NOT_A_CAR, Reason.BLURRY, Reason.BAD_EXPOSURE, Reason.LABEL_CONFLICT, Reason.TOO_SMALL
)  # fmt: skip
"""Rejects a person may see otherwise; duplicates and split bridges are no matter of taste."""

Uncertainty = Callable[[Sequence[Picture]], Mapping[str, float]]
"""Turns pictures into sha256 -> how uncertain a model is about them."""


@dataclass(frozen=True)
class Selection:
    """A question to the catalog; every condition given must hold.

    Parameters
    ----------
    label : str, optional
        Effective damage label, such as ``damaged``.
    brand, model : str, optional
        Effective brand or model label.
    framing : str, optional
        ``full``, ``part`` or ``interior``, as the gate saw it.
    split : str, optional
        ``train``, ``validation`` or ``test`` of the newest split set, or of `split_set`.
    split_set : str, optional
        Name of a split set.
    reasons : tuple of str, optional
        Verdict reasons (review): at least one of them.
    everything : bool
        Take pictures whatever their verdict, and before there is one.
    limit : int, optional
        At most so many: the most uncertain first when a model is asked, else in the (reproducible)
        order of the catalog.
    """

    label: str | None = None
    brand: str | None = None
    model: str | None = None
    framing: str | None = None
    split: str | None = None
    split_set: str | None = None
    reasons: tuple[str, ...] = ()
    everything: bool = False
    limit: int | None = None


def choose(
    workspace: Workspace,
    kind: Kind | str,
    selection: Selection,
    *,
    uncertainty: Uncertainty | None = None,
) -> list[str]:
    """Return the sha256 of the pictures a project should hold.

    A damage project takes kept pictures. A review project takes borderline rejects and conflicts
    that nobody decided yet, those nearest to the gate's line first.

    Parameters
    ----------
    workspace : Workspace
        Where they are.
    kind : Kind
        ``damage`` or ``review``.
    selection : Selection
        Which of them.
    uncertainty : callable, optional
        Given pictures, returns sha256 -> how uncertain a model is, larger is more. The most
        uncertain come first and pictures without a value last; those that somebody annotated or
        skipped are not asked about again (pool-based sampling: Settles 2009, section 2.3).

    Raises
    ------
    NothingFoundError
        No picture fits; the message says which step is missing.
    """
    facts = _facts(workspace, selection)
    if not facts:
        raise NothingFoundError(
            f"there is no picture in {workspace.root}",
            hint="fill it with: bodyshop collect brands.yaml, or: bodyshop import FOLDER",
        )
    if not selection.everything and all(fact["verdict"] is None for fact in facts.values()):
        raise NothingFoundError(
            "no picture has a verdict yet, so none is known to be kept",
            hint="run bodyshop curate first, or push everything with --all",
        )
    fitting = {s: f for s, f in facts.items() if _fits(f, Kind(kind), selection)}
    if not fitting:
        raise NothingFoundError(
            f"none of the {len(facts)} pictures fits: {_told(selection, Kind(kind))}",
            hint="bodyshop status shows what there is",
        )
    order = sorted(fitting)
    if uncertainty is not None:
        pool = load_pictures(workspace, sorted(fitting.keys() - _looked_at(workspace, Kind(kind))))
        if not pool:
            raise NothingFoundError(
                f"somebody looked at all {len(fitting)} pictures that fit already",
                hint="collect or import more, or push without --uncertain",
            )
        doubts = uncertainty(pool)
        order = [picture.sha256 for picture in pool]
        order.sort(key=lambda sha256: -doubts.get(sha256, float("-inf")))
    elif Kind(kind) is Kind.REVIEW:
        order.sort(key=lambda sha256: abs((fitting[sha256]["p_car"] or 0.0) - 0.5))
    return order[: selection.limit]


def _looked_at(workspace: Workspace, kind: Kind) -> set[str]:
    table = schema.annotations
    query = select(table.c.sha256).where(
        table.c.project == kind.value, table.c.state.in_((*LIVE, "skipped"))
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
        .where(images.c.width.is_not(None))
    )  # fmt: skip
    newest = newest_split_set(workspace.catalog)
    name = selection.split_set or (newest.name if newest else None)
    with workspace.catalog.read() as connection:
        facts = {row.sha256: dict(row._mapping) for row in connection.execute(query)}
        in_split = select(splits.c.sha256, splits.c.split).where(splits.c.split_set == name)
        split = {row.sha256: row.split for row in connection.execute(in_split)}
    said = {field: effective_labels(workspace.catalog, field) for field in _FIELDS}
    for sha256, fact in facts.items():
        fact["split"] = split.get(sha256)
        for field, labels in said.items():
            fact[field] = labels[sha256].value if sha256 in labels else None
    return facts


def _fits(fact: Mapping[str, Any], kind: Kind, selection: Selection) -> bool:
    wanted = {
        "damage": selection.label,
        "brand": selection.brand,
        "model": selection.model,
        "framing": selection.framing,
        "split": selection.split,
    }
    if any(value is not None and fact[name] != value for name, value in wanted.items()):
        return False
    reasons = set(fact["reasons"] or ())
    if selection.reasons and not reasons & set(selection.reasons):
        return False
    if selection.everything:
        return True
    if kind is Kind.DAMAGE:
        return bool(fact["verdict"] == "keep")
    return fact["decision"] is None and bool(
        selection.reasons or reasons & {reason.value for reason in BORDERLINE}
    )


def _told(selection: Selection, kind: Kind) -> str:
    asked = [
        f"{name} {value}"
        for name, value in vars(selection).items()
        if value and name not in {"everything", "limit"}
    ]
    start = "kept" if kind is Kind.DAMAGE else "borderline and undecided"
    return ", ".join([] if selection.everything else [start]) + (
        f" with {', '.join(asked)}" if asked else ""
    )


_FIELDS = ("damage", "brand", "model")
