"""What a catalog says about every picture at one time, and the digest that names it.

A state is cut by the first two digits of the pictures' sha256 into chunks. Two states that have a
chunk in common store it once, and comparing them skips it.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Text, select, type_coerce

from bodyshop_core.catalog import Field, Origin, schema
from bodyshop_core.catalog.split_sets import newest_split_set

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from bodyshop_core.workspace import Workspace

FORMAT = 1
"""Of the chunks; part of every digest."""

PREFIX = 2
"""Hexadecimal digits that the pictures of a chunk have in common: at most 256 chunks."""

CONFLICT = "conflict"
"""In place of who gave a label, when those of equal rank differ."""


class PictureState(NamedTuple):
    """One picture at one time.

    Parameters
    ----------
    sha256 : str
        Of the original bytes.
    source, origin : str or None
        How and where it was found first.
    verdict : str or None
        ``keep`` or ``reject``.
    reasons : str
        Joined by ``;``.
    human : bool
        Whether a person decided.
    policy : str or None
        Digest of the policy that decided.
    cluster, representative, group : str or None
        As in the table ``verdicts``.
    damage, damage_by, brand, brand_by, model, model_by : str or None
        The label that counts of each field, and who gave it (`bodyshop_core.catalog.Origin`, or
        `CONFLICT`).
    splits : list
        ``[split set, split, label, group]`` of each split set that it is in.
    masks : list
        ``[class, digest]`` of each mask in use, with its regions.
    """

    sha256: str
    source: str | None
    origin: str | None
    verdict: str | None
    reasons: str
    human: bool
    policy: str | None
    cluster: str | None
    representative: str | None
    group: str | None
    damage: str | None
    damage_by: str | None
    brand: str | None
    brand_by: str | None
    model: str | None
    model_by: str | None
    splits: list[list[str]]
    masks: list[list[str]]

    @property
    def kept(self) -> bool:
        """Whether it was kept."""
        return self.verdict == "keep"

    def label(self, field: str) -> str | None:
        """Return the label of a field: ``damage``, ``brand`` or ``model``."""
        value: str | None = getattr(self, Field(field).value)
        return value

    def split(self, split_set: str) -> str | None:
        """Return its split of a split set; None when it is in none."""
        return next((split for name, split, *_ in self.splits if name == split_set), None)


@dataclass(frozen=True)
class State:
    """All pictures at one time.

    Parameters
    ----------
    about : mapping
        ``policies``: digest -> content of curate.yaml (None where an older bodyshop decided);
        ``split_sets``: name -> target, seed, ratios and options; ``newest``: the split set that
        commands used by default, or None.
    chunks : mapping
        Prefix of the sha256 -> pictures, by sha256.
    recorded : str
        The id under which it was recorded; empty for one that was just read.
    """

    about: Mapping[str, Any]
    chunks: Mapping[str, list[PictureState]]
    recorded: str = ""

    @property
    def id(self) -> str:
        """64 hexadecimal digits; the same for equal states, whenever they were recorded."""
        return self.recorded or digest_of(self.about, self.digests)

    @cached_property
    def encoded(self) -> dict[str, bytes]:
        """Prefix -> the rows of a chunk as JSON."""
        return {prefix: encode(rows) for prefix, rows in self.chunks.items()}

    @cached_property
    def digests(self) -> dict[str, str]:
        """Prefix -> digest of the rows."""
        return {prefix: hashlib.sha256(data).hexdigest() for prefix, data in self.encoded.items()}

    @cached_property
    def pictures(self) -> dict[str, PictureState]:
        """sha256 -> picture."""
        return {row.sha256: row for rows in self.chunks.values() for row in rows}


def read_state(workspace: Workspace) -> State:
    """Read what the catalog says about every picture now."""
    catalog = workspace.catalog
    newest = newest_split_set(catalog)
    with no_collection(), catalog.read() as connection:
        shas = [sha for (sha,) in _tuples(connection, select(schema.images.c.sha256))]
        labels = {field: _labels(connection, field) for field in Field}
        verdicts = _verdicts(connection, set(shas))
        found = _sightings(connection)
        splits = _splits(connection)
        masks = _masks(connection, workspace.root)
        about = _about(connection, {row[3] for row in verdicts.values()})
        about["newest"] = newest.name if newest else None
        parts = (found, verdicts, labels, splits, masks)
        return State(about, _chunks(shas, *parts))


def mask_digests(workspace: Workspace) -> dict[str, list[list[str]]]:
    """Return sha256 -> ``[class, digest]`` of each mask in use now; see `PictureState.masks`."""
    with workspace.catalog.read() as connection:
        return _masks(connection, workspace.root)


def encode(rows: Iterable[PictureState]) -> bytes:
    """Return rows as canonical JSON."""
    return json.dumps(list(rows), ensure_ascii=False, separators=(",", ":")).encode()


def decode(data: bytes) -> list[PictureState]:
    """Return the rows that `encode` wrote."""
    with no_collection():
        return list(map(PictureState._make, json.loads(data)))


def digest_of(about: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    """Return the id of a state from the digests of its chunks."""
    content = {"format": FORMAT, "about": about, "chunks": sorted(digests.items())}
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _chunks(
    shas: Sequence[str],
    found: Mapping[str, tuple[str | None, str | None]],
    verdicts: Mapping[str, tuple[Any, ...]],
    labels: Mapping[Field, Mapping[str, tuple[str | None, str]]],
    splits: Mapping[str, list[list[str]]],
    masks: Mapping[str, list[list[str]]],
) -> dict[str, list[PictureState]]:
    nothing = (None, None)
    unjudged = (None, "", False, None, None, None, None)
    shas = sorted(shas)
    # Looked up column by column, and made without `_make`: half of the time of a plain loop.
    columns = [
        map(of.get, shas, repeat(missing))
        for of, missing in (
            (found, nothing), (verdicts, unjudged), *((labels[field], nothing) for field in Field),
            (splits, None), (masks, None),
        )
    ]  # fmt: skip
    make = partial(tuple.__new__, PictureState)
    chunks: dict[str, list[PictureState]] = {}
    for sha, seen, verdict, damage, brand, model, placed, drawn in zip(shas, *columns, strict=True):
        row = make((sha, *seen, *verdict, *damage, *brand, *model, placed or [], drawn or []))
        chunks.setdefault(sha[:PREFIX], []).append(row)
    return chunks


def _labels(connection: Connection, field: Field) -> dict[str, tuple[str | None, str]]:
    """Return sha256 -> label and who gave it; the rule is that of `effective_labels`."""
    rank = {origin.value: place for place, origin in enumerate(Origin)}
    table = schema.labels
    query = select(table.c.sha256, table.c.value, table.c.origin).where(
        table.c.field == field.value
    )
    rows = _tuples(connection, query)
    found: dict[str, tuple[str | None, str]] = {sha: (value, origin) for sha, value, origin in rows}
    if len(found) == len(rows):  # one label each, as in most sets: there is nothing to weigh
        return found
    found = {}
    disputed: dict[str, int] = {}
    for sha, value, origin in rows:
        other, by = found.setdefault(sha, (value, origin))
        if other == value and by == origin:
            continue
        known, this = disputed.get(sha, rank.get(by, 0)), rank[origin]
        if this < known:
            found[sha] = (value, origin)
            disputed.pop(sha, None)
        elif this == known and other != value:
            found[sha], disputed[sha] = (None, CONFLICT), this
    return found


def _verdicts(connection: Connection, there: set[str]) -> dict[str, tuple[Any, ...]]:
    table = schema.verdicts
    reasons_as_text = type_coerce(table.c.reasons, Text)
    query = select(
        table.c.sha256, table.c.verdict, reasons_as_text, table.c.human,
        table.c.policy, table.c.cluster, table.c.representative, table.c.group,
    )  # fmt: skip
    joined: dict[Any, str] = {}
    found = {}
    for sha, verdict, reasons, human, policy, cluster, best, group in _tuples(connection, query):
        key = reasons if isinstance(reasons, str) else json.dumps(reasons)
        if key not in joined:  # a few combinations: each is parsed once
            joined[key] = ";".join(json.loads(key))
        best = best if best in there else None  # erased since it was the representative
        found[sha] = (verdict, joined[key], bool(human), policy, cluster, best, group)
    return found


def _sightings(connection: Connection) -> dict[str, tuple[str | None, str | None]]:
    """Return source and origin of each picture's first sighting."""
    table = schema.sightings
    query = select(table.c.sha256, table.c.source, table.c.origin).order_by(
        table.c.fetched_at.desc(), table.c.key.desc()
    )
    # the last one set is the first
    return {sha: (source, origin or source) for sha, source, origin in _tuples(connection, query)}


