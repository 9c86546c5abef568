"""Synthetic rows of a collected, measured and scored workspace of any size, without pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy import Table

from bodyshop_core.catalog import now, schema
from bodyshop_core.workspace import Workspace
from curate.duplicates import checks, copies, descent, overlays
from curate.duplicates.search import near_pairs
from curate.duplicates.signatures import turned
from curate.gate.feature_store import FeatureBatch, FeatureStore
from curate.gate.gate import Gate
from curate.gate.stage import open_gate, remember_gate
from curate.measure.stage import VERSION

CHUNK = 5_000
COPY_EVERY = 20
"""One picture in so many is the picture before saved again."""

LABELS = ("damaged", "whole")


def fill(workspace: Workspace, count: int, *, start: int = 0) -> None:
    """Write pictures number `start` to `count`, as collect and the first half of curate leave them.

    Every 20th is a copy of the one before, every 25th is blurred; a page has eight pictures; there
    are 50 hosts, 100 models and two damage labels.
    """
    gate = open_gate(workspace)
    remember_gate(workspace, gate)
    for at in range(start, count, CHUNK):
        part = range(at, min(count, at + CHUNK))
        with workspace.catalog.begin() as connection:
            for table, rows in _rows(part, gate):
                workspace.catalog.upsert(table, rows, connection=connection)
    _settle_chance(workspace, count)


def fill_features(workspace: Workspace, count: int) -> None:
    """Write feature vectors of pictures 0 to `count`, those of copies near their originals'."""
    from benchmarks.curate_nearest import HEAPS, SHARD, WIDTH, copy, one

    store = FeatureStore(workspace.features / open_gate(workspace).fingerprint)
    chance = np.random.default_rng(5)
    heaps = chance.gamma(0.35, 1, size=(HEAPS, WIDTH)).astype(np.float32)
    sizes = chance.pareto(1.2, HEAPS) + 1
    which = chance.choice(HEAPS, count, p=sizes / sizes.sum())
    last = heaps[0]
    for start in range(0, count, SHARD):
        part = range(start, min(count, start + SHARD))
        vectors = np.empty((len(part), WIDTH), np.float16)
        for row, number in enumerate(part):
            copied = number % COPY_EVERY == 1
            last = copy(chance, last) if copied else one(chance, heaps[which[number]])
            vectors[row] = last
        store.add(FeatureBatch(tuple(map(name_of, part)), vectors, None, {}))


