"""Reading the present state of a workspace from its catalog, part after part."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from json.encoder import encode_basestring
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
    decode,
    joined,
    no_collection,
    written,
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
        drawn = _masks(connection, workspace.derived)
        masks = {sha: ",".join(map(_mask, each)) for sha, each in drawn.items()}
        about = _about(connection)
        about["newest"] = newest.name if newest else None
        chunks: dict[str, list[PictureState]] = {}
        packed = PackedChunks()
        for between in [None] if count <= WHOLE else _ranges(connection):
            for prefix, rows in _chunks(connection, between, masks):
                if few:
                    chunks[prefix] = decode(joined(rows))
                else:
                    packed.put(prefix, joined(rows), len(rows))
    return State(about, chunks if few else packed)


def _mask(mask: Iterable[str]) -> str:
    return f"[{','.join(map(encode_basestring, mask))}]"


def mask_digests(workspace: Workspace) -> dict[str, list[list[str]]]:
    """Return sha256 -> ``[class, digest]`` of each mask in use now; see `PictureState.masks`."""
    with workspace.catalog.read() as connection:
        return _masks(connection, workspace.derived)


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


class _Places(dict[str, int]):
    """sha256 -> place among the pictures that are read; any other has the place after the last.

    A list of what a table says, by these places, takes half of the time of a mapping by sha256.
    """

    def __missing__(self, sha256: str) -> int:
        return len(self)


def _chunks(
    connection: Connection, between: Range, masks: Mapping[str, str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield prefix and pictures of the chunks of a range, each picture as `encode` writes it.

    What many pictures have in common is written once and then looked up.
    """
    query = select(schema.images.c.sha256).where(_in(schema.images.c.sha256, between))
    shas = sorted(sha for (sha,) in _tuples(connection, query))
    places = _Places(zip(shas, range(len(shas)), strict=True))
    columns = [
        _sightings(connection, between, places),
        _verdicts(connection, between, places),
        *_labels(connection, between, places),
        _splits(connection, between, places),
        [masks.get(sha, "") for sha in shas],  # `masks` has those of all pictures
    ]
    rows = [
        f'["{sha}",{seen},{verdict},{damage},{brand},{model},[{splits}],[{drawn}]]'
        for sha, seen, verdict, damage, brand, model, splits, drawn in zip(
            shas, *columns, strict=False  # the place after the last is left out
        )
    ]  # fmt: skip
    first = 0
    while first < len(shas):
        prefix = shas[first][:PREFIX]
        end = bisect_right(shas, prefix, first, key=lambda sha: sha[:PREFIX])
        yield prefix, rows[first:end]
        first = end


class _Written(dict[tuple[Any, ...], str]):
    """Values -> their JSON, of those that were asked for."""

    def __missing__(self, values: tuple[Any, ...]) -> str:
        text = self[values] = written(values)
        return text


def _labels(connection: Connection, between: Range, places: _Places) -> Iterator[list[str]]:
    """Yield label and who gave it of each field; the rule is that of `effective_labels`."""
    table, texts = schema.labels, _Written()
    # Not by field: SQLite would then read all pictures' labels of the field for every range.
    query = select(table.c.sha256, table.c.field, table.c.value, table.c.origin)
    rows = _tuples(connection, query.where(_in(table.c.sha256, between)))
    columns: dict[str, list[str | None]] = {
        field.value: [None] * (len(places) + 1) for field in Field
    }
    for sha, field, value, by in rows:
        columns[field][places[sha]] = texts[value, by]
    empty = sum(column.count(None) for column in columns.values())
    several = len(rows) + empty > len(Field) * (len(places) + 1)
    for name, column in columns.items():
        if several:
            said = [(sha, value, by) for sha, field, value, by in rows if field == name]
            times = Counter(sha for sha, _, _ in said)
            for sha, values in _that_count(row for row in said if times[row[0]] > 1).items():
                column[places[sha]] = texts[values]
        yield [text or texts[None, None] for text in column]


def _that_count(said: Iterable[tuple[str, str, str]]) -> dict[str, tuple[str | None, str]]:
    """Return sha256 -> the value of the highest rank and who gave it, of several."""
    rank = {origin.value: place for place, origin in enumerate(Origin)}
    found: dict[str, tuple[str | None, str]] = {}
    ranks: dict[str, int] = {}
    for sha, value, by in said:
        this, known = rank[by], ranks.get(sha)
        if known is None or this < known:
            found[sha], ranks[sha] = (value, by), this
        elif this == known and found[sha][0] != value:
            found[sha] = (None, CONFLICT)
    return found


def _verdicts(connection: Connection, between: Range, places: _Places) -> list[str]:
    table, images = schema.verdicts, schema.images
    reasons_as_text = type_coerce(table.c.reasons, Text)
    query = select(
        table.c.sha256, table.c.verdict, reasons_as_text, table.c.human,
        table.c.policy, table.c.cluster, images.c.sha256, table.c.group,
    ).outerjoin(images, images.c.sha256 == table.c.representative).where(
        _in(table.c.sha256, between)
    )  # fmt: skip
    texts: dict[tuple[Any, ...], str] = {}
    found = [written((None, "", False, None, None, None, None))] * (len(places) + 1)
    # `best` is None when the representative was erased since
    for sha, verdict, reasons, human, policy, cluster, best, group in _tuples(connection, query):
        if reasons.__class__ is not str:
            reasons = json.dumps(reasons)
        key = (verdict, reasons, human, policy)
        if key not in texts:  # a few combinations
            why = ";".join(json.loads(reasons))
            texts[key] = written((verdict, why, bool(human), policy))
        found[places[sha]] = (
            f"{texts[key]},{'null' if cluster is None else encode_basestring(cluster)},"
            f"{'null' if best is None else encode_basestring(best)},"
            f"{'null' if group is None else encode_basestring(group)}"
        )
    return found


def _sightings(connection: Connection, between: Range, places: _Places) -> list[str]:
    """Return source and origin of each picture's first sighting."""
    table, texts = schema.sightings, _Written()
    query = (
        select(table.c.sha256, table.c.source, table.c.origin)
        .where(_in(table.c.sha256, between))
        .order_by(table.c.fetched_at.desc(), table.c.key.desc())
    )
    found = [written((None, None))] * (len(places) + 1)
    # the last one set is the first
    for sha, source, origin in _tuples(connection, query):
        found[places[sha]] = texts[source, origin or source]
    return found


def _splits(connection: Connection, between: Range, places: _Places) -> list[str]:
    table, texts = schema.splits, _Written()
    query = select(table.c.sha256, table.c.split, table.c.label, table.c.group)
    found = [""] * (len(places) + 1)
    sets = schema.split_sets.c.name
    for name in connection.scalars(select(sets).order_by(sets)).all():
        of_set = query.where(table.c.split_set == name, _in(table.c.sha256, between))
        for sha, split, label, group in _tuples(connection, of_set):
            place = places[sha]
            text = f"[{texts[name, split, label]},{encode_basestring(group)}]"
            found[place] = f"{found[place]},{text}" if found[place] else text
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
    return list(chain.from_iterable(stream(connection, query)))