def _splits(connection: Connection) -> dict[str, list[list[str]]]:
    table = schema.splits
    query = select(
        table.c.sha256, table.c.split_set, table.c.split, table.c.label, table.c.group
    ).order_by(table.c.split_set)
    found: dict[str, list[list[str]]] = {}
    for sha, *placed in _tuples(connection, query):
        found.setdefault(sha, []).append(placed)
    return found


def _masks(connection: Connection, root: Path) -> dict[str, list[list[str]]]:
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
    for sha, label, file, key in masks:
        try:
            pixels = (root / file).read_bytes()
        except FileNotFoundError:  # reported where the masks are used
            pixels = b"missing"
        digest = hashlib.sha256(pixels + "\n".join(drawn.get(key, ())).encode()).hexdigest()[:16]
        found.setdefault(sha, []).append([label or "damage", digest])
    return found


def _about(connection: Connection, used: set[str]) -> dict[str, Any]:
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
    """Return the rows as the driver gives them: a third of the time of SQLAlchemy's rows."""
    bound = {"literal_binds": True}
    statement = str(query.compile(dialect=connection.dialect, compile_kwargs=bound))
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
        return list(cursor.fetchall())
    finally:
        cursor.close()


@contextmanager
def no_collection() -> Iterator[None]:
    """Leave Python's garbage collector out: it searches millions of rows again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