def no_pixels(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Stand for the comparisons of pixels, as there are none: no proposed pair is confirmed."""
    return [{"key": item["key"], "error": "made up"} for item in items]


def name_of(number: int) -> str:
    """Return the sha256 of a picture."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def _hashes(number: int) -> np.ndarray:
    """Return six random 64-bit hashes; a copy has those of the picture before."""
    original = number - 1 if number % COPY_EVERY == 1 else number
    digest = hashlib.sha512(f"hash {original}".encode()).digest()[:48]
    return np.frombuffer(digest, ">u8")


def _rows(part: range, gate: Gate) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
    at = now()
    chance = np.random.default_rng(part.start)
    draws = chance.random((len(part), 4))

    def row(table: Table, **values: object) -> dict[str, object]:
        return dict.fromkeys(column.name for column in table.columns) | values

    names = [name_of(number) for number in part]
    hosts = [f"h{number % 50}.example.org" for number in part]
    models = [(f"brand{number // 10 % 10}", f"model{number // 100 % 10}") for number in part]
    yield schema.images, [
        row(schema.images, sha256=name, extension="jpg", bytes=20_000 + int(draw[0] * 180_000),
            format="JPEG", width=800, height=600, mode="RGB", exif_orientation=1, added_at=at)
        for name, draw in zip(names, draws, strict=True)
    ]  # fmt: skip
    yield schema.sightings, [
        row(schema.sightings, key=name, sha256=name, url=f"https://{host}/{number}.jpg",
            page_url=f"https://{host}/car{number // 8}.html", source="search:synthetic",
            origin=host, brand=brand, model=model, query=f"{brand} {model}", rank=number % 1000,
            alt=f"{brand} {model} photo {number}", page_title="a page title", status=200,
            permission={"robots": "allowed", "host": host}, fetched_at=at, tool_version="benchmark")
        for number, name, host, (brand, model) in zip(part, names, hosts, models, strict=True)
    ]  # fmt: skip
    yield schema.candidates, [
        row(schema.candidates, key=name, page_key=f"page{number // 1000}", host=host,
            url=f"https://{host}/{number}.jpg", brand=brand, model=model, attempts=1,
            source="search:synthetic", details={"alt": f"{brand} {model} photo {number}"},
            state="done", sha256=name, updated_at=at)
        for number, name, host, (brand, model) in zip(part, names, hosts, models, strict=True)
    ]  # fmt: skip
    yield schema.labels, [
        row(schema.labels, sha256=name, field=field, value=value, origin="query", annotator="",
            at=at)
        for number, name, (brand, model) in zip(part, names, models, strict=True)
        for field, value in (("damage", LABELS[number // 1000 % 2]), ("brand", brand),
                             ("model", f"{brand} {model}"))
    ]  # fmt: skip
    yield (
        schema.measurements,
        [
            _measured(row, number, name, draw.tolist())
            for number, name, draw in zip(part, names, draws, strict=True)
        ],
    )
    yield schema.gate_scores, [
        row(schema.gate_scores, sha256=name, gate=gate.id, p_car=0.99, framing="full",
            top5=[["minivan", 0.5], ["sports car", 0.2], ["limousine", 0.1]])
        for name in names
    ]  # fmt: skip
    copied = [number for number in part if number % COPY_EVERY in (0, 1)]
    yield schema.copy_checks, [
        row(schema.copy_checks, sha256=name_of(number), version=copies.VERSION, quality=100,
            content=1.0, clipped=0.0)
        for number in copied
    ]  # fmt: skip
    yield (
        schema.pair_checks,
        [
            _checked(*sorted((name_of(number - 1), name_of(number))), version=version)
            for version in (descent.VERSION, overlays.VERSION)
            for number in copied
            if number % COPY_EVERY == 1 and number > part.start
        ],
    )


def _measured(row: Any, number: int, name: str, draw: list[float]) -> dict[str, Any]:
    phash, mirror, dhash, *_ = (f"{each:016x}" for each in _hashes(number).tolist())
    original = number - 1 if number % COPY_EVERY == 1 else number
    digest = hashlib.sha512(f"colour {original}".encode()).hexdigest()
    return dict(
        row(schema.measurements, sha256=name, version=VERSION, width=800, height=600, phash=phash,
            phash_mirror=mirror, phash256=digest[:64], dhash=dhash, colour=digest[:96],
            ac_energy=200.0, pixel_digest=name,
            sharpness=0.1 if number % 25 == 0 else 0.6 + 0.4 * draw[1],
            brightness=0.4 + 0.2 * draw[2], dark_fraction=0.05, bright_fraction=0.05, contrast=0.2,
            entropy=7.2, colourfulness=20.0, jpeg_quality=70 + int(25 * draw[3]))
    )  # fmt: skip


def _checked(first: str, second: str, *, version: str) -> dict[str, Any]:
    empty = dict.fromkeys(column.name for column in schema.pair_checks.columns)
    return empty | {"first": first, "second": second, "version": version, "added": 0.0}


def _settle_chance(workspace: Workspace, count: int) -> None:
    """Note that pairs whose random hashes are near by chance differ: there are no pixels to see."""
    hashes = np.array([_hashes(number) for number in range(count)], dtype=np.uint64)
    rows = set()
    for other in (hashes[:, 1], turned(hashes[:, 0], 1), turned(hashes[:, 0], 2)):
        near = near_pairs(
            np.concatenate([hashes[:, 0], other]),
            radius=8 if count <= 200_000 else 6,
            side=np.arange(2 * count) >= count,
        )
        rows |= set(zip(near.first.tolist(), (near.second - count).tolist(), strict=True))
    near = near_pairs(hashes[:, 0], radius=6)
    apart = hashes[near.first, 0] != hashes[near.second, 0]
    rows |= set(zip(near.first[apart].tolist(), near.second[apart].tolist(), strict=True))
    workspace.catalog.upsert(
        schema.pair_checks,
        [
            _checked(first, second, version=checks.VERSION) | {"error": "made up"}
            for first, second in sorted(
                {tuple(sorted(map(name_of, pair))) for pair in rows if pair[0] != pair[1]}
            )
        ],
    )
