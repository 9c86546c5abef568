"""The manifest: one row per picture with what the catalog knows about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, select

from bodyshop_core.catalog import UNKNOWN, Field, schema, stream, within
from bodyshop_core.errors import UsageError
from bodyshop_core.snapshots import PART, PictureState, State, mask_digests, read_state

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
    """Return what `each_manifest_row` yields."""
    return list(each_manifest_row(workspace, split_set=split_set, state=state))


def each_manifest_row(
    workspace: Workspace, *, split_set: str | None = None, state: State | None = None
) -> Iterator[dict[str, Any]]:
    """Yield a row for every picture, kept or not, in the order of their sha256.

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

    Yields
    ------
    dict
        With the keys `COLUMNS`. ``width`` and ``height`` are in pixels after EXIF rotation;
        ``file`` is the imported file's path or the URL; ``reasons`` and ``mask`` (paths relative
        to the workspace or its bucket) are joined by ``;``; ``permission`` is JSON; ``gold`` is
        ``yes`` where a person checked what is said. Unknown is None.

    Raises
    ------
    UsageError
        There is no split set of this name.
    """
    state = state or read_state(workspace)
    name = split_set_of(state, split_set)
    drawn = mask_digests(workspace) if state.recorded else None
    with workspace.catalog.read() as connection:
        for pictures in _parts(state):
            yield from _rows(connection, pictures, state, name, drawn)


def _parts(state: State) -> Iterator[list[PictureState]]:
    """Yield the pictures of a state in parts, by sha256."""
    pictures: list[PictureState] = []
    for prefix in sorted(state.chunks):
        pictures += state.chunks[prefix]
        if len(pictures) >= PART:
            yield pictures
            pictures = []
    if pictures:
        yield pictures


def _rows(
    connection: Connection,
    pictures: Sequence[PictureState],
    state: State,
    name: str | None,
    drawn: Mapping[str, list[list[str]]] | None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of pictures that are sorted by sha256."""
    target = state.about["split_sets"][name]["target"] if name else Field.DAMAGE
    between = (pictures[0].sha256, pictures[-1].sha256)
    images = _by_sha(connection, between, *(schema.images.c[n] for n in ("width", "height")))
    framings = _by_sha(connection, between, schema.decisions.c.framing)
    gates = _by_sha(connection, between, schema.verdicts.c.gate)
    sightings = _first_sightings(connection, between)
    measured = _measurements(connection, between)
    scores = _scores(connection, between)
    masks = _masks(connection, between)
    gold = _by_sha(connection, between, schema.gold.c.sha256)
    nothing = (None,) * 4
    for picture in pictures:
        sha256 = picture.sha256
        if sha256 not in images:  # erased this moment
            continue
        file, url, licence, permission = sightings.get(sha256, nothing)
        stored, size = images[sha256], measured.get(sha256, nothing)
        p_car, framing = scores.get((sha256, gates.get(sha256, nothing)[0]), (None, None))
        split, label, group = next(
            (placed for of, *placed in picture.splits if of == name), (None, None, None)
        )
        same = drawn is None or drawn.get(sha256, []) == picture.masks
        yield {
            "sha256": sha256,
            "file": file or url,
            "source": picture.source,
            "label": label or picture.label(target),
            "brand": picture.brand,
            "model": _without_brand(picture.model, picture.brand),
            "width": size[0] or stored[0],
            "height": size[1] or stored[1],
            "phash": size[2],
            "sharpness": size[3],
            "p_car": p_car,
            "framing": framings.get(sha256, nothing)[0] or framing,
            "verdict": picture.verdict,
            "reasons": picture.reasons,
            "cluster": picture.cluster,
            "representative": picture.representative,
            "group": group or picture.group,
            "split": split,
            "mask": ";".join(file for _, file in masks.get(sha256, ())) if same else "",
            "licence": licence,
            "permission": permission,
            "origin": picture.origin or UNKNOWN,
            "gold": "yes" if sha256 in gold else None,
        }


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


Range = tuple[str, str]


def _by_sha(
    connection: Connection, between: Range, *columns: Column[Any]
) -> dict[str, tuple[Any, ...]]:
    """Return sha256 -> columns of a table that has one row per picture."""
    sha = columns[0].table.c.sha256
    query = select(sha, *columns).where(within(sha, between))
    return {name: tuple(row) for part in stream(connection, query) for name, *row in part}


def _first_sightings(connection: Connection, between: Range) -> dict[str, tuple[Any, ...]]:
    """Return sha256 -> file, url, licence, and permission as JSON."""
    table = schema.sightings
    query = (
        select(table.c.sha256, table.c.file, table.c.url, table.c.licence, table.c.permission)
        .where(within(table.c.sha256, between))
        .order_by(table.c.fetched_at.desc(), table.c.key.desc())
    )
    said: dict[Any, str | None] = {}  # a host says the same about all of its pictures
    first: dict[str, tuple[Any, ...]] = {}
    for part in stream(connection, query):
        for name, *found, permission in part:
            key = json.dumps(permission) if isinstance(permission, dict | list) else permission
            if key not in said:
                said[key] = _as_json(permission)
            first[name] = (*found, said[key])  # the last one set is the first
    return first


def _measurements(connection: Connection, between: Range) -> dict[str, tuple[Any, ...]]:
    """Return width, height, phash, sharpness of the current measuring version, or an older one."""
    from curate.measure.stage import VERSION

    table = schema.measurements
    query = (
        select(
            table.c.sha256, table.c.version,
            table.c.width, table.c.height, table.c.phash, table.c.sharpness,
        )
        .where(within(table.c.sha256, between))
        .order_by(table.c.version)
    )  # fmt: skip
    old: dict[str, tuple[Any, ...]] = {}
    current: dict[str, tuple[Any, ...]] = {}
    for part in stream(connection, query):
        for name, version, *row in part:
            (current if version == VERSION else old)[name] = tuple(row)
    return old | current


def _scores(connection: Connection, between: Range) -> dict[tuple[str, str | None], Any]:
    """Return (sha256, gate) -> p_car, framing."""
    table = schema.gate_scores
    query = select(table.c.sha256, table.c.gate, table.c.p_car, table.c.framing)
    parts = stream(connection, query.where(within(table.c.sha256, between)))
    return {(name, gate): row for part in parts for name, gate, *row in part}


def _masks(connection: Connection, between: Range) -> dict[str, list[tuple[str, str]]]:
    table = schema.annotations
    query = (
        select(table.c.sha256, table.c.label, table.c.file)
        .where(
            table.c.kind == "mask",
            table.c.state == "current",
            table.c.file.is_not(None),
            within(table.c.sha256, between),
        )
        .order_by(table.c.sha256, table.c.label.asc().nulls_first(), table.c.file)
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for sha256, label, file in connection.execute(query):
        found.setdefault(sha256, []).append((label, file))
    return found


def _without_brand(model: str | None, brand: str | None) -> str | None:
    """Remove the brand from a model, which the catalog stores with its brand."""
    if model is None or brand is None:
        return model
    return model.removeprefix(f"{brand} ") or model


def _as_json(value: str | Mapping[str, Any] | Iterable[Any] | None) -> str | None:
    """Return JSON in its canonical form; a driver may have parsed it, or not."""
    parsed = json.loads(value) if isinstance(value, str) else value
    return None if parsed is None else json.dumps(parsed, ensure_ascii=False, sort_keys=True)
