"""What a cluster costs grows with the number of its members, and not with its square."""

from __future__ import annotations

import hashlib
from itertools import combinations

import numpy as np
import photos
import pytest
from filling import add_picture
from PIL import Image, ImageEnhance
from sqlalchemy import func, select

import curate
from bodyshop_core.catalog import schema
from curate.duplicates import find_pairs
from curate.duplicates.checks import VERSION
from curate.duplicates.crowded import CROWD, TURNS, in_turns
from curate.duplicates.search import GROUP_CAP
from curate.duplicates.signatures import Likeness, Signatures, likeness
from curate.measure.picture import measure_picture

POLICY = "gate: {rule: none}\nsize: {min_short_side: 1, min_area: 1}\nquality: {min_sharpness: 0}"


def copies(count, name="chelsea"):
    """Return copies of one photo, all cut, lit, resized and saved otherwise."""
    picture = photos.photo(name)
    width, height = picture.size
    found = []
    for number in range(count):
        chance = np.random.default_rng(number)
        left, top, right, bottom = chance.uniform(0, 0.01, 4)
        box = (width * left, height * top, width * (1 - right), height * (1 - bottom))
        scale = chance.uniform(140, 180) / width
        size = (round(width * scale), round(height * scale))
        copy = picture.resize(size, Image.Resampling.LANCZOS, box)
        copy = ImageEnhance.Brightness(copy).enhance(chance.uniform(0.85, 1.1))
        found.append(photos.jpeg(copy, int(chance.integers(50, 98))))
    return found


@pytest.fixture(scope="module")
def rows():
    """What is measured of 320 copies of one photo."""
    return [
        {**measure_picture(data), "sha256": hashlib.sha256(data).hexdigest()}
        for data in copies(320)
    ]


def asked_of(rows):
    """Return the pairs that pixels are asked about, which are all copies, and those found."""
    asked = []

    def check(pairs):
        asked.extend(pairs)
        return dict.fromkeys(pairs, "near")

    return asked, find_pairs(rows, check=check)


def test_four_times_the_copies_of_one_photo_are_no_more_than_four_times_the_comparisons(rows):
    few, _ = asked_of(rows[:80])
    many, found = asked_of(rows)
    assert len(set(many)) == len(many) <= min(4 * len(few), TURNS[-1] * len(rows))
    assert len(found.pairs) <= GROUP_CAP * len(rows)  # of 51,040
    together = {row["sha256"]: {row["sha256"]} for row in rows}
    for pair in found.pairs:
        one, other = together[pair.first], together[pair.second]
        if one is not other:
            one |= other
            together.update(dict.fromkeys(other, one))
    assert len(together[rows[0]["sha256"]]) == len(rows)  # all are in one cluster
    assert found.heavy


def test_in_a_cluster_of_ordinary_size_each_near_pair_is_decided(rows):
    some = sorted(rows[: CROWD - 14], key=lambda row: row["sha256"])
    asked, found = asked_of(some)
    signatures = Signatures.of(some)
    first, second = np.array(list(combinations(range(len(some)), 2))).T
    bits = np.bitwise_count(signatures.phash[first] ^ signatures.phash[second])
    near = (bits <= 6) & (likeness(signatures, first, second) != Likeness.DIFFERENT)
    wanted = {
        (some[i]["sha256"], some[j]["sha256"])
        for i, j in zip(first[near], second[near], strict=True)
    }
    assert wanted <= {(pair.first, pair.second) for pair in found.pairs}
    assert found.heavy == 0
    assert len(set(asked)) == found.unclear


def test_two_pictures_whose_copies_look_alike_are_told_apart_in_one_crowd():
    """Hashes say of all 200 that they may be one; pixels know that they are two pictures."""
    seeds = np.random.default_rng(0).integers(0, 2**63, 200, dtype=np.uint64)
    kind = np.arange(200) % 5 == 0
    joined, compared = set(), 0
    for turn in in_turns(dict.fromkeys(combinations(range(200), 2), 4), joined, seeds):
        compared += len(turn)
        joined |= {(i, j) for i, j in turn if kind[i] == kind[j]}
    sets = {number: {number} for number in range(200)}
    for i, j in joined:
        if sets[i] is not sets[j]:
            sets[i] |= sets[j]
            sets.update(dict.fromkeys(sets[j], sets[i]))
    assert len({id(each) for each in sets.values()}) == 2
    assert compared <= TURNS[-1] * 200


def test_of_a_giant_crowd_in_a_workspace_one_picture_is_kept(workspace):
    count = CROWD + 26
    for data in copies(count, "coffee"):
        add_picture(workspace, data)
    curate.measure_images(workspace, workers=1)
    summary = curate.judge(workspace, policy=curate.parse_policy(POLICY))
    assert (summary.kept, summary.clusters) == (1, 1)
    with workspace.catalog.read() as connection:
        checks = schema.pair_checks.c
        query = select(func.count()).where(checks.version == VERSION)
        assert connection.scalar(query) <= TURNS[-1] * count  # 4,005 pairs
