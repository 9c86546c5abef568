"""Duplicate clusters that a person merges or splits: whom that concerns, and its rows."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_CHUNK = 500


def cluster_members(connection: Connection, pictures: Sequence[str]) -> list[str]:
    """Return pictures and all that share a cluster with one of them, by sha256.

    The cluster of a picture is the one that a person put it into, and else that of its verdict.
    """
    placed, verdicts = schema.cluster_decisions, schema.verdicts
    by_person = dict(connection.execute(select(placed.c.sha256, placed.c.cluster)).all())
    query = select(verdicts.c.sha256, verdicts.c.cluster).where(verdicts.c.cluster.is_not(None))
    found = dict(connection.execute(query).all())
    made: dict[str, set[str]] = {}
    for sha256, tag in by_person.items():
        made.setdefault(found.get(sha256, ""), set()).add(tag)
    # A newcomer that curate added to a cluster of a person belongs to it.
    alone = {name: next(iter(tags)) for name, tags in made.items() if len(tags) == 1 and name}

    def key(sha256: str) -> tuple[str, str]:
        name = found.get(sha256)
        tag = by_person.get(sha256) or alone.get(name or "")
        return ("person", tag) if tag else ("found", name) if name else ("one", sha256)

    wanted = {key(sha256) for sha256 in pictures}
    others = (sha256 for sha256 in {*by_person, *found} if key(sha256) in wanted)
    return sorted({*pictures, *others})


def placed_rows(
    connection: Connection, kind: str, pictures: Sequence[str], chosen: Sequence[str], by: str
) -> list[dict[str, Any]]:
    """Return the rows of `cluster_decisions` that an act writes.

    Parameters
    ----------
    connection : Connection
        Of the act.
    kind : str
        ``merge``: all pictures show the same; ``split``: those chosen are another cluster.
    pictures : sequence of str
        As `cluster_members` returned them.
    chosen : sequence of str
        Those that the person chose.
    by : str
        As it is written.

    Raises
    ------
    UsageError
        There is nothing to merge or to split.
    """
    if kind == "merge":
        if len(pictures) < 2:
            raise UsageError("one picture can't be merged", hint="choose two or more first (x)")
        name = _name()
        return [_row(sha256, name, True, by) for sha256 in pictures]
    apart = set(chosen)
    rest = [sha256 for sha256 in pictures if sha256 not in apart]
    if not rest:
        raise UsageError(
            "nothing of the cluster would be left",
            hint="choose only those that are another picture than the rest",
        )
    if len({tuple(cluster_members(connection, [sha256])) for sha256 in chosen}) > 1:
        raise UsageError("these are of several clusters", hint="split one after the other")
    merged = _merged(connection, pictures)
    names = {True: _name(), False: _name()}
    return [_row(sha256, names[sha256 in apart], sha256 in merged, by) for sha256 in pictures]


def _merged(connection: Connection, pictures: Sequence[str]) -> set[str]:
    table = schema.cluster_decisions
    found: set[str] = set()
    for start in range(0, len(pictures), _CHUNK):
        part = table.c.sha256.in_(pictures[start : start + _CHUNK])
        found.update(connection.scalars(select(table.c.sha256).where(part, table.c.merged)))
    return found


def _name() -> str:
    """Return a name that holds no digits of a picture, which `forget` would have to erase."""
    return uuid.uuid4().hex


def _row(sha256: str, cluster: str, merged: bool, by: str) -> dict[str, Any]:
    return {"sha256": sha256, "cluster": cluster, "merged": merged, "by": by, "at": now()}
