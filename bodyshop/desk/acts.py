"""Decisions of a person at the desk, in the rows of a review project; undone exactly."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from sqlalchemy import delete, select

from bodyshop_core.catalog import Field, Origin, add_labels, now, schema
from bodyshop_core.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bodyshop_core.workspace import Workspace

Kind = Literal["keep", "reject", "label", "framing", "clear"]
"""``label`` sets a label, ``framing`` says what is seen, ``clear`` takes back what people said."""

FRAMINGS = ("full", "part", "interior")
NOTE = "human_reject"

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
        The label or framing; of ``reject`` the reason in words, which may be empty.
    field : str
        What a label is about: ``damage``, ``brand`` or ``model``.
    """

    kind: Kind
    pictures: tuple[str, ...]
    by: str
    value: str = ""
    field: str = Field.DAMAGE.value


def perform(workspace: Workspace, act: Act) -> str:
    """Write an act to the catalog, after what it replaces was noted for `undo`.

    A decision counts from the next `bodyshop curate` on, a label at once.

    Returns
    -------
    str
        The act's id.

    Raises
    ------
    UsageError
        The act is none of `Kind`, names no picture or an unknown one, or its value is none.
    """
    _check(act)
    identity = uuid.uuid4().hex
    with _LOCK, workspace.catalog.begin() as connection:
        before = dict(_before(connection, act.pictures))
        if unknown := sorted(set(act.pictures) - before.keys()):
            raise UsageError(f"{unknown[0][:12]} is not in this workspace")
        # In the journal first: a decision that can't be taken back must not be possible.
        _append(workspace, {"id": identity, "at": now(), **vars(act), "before": before})
        _write(workspace, connection, act, before)
    return identity


def undo(workspace: Workspace, by: str) -> tuple[str, ...]:
    """Take back the newest act of a person that was not taken back yet.

    Returns
    -------
    tuple of str
        Its pictures, as they were before; empty when nothing is left to undo.
    """
    with _LOCK, workspace.catalog.begin() as connection:
        open_acts: dict[str, dict[str, Any]] = {}
        for line in _journal(workspace):
            if "undone" in line:
                open_acts.pop(line["undone"], None)
            elif line["by"] == by:
                open_acts[line["id"]] = line
        if not open_acts:
            return ()
        newest = list(open_acts.values())[-1]
        _append(workspace, {"undone": newest["id"], "at": now(), "by": by})
        _restore(workspace, connection, newest["before"])
    return tuple(newest["pictures"])


def _check(act: Act) -> None:
    if act.kind not in get_args(Kind):
        raise UsageError(
            f"there is no act '{act.kind}'", hint=f"one of {', '.join(get_args(Kind))}"
        )
    if not act.pictures:
        raise UsageError("no picture is chosen")
    if act.kind == "label" and not act.value.strip():
        raise UsageError("a label can't be empty")
    if act.kind == "label" and act.field not in {each.value for each in Field}:
        raise UsageError(f"there is no label field '{act.field}'")
    if act.kind == "framing" and act.value not in FRAMINGS:
        raise UsageError(f"there is no framing '{act.value}'", hint=f"one of {', '.join(FRAMINGS)}")


def _write(
    workspace: Workspace, connection: Connection, act: Act, before: Mapping[str, Any]
) -> None:
    by, catalog = f"desk:{act.by}"[:64], workspace.catalog
    if act.kind in ("clear", "label"):
        field = None if act.kind == "clear" else act.field
        _delete_labels(connection, act.pictures, field)
    if act.kind == "clear":
        _delete_decisions(connection, act.pictures)
    elif act.kind == "label":
        rows = [(sha256, act.field, act.value.strip(), Origin.HUMAN, by) for sha256 in act.pictures]
        add_labels(catalog, rows, connection=connection)
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


def _before(connection: Connection, pictures: Sequence[str]) -> Iterator[tuple[str, Any]]:
    images, decisions, labels = schema.images, schema.decisions, schema.labels
    for start in range(0, len(pictures), _CHUNK):
        part = pictures[start : start + _CHUNK]
        there = connection.scalars(select(images.c.sha256).where(images.c.sha256.in_(part)))
        found: dict[str, Any] = {sha256: {"decision": None, "labels": []} for sha256 in there}
        for row in connection.execute(select(decisions).where(decisions.c.sha256.in_(part))):
            found[row.sha256]["decision"] = dict(row._mapping)
        query = select(labels).where(
            labels.c.sha256.in_(part), labels.c.origin == Origin.HUMAN.value
        )
        for row in connection.execute(query):
            found[row.sha256]["labels"].append(dict(row._mapping))
        yield from found.items()


def _restore(workspace: Workspace, connection: Connection, before: Mapping[str, Any]) -> None:
    images = schema.images
    pictures = list(before)
    _delete_labels(connection, pictures, None)
    _delete_decisions(connection, pictures)
    for start in range(0, len(pictures), _CHUNK):
        part = pictures[start : start + _CHUNK]
        # One that `bodyshop forget` erased meanwhile does not come back.
        there = connection.scalars(select(images.c.sha256).where(images.c.sha256.in_(part))).all()
        decisions = [before[sha256]["decision"] for sha256 in there if before[sha256]["decision"]]
        workspace.catalog.upsert(schema.decisions, decisions, connection=connection)
        labels = [label for sha256 in there for label in before[sha256]["labels"]]
        workspace.catalog.upsert(schema.labels, labels, connection=connection)


def _delete_labels(connection: Connection, pictures: Sequence[str], field: str | None) -> None:
    table = schema.labels
    for start in range(0, len(pictures), _CHUNK):
        which = table.c.sha256.in_(pictures[start : start + _CHUNK])
        query = delete(table).where(which, table.c.origin == Origin.HUMAN.value)
        connection.execute(query if field is None else query.where(table.c.field == field))


def _delete_decisions(connection: Connection, pictures: Sequence[str]) -> None:
    table = schema.decisions
    for start in range(0, len(pictures), _CHUNK):
        which = table.c.sha256.in_(pictures[start : start + _CHUNK])
        connection.execute(delete(table).where(which))


def _append(workspace: Workspace, line: Mapping[str, Any]) -> None:
    path = workspace.root / "desk" / "acts.jsonl"
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _journal(workspace: Workspace) -> Iterator[dict[str, Any]]:
    path = workspace.root / "desk" / "acts.jsonl"
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            # A line that a power cut broke off belongs to an act that was never written.
            if line.endswith("\n"):
                yield json.loads(line)
