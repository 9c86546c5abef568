"""Decisions of a person at the desk, in the rows of a review project; undone exactly."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal, get_args

from sqlalchemy import delete, select

from bodyshop.desk.clusters import cluster_members, placed_rows
from bodyshop.desk.hiding import decision_row
from bodyshop.desk.journal import append, read_journal
from bodyshop.export.proposed import Region
from bodyshop_core.catalog import Field, Origin, add_labels, now, schema
from bodyshop_core.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from bodyshop_core.workspace import Workspace

Kind = Literal[
    "keep", "reject", "label", "framing", "gold", "merge", "split", "hide", "show", "clear"
]
"""``label`` sets a label, ``framing`` says what is seen, ``gold`` that all of it was checked;
``merge`` makes one duplicate cluster of the clusters of the pictures, ``split`` takes the pictures
out of theirs; ``hide`` confirms that proposed regions are plates or faces, ``show`` that they are
none; ``clear`` takes back what people said."""

FRAMINGS = ("full", "part", "interior")
NOTE = "human_reject"

_MARKS = {
    "cluster": schema.cluster_decisions, "gold": schema.gold, "regions": schema.hiding_decisions,
}  # fmt: skip
"""Name in the journal -> table with one row per picture."""

_CHUNK = 500
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Act:
    """One act on one or more pictures.

    Parameters
    ----------
    kind : str
        One of `Kind`.
    pictures : tuple of str
        sha256 of each.
    by : str
        Name of the person.
    value : str
        The label or framing; ``no`` takes back ``gold``; of ``reject`` the reason in words, which
        may be empty.
    field : str
        What a label is about: ``damage``, ``brand`` or ``model``.
    regions : tuple of (kind, box)
        Of ``hide`` and ``show``: proposed regions of the one picture.
    seen : tuple of bool or None
        What the person saw that was said about each of them, None: nothing; left out: nothing about
        any. An act is refused where something else was said meanwhile.
    id : str
        Given by `perform`; names the act for `undo`.
    """

    kind: Kind
    pictures: tuple[str, ...]
    by: str
    value: str = ""
    field: str = Field.DAMAGE.value
    regions: tuple[Region, ...] = ()
    seen: tuple[bool | None, ...] = ()
    id: str = ""


@dataclass(frozen=True)
class Undone:
    """What `undo` did.

    Parameters
    ----------
    pictures : tuple of str
        As they were before the act.
    changed_since : tuple of str
        Pictures of the act about which something newer was said; they stay as they are.
    """

    pictures: tuple[str, ...] = ()
    changed_since: tuple[str, ...] = ()


def perform(workspace: Workspace, act: Act) -> Act:
    """Write an act to the catalog, after what it replaces was noted for `undo`.

    Decisions and clusters count from the next `bodyshop curate` on, labels and gold at once.

    Returns
    -------
    Act
        With its id, and all pictures that it concerned: of ``merge`` and ``split``, whole clusters.

    Raises
    ------
    UsageError
        The act is none of `Kind`, names no picture or an unknown one, or its value is none; or it
        says what is seen on a picture that is rejected so far, or is about a region about which
        something else was said than the person saw.
    """
    _check(act)
    act, chosen = replace(act, id=uuid.uuid4().hex), act.pictures
    with _LOCK, workspace.catalog.begin() as connection:
        if act.kind in ("merge", "split"):
            act = replace(act, pictures=tuple(cluster_members(connection, chosen)))
        before = dict(_said(connection, act.pictures, act.kind, act.field))
        if unknown := sorted(set(act.pictures) - before.keys()):
            raise UsageError(f"{unknown[0][:12]} is not in this workspace")
        if act.kind == "framing":
            _check_kept(connection, act.pictures, before)
        _write(workspace, connection, act, before, chosen)
        after = dict(_said(connection, act.pictures, act.kind, act.field))
        # Before the commit: a decision that can't be taken back must not be possible.
        append(workspace, {**vars(act), "at": now(), "before": before, "after": after})
    return act


def undo(workspace: Workspace, by: str, act: str = "") -> Undone:
    """Take back the newest act of a person that was not taken back yet, or one that is named.

    Nothing that was said later, here or in Label Studio, is touched: pictures about which it says
    something else now stay as they are, and are named.

    Parameters
    ----------
    workspace : Workspace
        Whose journal is read.
    by : str
        Name of the person.
    act : str
        Id of the act; nothing is done when it is another person's or was taken back before.
    """
    with _LOCK, workspace.catalog.begin() as connection:
        open_acts: dict[str, dict[str, Any]] = {}
        for line in read_journal(workspace):
            if "undone" in line:
                open_acts.pop(line["undone"], None)
            elif line["by"] == by:
                open_acts[line["id"]] = line
        if not open_acts or (act and act not in open_acts):
            return Undone()
        taken = open_acts[act or list(open_acts)[-1]]
        kind, field = taken["kind"], taken["field"]
        present = dict(_said(connection, taken["pictures"], kind, field))
        same = {
            sha256
            for sha256 in taken["pictures"]
            if sha256 in present and _is_as(present[sha256], taken["after"].get(sha256))
        }
        before = {sha256: taken["before"][sha256] for sha256 in same}
        _restore(workspace, connection, kind, field, before)
        append(workspace, {"undone": taken["id"], "at": now(), "by": by})
    return Undone(
        tuple(each for each in taken["pictures"] if each in same),
        tuple(each for each in taken["pictures"] if each in present and each not in same),
    )


def _is_as(present: Mapping[str, Any], after: Mapping[str, Any] | None) -> bool:
    """Whether it is as an act left it; a line of an older bodyshop tells less."""
    return after is not None and all(present.get(name) == value for name, value in after.items())


def _check(act: Act) -> None:
    if act.kind not in get_args(Kind):
        raise UsageError(
            f"there is no act '{act.kind}'", hint=f"one of {', '.join(get_args(Kind))}"
        )
    if not act.pictures:
        raise UsageError("no picture is chosen")
    if act.kind in ("hide", "show") and len(act.pictures) != 1:
        raise UsageError("regions are of one picture")
    if act.kind == "label" and not act.value.strip():
        raise UsageError("a label can't be empty")
    if act.kind == "label" and act.field not in {each.value for each in Field}:
        raise UsageError(f"there is no label field '{act.field}'")
    if act.kind == "framing" and act.value not in FRAMINGS:
        raise UsageError(f"there is no framing '{act.value}'", hint=f"one of {', '.join(FRAMINGS)}")


def _check_kept(connection: Connection, pictures: Sequence[str], before: Mapping[str, Any]) -> None:
    """Refuse a framing that would keep a rejected picture: it is part of a decision."""
    undecided = [sha256 for sha256 in pictures if before[sha256]["decision"] is None]
    verdicts = schema.verdicts
    for part in _parts(undecided):
        query = select(verdicts.c.sha256).where(
            verdicts.c.sha256.in_(part), verdicts.c.verdict == "reject"
        )
        if rejected := connection.scalars(query).all():
            raise UsageError(
                f"{rejected[0][:12]} is rejected, and saying what it shows would keep it",
                hint="keep it first (k), or leave it",
            )


def _write(
    workspace: Workspace,
    connection: Connection,
    act: Act,
    before: Mapping[str, Any],
    chosen: Sequence[str],
) -> None:
    by, catalog = f"desk:{act.by}"[:64], workspace.catalog
    if act.kind in ("clear", "label"):
        field = None if act.kind == "clear" else act.field
        _delete_labels(connection, act.pictures, field)
    if act.kind == "clear":
        for table in (schema.decisions, *_MARKS.values()):
            _delete_rows(connection, table, act.pictures)
    elif act.kind in ("hide", "show"):
        seen = dict(zip_longest(act.regions, act.seen[: len(act.regions)]))
        row = decision_row(connection, act.pictures[0], seen, act.kind == "hide", by)
        catalog.upsert(schema.hiding_decisions, [row], connection=connection)
    elif act.kind in ("merge", "split"):
        rows = placed_rows(connection, act.kind, act.pictures, chosen, by)
        catalog.upsert(schema.cluster_decisions, rows, connection=connection)
    elif act.kind == "gold" and act.value == "no":
        _delete_rows(connection, schema.gold, act.pictures)
    elif act.kind == "gold":
        marks = [{"sha256": sha256, "by": by, "at": now()} for sha256 in act.pictures]
        catalog.upsert(schema.gold, marks, connection=connection)
    elif act.kind == "label":
        said = [(sha256, act.field, act.value.strip(), Origin.HUMAN, by) for sha256 in act.pictures]
        add_labels(catalog, said, connection=connection)
    else:
        decided = [
            _decision(sha256, act, by, before[sha256]["decision"]) for sha256 in act.pictures
        ]
        catalog.upsert(schema.decisions, decided, connection=connection)


def _decision(sha256: str, act: Act, by: str, old: Mapping[str, Any] | None) -> dict[str, Any]:
    framing = act.value if act.kind == "framing" else (old or {}).get("framing")
    decision = act.kind if act.kind in ("keep", "reject") else (old or {}).get("decision", "keep")
    note = (act.value.strip() or NOTE) if act.kind == "reject" else None
    return {
        "sha256": sha256, "decision": decision, "framing": framing, "note": note, "by": by,
        "at": now(),
    }  # fmt: skip


def _said(
    connection: Connection, pictures: Sequence[str], kind: str, field: str
) -> Iterator[tuple[str, Any]]:
    """Yield, of each picture that is there, what people said that an act of this kind replaces."""
    images, decisions, labels = schema.images, schema.decisions, schema.labels
    for part in _parts(pictures):
        there = connection.scalars(select(images.c.sha256).where(images.c.sha256.in_(part)))
        found: dict[str, Any] = {sha256: {"decision": None, "labels": []} for sha256 in there}
        if _touches_decisions(kind):
            for row in connection.execute(select(decisions).where(decisions.c.sha256.in_(part))):
                found[row.sha256]["decision"] = dict(row._mapping)
        for name in _marks(kind):
            for one in found.values():
                one[name] = None
            table = _MARKS[name]
            for row in connection.execute(select(table).where(table.c.sha256.in_(part))):
                found[row.sha256][name] = dict(row._mapping)
        query = (
            select(labels)
            .where(labels.c.sha256.in_(part), labels.c.origin == Origin.HUMAN.value)
            .order_by(labels.c.field, labels.c.value)
        )
        if kind in ("label", "clear"):
            if kind == "label":
                query = query.where(labels.c.field == field)
            for row in connection.execute(query):
                found[row.sha256]["labels"].append(dict(row._mapping))
        yield from found.items()


def _restore(
    workspace: Workspace, connection: Connection, kind: str, field: str, before: Mapping[str, Any]
) -> None:
    pictures = list(before)
    if kind in ("label", "clear"):
        _delete_labels(connection, pictures, field if kind == "label" else None)
    if _touches_decisions(kind):
        _delete_rows(connection, schema.decisions, pictures)
    for name in _marks(kind):
        known = [sha256 for sha256, each in before.items() if name in each]  # older journals: none
        _delete_rows(connection, _MARKS[name], known)
        rows = [before[sha256][name] for sha256 in known if before[sha256][name]]
        workspace.catalog.upsert(_MARKS[name], rows, connection=connection)
    decisions = [each["decision"] for each in before.values() if each["decision"]]
    workspace.catalog.upsert(schema.decisions, decisions, connection=connection)
    labels = [label for each in before.values() for label in each["labels"]]
    workspace.catalog.upsert(schema.labels, labels, connection=connection)


def _delete_labels(connection: Connection, pictures: Sequence[str], field: str | None) -> None:
    table = schema.labels
    for part in _parts(pictures):
        query = delete(table).where(table.c.sha256.in_(part), table.c.origin == Origin.HUMAN.value)
        connection.execute(query if field is None else query.where(table.c.field == field))


def _touches_decisions(kind: str) -> bool:
    return kind in ("keep", "reject", "framing", "clear")


def _marks(kind: str) -> tuple[str, ...]:
    """Return which of `_MARKS` an act of this kind replaces."""
    if kind == "clear":
        return tuple(_MARKS)
    of_regions = {"hide": ("regions",), "show": ("regions",)}
    return {"merge": ("cluster",), "split": ("cluster",), "gold": ("gold",), **of_regions}.get(
        kind, ()
    )


def _delete_rows(connection: Connection, table: Table, pictures: Sequence[str]) -> None:
    for part in _parts(pictures):
        connection.execute(delete(table).where(table.c.sha256.in_(part)))


def _parts(pictures: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut a list for ``IN``: databases take some hundreds of values only."""
    for start in range(0, len(pictures), _CHUNK):
        yield pictures[start : start + _CHUNK]
