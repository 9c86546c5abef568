"""Reading the present state of a workspace from its catalog, part after part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, repeat
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, func, select, true, type_coerce

from bodyshop_core.catalog import Field, Origin, schema, stream, within
from bodyshop_core.catalog.split_sets import newest_split_set
from bodyshop_core.snapshots.state import (
    CONFLICT,
    PREFIX,
    PackedChunks,
    PictureState,
    State,
    no_collection,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select

    from bodyshop_core.storage.derived_files import DerivedFiles
    from bodyshop_core.workspace import Workspace

PART = 20_000
"""Pictures that are read at a time: bounds the memory of what is put together."""


def read_state(workspace: Workspace) -> State:
    """Read what the catalog says about every picture now, `PART` pictures at a time."""
    newest = newest_split_set(workspace.catalog)
    with no_collection(), workspace.catalog.read() as connection:
        pictures = select(func.count()).select_from(schema.images)
        count = int(connection.scalar(pictures) or 0)
        few = count <= PART
        masks = _masks(connection, workspace.derived)
        about = _about(connection)
        about["newest"] = newest.name if newest else None
        chunks: dict[str, list[PictureState]] = {}
        packed = PackedChunks()
        for between in [None] if count <= WHOLE else _ranges(connection):
            for prefix, rows in _chunks(connection, between, masks):
                if few:
                    chunks[prefix] = list(map(PictureState._make, rows))
                else:
                    packed.put(prefix, rows)
    return State(about, chunks if few else packed)


def mask_digests(workspace: Workspace) -> dict[str, list[list[str]]]:
    """Return sha256 -> ``[class, digest]`` of each mask in use now; see `PictureState.masks`."""
    with workspace.catalog.read() as connection:
        return _masks(connection, workspace.derived)


_NONE: list[list[str]] = []
"""Splits or masks of a picture that has none; only read."""

Row = tuple[Any, ...]
"""The values of a `PictureState`, in its order."""

WHOLE = 120_000
"""Up to so many pictures are read in one part: tables are then read in the order in which they are
stored, which takes SQLite half of the time that finding the rows of a part takes."""

Range = tuple[str, str] | None
"""The smallest and the largest sha256 of some pictures, both among them; None: all pictures."""


def _ranges(connection: Connection) -> Iterator[Range]:
    """Cut the pictures into parts of about `PART`, never inside of a chunk."""
    sha = schema.images.c.sha256
    prefix = func.substr(sha, 1, PREFIX)
    query = select(func.min(sha), func.max(sha), func.count()).group_by(prefix).order_by(prefix)
    first, held = "", 0
    last = ""
    for low, high, count in connection.execute(query).all():
        if held and held + count > PART:
            yield first, last
            held = 0
        first, last, held = (first if held else low), high, held + count
    if held:
        yield first, last


def _in(column: ColumnElement[str], between: Range) -> ColumnElement[bool]:
    return true() if between is None else within(column, between)


def _chunks(
    connection: Connection, between: Range, masks: Mapping[str, list[list[str]]]
) -> Iterator[tuple[str, list[Row]]]:
    """Yield prefix and pictures of the chunks of a range: put together column after column."""
    query = select(schema.images.c.sha256).where(_in(schema.images.c.sha256, between))
    shas = sorted(sha for (sha,) in _tuples(connection, query))
    columns: list[Iterable[Any]] = [shas]

    def add(found: Mapping[str, tuple[Any, ...]], unknown: tuple[Any, ...]) -> None:
        columns.extend(zip(*map(found.get, shas, repeat(unknown)), strict=True))

    if not shas:
        return
    nothing = (None, None)
    add(_sightings(connection, between), nothing)
    add(_verdicts(connection, between), (None, "", False, None, None, None, None))
    labels = _labels(connection, between)
    for field in Field:
        add(labels.pop(field.value), nothing)
    splits = _splits(connection, between)
    columns += [[splits.get(sha, _NONE) for sha in shas], [masks.get(sha, _NONE) for sha in shas]]
    rows = zip(*columns, strict=True)
    yield from ((prefix, list(part)) for prefix, part in groupby(rows, _prefix))


def _prefix(row: Row) -> str:
    return str(row[0][:PREFIX])


def _labels(connection: Connection, between: Range) -> dict[str, dict[str, tuple[str | None, str]]]:
    """Return field -> sha256 -> label and who gave it; the rule is that of `effective_labels`."""
    rank = {origin.value: place for place, origin in enumerate(Origin)}
    table = schema.labels
    # Not by field: SQLite would then read all pictures' labels of the field for every range.
    query = select(table.c.sha256, table.c.field, table.c.value, table.c.origin)
    labels: dict[str, dict[str, tuple[str | None, str]]] = {field.value: {} for field in Field}
    disputed: dict[tuple[str, str], int] = {}
    for sha, field, value, origin in _tuples(connection, query.where(_in(table.c.sha256, between))):
        found = labels[field]
        other, by = found.setdefault(sha, (value, origin))
        if other == value and by == origin:
            continue
        known, this = disputed.get((field, sha), rank.get(by, 0)), rank[origin]
        if this < known:
            found[sha] = (value, origin)
            disputed.pop((field, sha), None)
        elif this == known and other != value:
            found[sha], disputed[field, sha] = (None, CONFLICT), this
    return labels


def _verdicts(connection: Connection, between: Range) -> dict[str, tuple[Any, ...]]:
    table, images = schema.verdicts, schema.images
    reasons_as_text = type_coerce(table.c.reasons, Text)
    query = select(
        table.c.sha256, table.c.verdict, reasons_as_text, table.c.human,
        table.c.policy, table.c.cluster, images.c.sha256, table.c.group,
    ).outerjoin(images, images.c.sha256 == table.c.representative).where(
        _in(table.c.sha256, between)
    )  # fmt: skip
    joined: dict[Any, str] = {}
    found = {}
    # `best` is None when the representative was erased since
    for sha, verdict, reasons, human, policy, cluster, best, group in _tuples(connection, query):
        key = reasons if isinstance(reasons, str) else json.dumps(reasons)
        if key not in joined:  # a few combinations: each is parsed once
            joined[key] = ";".join(json.loads(key))
        found[sha] = (verdict, joined[key], bool(human), policy, cluster, best, group)
    return found


def _sightings(connection: Connection, between: Range) -> dict[str, tuple[str | None, str | None]]:
    """Return source and origin of each picture's first sighting."""
    table = schema.sightings
    query = (
        select(table.c.sha256, table.c.source, table.c.origin)
        .where(_in(table.c.sha256, between))
        .order_by(table.c.fetched_at.desc(), table.c.key.desc())
    )
    # the last one set is the first
    return {sha: (source, origin or source) for sha, source, origin in _tuples(connection, query)}


