"""The manifest: one row per picture with what the catalog knows about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, Table, select

from bodyshop_core.catalog import UNKNOWN, Field, schema
from bodyshop_core.errors import UsageError
from bodyshop_core.snapshots import State, mask_digests, read_state

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bodyshop_core.workspace import Workspace

COLUMNS = (
    "sha256",
    "file",
    "source",
    "label",
    "brand",
    "model",
    "width",
    "height",
    "phash",
    "sharpness",
    "p_car",
    "framing",
    "verdict",
    "reasons",
    "cluster",
    "representative",
    "group",
    "split",
    "mask",
    "licence",
    "permission",
    "origin",
    "gold",
)
"""The contract with other tools; a column is never renamed or moved."""


def manifest_rows(
    workspace: Workspace, *, split_set: str | None = None, state: State | None = None
) -> list[dict[str, Any]]:
    """Collect a row for every picture, kept or not, in the order of their sha256.

    Parameters
    ----------
    workspace : Workspace
        With a catalog.
    split_set : str, optional
        Split set for the columns label, group and split; default the newest, if any.
    state : State, optional
        Whose pictures, verdicts, labels and splits are meant; by default those of now. What was
        measured and where a picture was found is as it is now. A mask that has changed since then
        is left out.

    Returns
    -------
    list of dict
        With the keys `COLUMNS`. ``width`` and ``height`` are in pixels after EXIF rotation;
        ``file`` is the imported file's path or the URL; ``reasons`` and ``mask`` (paths relative
        to the workspace) are joined by ``;``; ``permission`` is JSON; ``gold`` is
        ``yes`` where a person checked what is said. Unknown is None.

    Raises
    ------
    UsageError
        There is no split set of this name.
    """
    catalog = workspace.catalog
    state = state or read_state(workspace)
    name = split_set_of(state, split_set)
    target = state.about["split_sets"][name]["target"] if name else Field.DAMAGE
    with catalog.read() as connection:
        images = _by_sha(connection, schema.images)
        decisions = _by_sha(connection, schema.decisions)
        gates = _gates(connection)
        sightings = _first_sightings(connection)
        measured = _measurements(connection)
        scores = {
            (row.sha256, row.gate): row for row in connection.execute(select(schema.gate_scores))
        }
        masks = _masks(connection)
    gold = gold_pictures(workspace)
    drawn = mask_digests(workspace) if state.recorded else None
    rows = []
    for sha256, picture in sorted(state.pictures.items()):
        image, sighting, size = images.get(sha256), sightings.get(sha256), measured.get(sha256)
        if image is None:  # erased this moment
            continue
        score = scores.get((sha256, gates.get(sha256)))
        split, label, group = next(
            (placed for of, *placed in picture.splits if of == name), (None, None, None)
        )
        same = drawn is None or drawn.get(sha256, []) == picture.masks
        rows.append(
            {
                "sha256": sha256,
                "file": _get(sighting, "file") or _get(sighting, "url"),
                "source": picture.source,
                "label": label or picture.label(target),
                "brand": picture.brand,
                "model": _without_brand(picture.model, picture.brand),
                "width": _get(size, "width") or image.width,
                "height": _get(size, "height") or image.height,
                "phash": _get(size, "phash"),
                "sharpness": _get(size, "sharpness"),
                "p_car": _get(score, "p_car"),
                "framing": _get(decisions.get(sha256), "framing") or _get(score, "framing"),
                "verdict": picture.verdict,
                "reasons": picture.reasons,
                "cluster": picture.cluster,
                "representative": picture.representative,
                "group": group or picture.group,
                "split": split,
                "mask": ";".join(file for _, file in masks.get(sha256, ())) if same else "",
                "licence": _get(sighting, "licence"),
                "permission": _as_json(_get(sighting, "permission")),
                "origin": picture.origin or UNKNOWN,
                "gold": "yes" if sha256 in gold else None,
            }
        )
    return rows


def gold_pictures(workspace: Workspace, among: Sequence[str] | None = None) -> set[str]:
    """Return the pictures that people marked as gold: what is said about them was checked."""
    query = select(schema.gold.c.sha256)
    if among is not None:
        query = query.where(schema.gold.c.sha256.in_(among))
    with workspace.catalog.read() as connection:
        return set(connection.scalars(query))


def split_set_of(state: State, name: str | None) -> str | None:
    """Return the split set of this name, or else the newest one of a state, if any.

    Raises
    ------
    UsageError
        There is none of this name.
    """
    known = state.about["split_sets"]
    if name is not None and name not in known:
        raise UsageError(
            f"there is no split set '{name}'",
            hint=f"there are: {', '.join(sorted(known))}" if known else "run: bodyshop curate",
        )
    newest: str | None = name or state.about["newest"]
    return newest


def _gates(connection: Connection) -> dict[str, str | None]:
    table = schema.verdicts
    rows = connection.execute(select(table.c.sha256, table.c.gate))
    return {row.sha256: row.gate for row in rows}


def _by_sha(connection: Connection, table: Table, *conditions: Any) -> dict[str, Row[Any]]:
    query = select(table).where(*conditions)
    return {row.sha256: row for row in connection.execute(query)}


def _first_sightings(connection: Connection) -> dict[str, Row[Any]]:
    table = schema.sightings
    query = select(table).order_by(table.c.fetched_at.desc(), table.c.key.desc())
    return {row.sha256: row for row in connection.execute(query)}  # the last one set is the first


def _measurements(connection: Connection) -> dict[str, Row[Any]]:
    """Return the rows of the current measuring version, or else of an older one."""
    from curate.measure.stage import VERSION

    table = schema.measurements
    rows = connection.execute(select(table).order_by(table.c.version)).all()
    old = {row.sha256: row for row in rows}
    return old | {row.sha256: row for row in rows if row.version == VERSION}


def _masks(connection: Connection) -> dict[str, list[tuple[str, str]]]:
    table = schema.annotations
    query = (
        select(table.c.sha256, table.c.label, table.c.file)
        .where(table.c.kind == "mask", table.c.state == "current", table.c.file.is_not(None))
        .order_by(table.c.sha256, table.c.label.asc().nulls_first(), table.c.file)
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for sha256, label, file in connection.execute(query):
        found.setdefault(sha256, []).append((label, file))
    return found


def _get(row: Row[Any] | None, name: str) -> Any:
    return None if row is None else getattr(row, name)


def _without_brand(model: str | None, brand: str | None) -> str | None:
    """Remove the brand from a model, which the catalog stores with its brand."""
    if model is None or brand is None:
        return model
    return model.removeprefix(f"{brand} ") or model


def _as_json(value: Mapping[str, Any] | Iterable[Any] | None) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)
