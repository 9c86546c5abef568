"""Facts in columns are the facts that one object per picture held, and groups are the same sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from filling import add_picture, photo
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import DisjointSet
from sqlalchemy import select, update

from bodyshop_core.catalog import Catalog, Field, add_labels, effective_labels, now, schema
from bodyshop_core.workspace import Workspace
from curate.duplicates.pairs import DuplicatePair
from curate.duplicates.search import _expand
from curate.duplicates.signatures import Signatures
from curate.measure.stage import VERSION, measure_images
from curate.policy import SplitPolicy
from curate.verdicts.decide import _groups
from curate.verdicts.facts import load_facts
from curate.verdicts.screen import Facts

SHAS = [f"{number:x}" * 64 for number in range(6)]
HASHES = {"phash": 16, "phash_mirror": 16, "dhash": 16, "phash256": 64, "colour": 96}

places = st.sampled_from([None, "https://a.example/1", "https://a.example/1#x", "http://[", "b"])
sightings = st.lists(
    st.fixed_dictionaries({
        "sha256": st.sampled_from(SHAS), "page_url": places, "url": places,
        "spin_group": st.sampled_from([None, None, "s", "t", "u"]),
        "brand": st.sampled_from([None, "a", "b"]), "model": st.sampled_from([None, "a c"]),
        "given_split": st.sampled_from([None, "train", "test", "other"]),
        "superseded_at": st.sampled_from([None, None, "2026"]),
        "rank": st.sampled_from([None, 1, 7]), "source": st.sampled_from(["import", "pages"]),
        "fetched_at": st.sampled_from(["1", "2"]),
    }),
    max_size=14,
)  # fmt: skip
measurements = st.dictionaries(
    st.sampled_from(SHAS),
    st.fixed_dictionaries({
        "error": st.sampled_from([None, None, "broken"]),
        "width": st.sampled_from([None, 0, 800]), "jpeg_quality": st.sampled_from([None, 75]),
        "sharpness": st.sampled_from([None, 0.0, 0.123456789]),
        "damage": st.sampled_from([None, 0.5]), "damage_note": st.sampled_from([None, "", "cut"]),
        "inner": st.sampled_from([None, "0" * 15 + "7", f"{'0' * 16} {'f' * 16}"]),
    }),
)  # fmt: skip
labels = st.lists(
    st.tuples(
        st.sampled_from(SHAS), st.sampled_from(["damaged", "whole"]),
        st.sampled_from(["human", "import", "query"]), st.sampled_from(["", "x"]),
    )
)  # fmt: skip
decisions = st.dictionaries(
    st.sampled_from(SHAS),
    st.tuples(st.sampled_from(["keep", "reject"]), st.sampled_from([None, "part"])),
)
scores = st.dictionaries(
    st.sampled_from(SHAS),
    st.tuples(st.sampled_from([None, 0.0, 0.25]), st.sampled_from([None, "full"]),
              st.sampled_from([None, "no"])),
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(sightings, measurements, labels, decisions, scores, st.booleans())
def test_columns_give_the_facts_that_rows_gave(
    seen: list[dict[str, Any]],
    measured: dict[str, dict[str, Any]],
    said: list[tuple[str, str, str, str]],
    decided: dict[str, tuple[str, str | None]],
    scored: dict[str, tuple[float | None, str | None, str | None]],
    by_page: bool,
) -> None:
    policy = SplitPolicy(by_page=by_page, max_page=3)
    with TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder) / "catalog.sqlite")
        _put(catalog, schema.images, [
            {"sha256": sha, "extension": "jpg", "bytes": 10 + place, "added_at": str(place % 2)}
            for place, sha in enumerate(SHAS)
        ])  # fmt: skip
        _put(catalog, schema.sightings, [
            {"key": str(place), "tool_version": "", **row} for place, row in enumerate(seen)
        ])  # fmt: skip
        _put(catalog, schema.measurements, [
            {"sha256": sha, "version": VERSION, **row,
             **{name: "0" * (size - 1) + "7" for name, size in HASHES.items() if not row["error"]}}
            for sha, row in measured.items()
        ])  # fmt: skip
        add_labels(catalog, [(sha, "damage", *more) for sha, *more in said])
        _put(catalog, schema.decisions, [
            {"sha256": sha, "decision": what, "framing": framing, "by": "me", "at": now()}
            for sha, (what, framing) in decided.items()
        ])  # fmt: skip
        _put(catalog, schema.gate_scores, [
            {"sha256": sha, "gate": "g", "p_car": p_car, "framing": framing, "error": error}
            for sha, (p_car, framing, error) in scored.items()
        ])  # fmt: skip
        table = load_facts(catalog, gate_id="g", target=Field.DAMAGE, policy=policy)
        expected = plain_facts(catalog, "g", policy)
        catalog.close()
    found = list(table)
    assert [replace(one, measured=None) for one in found] == [
        replace(one, measured=None) for one in expected
    ]
    for one, plain in zip(found, expected, strict=True):
        assert (one.measured is None) == (plain.measured is None)
        for name in one.measured or {}:
            value, old = (one.measured or {})[name], (plain.measured or {})[name]
            assert (value, type(value)) == (old, type(old)), name


def test_signatures_from_columns_are_those_from_rows(workspace: Workspace) -> None:
    shas = [add_picture(workspace, photo(seed)) for seed in range(4)]
    add_picture(workspace, b"\xff\xd8\xff\xe0 no picture")
    measure_images(workspace, workers=1)
    shown = update(schema.measurements).where(schema.measurements.c.sha256 == shas[2])
    with workspace.catalog.begin() as connection:
        connection.execute(shown.values(inner=f"{'0' * 15}7 {'f' * 16}"))
    with workspace.catalog.read() as connection:
        rows = connection.execute(select(schema.measurements)).mappings().all()
    good = sorted((row for row in rows if not row["error"]), key=lambda row: row["sha256"])
    table = load_facts(workspace.catalog, gate_id="", target=Field.DAMAGE, policy=SplitPolicy())
    found, expected = table.signatures(), Signatures.of(good)
    assert list(found.names) == list(expected.names) == sorted(shas)
    assert found.inner_of.tolist() == [sorted(shas).index(shas[2])] * 2
    for name in (
        "phash",
        "mirror",
        "dhash",
        "phash256",
        "colour",
        "plain",
        "pixels",
        "inner",
        "inner_of",
    ):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
        assert getattr(found, name).dtype == getattr(expected, name).dtype, name
    some = np.array([name == shas[0] for name in table.names])
    assert list(table.signatures(some).names) == [shas[0]]
    assert len(table.signatures(~some & False)) == 0


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(["k", "l", "m"]), max_size=2), max_size=8),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=8),
)
def test_groups_are_the_disjoint_sets(keys: list[list[str]], joined: list[tuple[int, int]]) -> None:
    names = [f"{place}" * 20 for place in range(len(keys))]
    pictures = [
        Facts(name, group_keys=tuple(sorted(set(own))))
        for name, own in zip(names, keys, strict=True)
    ]
    pairs = [
        DuplicatePair(names[min(pair)], names[max(pair)], "near", 2)
        for pair in sorted(set(joined))
        if pair[0] != pair[1] and max(pair) < len(names)
    ]
    assert _groups(pictures, pairs) == plain_groups(pictures, pairs)


@pytest.mark.parametrize("cap", [1, 2, 3, 50])
def test_pairs_of_hashes_become_the_same_pairs_of_pictures(cap: int) -> None:
    chance = np.random.default_rng(cap)
    sizes = chance.integers(1, 6, 30)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    members = chance.permutation(starts[-1])
    a = np.concatenate([chance.integers(0, 15, 40), np.arange(30)])
    b = np.concatenate([chance.integers(15, 30, 40), np.arange(30)])
    found = set(zip(*(each.tolist() for each in _expand(a, b, starts, members, cap)), strict=True))
    expected = set()
    for i, j in zip(a, b, strict=True):
        mine, other = (members[starts[k] : starts[k + 1]].tolist() for k in (i, j))
        for left, right in ((mine, other[:cap]), (mine[:cap], other)):
            expected |= {(x, y) for x in left for y in right if i != j or x < y}
    assert {tuple(sorted(pair)) for pair in found} == {tuple(sorted(pair)) for pair in expected}


def _put(catalog: Catalog, table: Any, rows: list[dict[str, Any]]) -> None:
    names = {name for row in rows for name in row}
    catalog.upsert(table, [dict.fromkeys(names) | row for row in rows])


def plain_facts(catalog: Catalog, gate_id: str, policy: SplitPolicy) -> list[Facts]:
    """Read facts as before there were columns: an object per row of every table."""

    def rows(table: Any, *order: Any) -> list[Any]:
        return connection.execute(select(table).order_by(*order)).all()

    with catalog.read() as connection:
        images = rows(schema.images, schema.images.c.added_at, schema.images.c.sha256)
        measured = {row.sha256: dict(row._mapping) for row in rows(schema.measurements)}
        gated = {row.sha256: row for row in rows(schema.gate_scores) if row.gate == gate_id}
        decided = {row.sha256: row for row in rows(schema.decisions)}
        seen = rows(schema.sightings, schema.sightings.c.fetched_at, schema.sightings.c.key)
    replaced = {row.sha256 for row in seen if row.superseded_at is not None}
    seen = [row for row in seen if row.superseded_at is None]
    replaced -= {row.sha256 for row in seen}
    effective = effective_labels(catalog, Field.DAMAGE)
    first = {row.sha256: row for row in reversed(seen)}
    keys, spinners, given = plain_keys(seen, policy), plain_spinners(seen), {}
    rank = {"test": 0, "validation": 1, "train": 2}
    for row in seen:
        if row.given_split:
            names = {row.given_split, given.get(row.sha256, row.given_split)}
            given[row.sha256] = min(names, key=lambda name: (rank.get(name, 3), name))
    facts = []
    for image in images:
        sha = image.sha256
        score, decision, found = gated.get(sha), decided.get(sha), first.get(sha)
        address = found and (found.page_url or found.url)
        facts.append(
            Facts(
                sha,
                measured=measured.get(sha),
                p_car=score and score.p_car,
                framing=(decision and decision.framing) or (score and score.framing),
                gate_error=score and score.error,
                label=effective.get(sha),
                decision=decision and decision.decision,
                size_bytes=image.bytes,
                group_keys=tuple(sorted(keys.get(sha, ()))),
                spin_group=spinners.get(sha),
                given_split=given.get(sha),
                superseded=sha in replaced,
                page=found and found.page_url,
                host="a.example" if address and "a.example" in address else None,
                source=found and found.source,
                rank=found and found.rank,
            )
        )
    return facts


def plain_keys(seen: Iterable[Any], policy: SplitPolicy) -> Mapping[str, set[str]]:
    keys: dict[str, set[str]] = defaultdict(set)
    pages: dict[str, set[str]] = defaultdict(set)
    models: dict[str, set[tuple[str | None, str | None]]] = defaultdict(set)
    for row in seen:
        if row.spin_group:
            keys[row.sha256].add(f"spin:{row.spin_group}")
        elif row.page_url and policy.by_page:
            page = row.page_url.split("#")[0]
            pages[page].add(row.sha256)
            models[page].add((row.brand, row.model))
    for page, members in pages.items():
        if 1 < len(members) <= policy.max_page and len(models[page]) == 1:
            for sha256 in members:
                keys[sha256].add(f"page:{page}")
    return keys


def plain_spinners(seen: Iterable[Any]) -> dict[str, str]:
    sets = DisjointSet()
    for row in seen:
        if row.spin_group:
            for key in (f"spin {row.spin_group}", row.sha256):
                sets.add(key)
            sets.merge(f"spin {row.spin_group}", row.sha256)
    names = {}
    for subset in sets.subsets():
        spinners = sorted(key.removeprefix("spin ") for key in subset if key.startswith("spin "))
        names |= {key: spinners[0] for key in subset if not key.startswith("spin ")}
    return names


def plain_groups(pictures: Iterable[Facts], pairs: Iterable[DuplicatePair]) -> dict[str, str]:
    """Join pictures as before: in a structure of disjoint sets."""
    sets = DisjointSet()
    for facts in pictures:
        sets.add(facts.sha256)
        for key in facts.group_keys:
            sets.add(f"key {key}")
            sets.merge(facts.sha256, f"key {key}")
    for pair in pairs:
        sets.merge(pair.first, pair.second)
    named: dict[str, str] = {}
    for subset in sets.subsets():
        members = sorted(member for member in subset if not member.startswith("key "))
        named |= dict.fromkeys(members, members[0][:16])
    return named