def _splits(connection: Connection, between: Range) -> dict[str, list[list[str]]]:
    table = schema.splits
    query = select(table.c.sha256, table.c.split_set, table.c.split, table.c.label, table.c.group)
    found: dict[str, list[list[str]]] = {}
    sets = schema.split_sets.c.name
    for name in connection.scalars(select(sets).order_by(sets)).all():
        of_set = query.where(table.c.split_set == name, _in(table.c.sha256, between))
        for sha, *placed in _tuples(connection, of_set):
            found.setdefault(sha, []).append(placed)
    return found


def _masks(connection: Connection, derived: DerivedFiles) -> dict[str, list[list[str]]]:
    """Return the masks in use with a digest of their pixels and of the regions they consist of."""
    table, regions = schema.annotations, schema.regions
    query = (
        select(table.c.sha256, table.c.label, table.c.file, table.c.key)
        .where(table.c.kind == "mask", table.c.state == "current", table.c.file.is_not(None))
        .order_by(table.c.label, table.c.key)
    )
    masks = _tuples(connection, query)
    if not masks:
        return {}
    drawn: dict[str, list[str]] = {}
    facts = select(
        regions.c.mask, regions.c.severity, regions.c.part, type_coerce(regions.c.geometry, Text)
    ).order_by(regions.c.number, regions.c.key)
    for key, *said in _tuples(connection, facts):
        drawn.setdefault(key, []).append(repr(said))
    found: dict[str, list[list[str]]] = {}
    contents = derived.contents(file for _, _, file, _ in masks)
    for (sha, label, _, key), pixels in zip(masks, contents, strict=True):
        if pixels is None:  # reported where the masks are used
            pixels = b"missing"
        digest = hashlib.sha256(pixels + "\n".join(drawn.get(key, ())).encode()).hexdigest()[:16]
        found.setdefault(sha, []).append([label or "damage", digest])
    return found


def _about(connection: Connection) -> dict[str, Any]:
    used = set(connection.scalars(select(schema.verdicts.c.policy).distinct()))
    known = {row.digest: row.content for row in connection.execute(select(schema.policies))}
    sets = schema.split_sets
    return {
        "policies": {digest: known.get(digest) for digest in sorted(used)},
        "split_sets": {
            name: {"target": target, "seed": seed, "ratios": ratios, "options": options}
            for name, target, seed, ratios, options in connection.execute(
                select(sets.c.name, sets.c.target, sets.c.seed, sets.c.ratios, sets.c.options)
            )
        },
    }


def _tuples(connection: Connection, query: Select[Any]) -> list[tuple[Any, ...]]:
    return [row for part in stream(connection, query) for row in part]
