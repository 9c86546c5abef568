"""Which origins are left out together, and the figures of their scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from train.data.samples import Sample, Samples
from train.evaluation.abroad.pairs import (
    FEWEST_PICTURES,
    Pair,
    bundle_small,
    choose_pairs,
    why_none,
)
from train.evaluation.abroad.resampling import PairScores, mean_auc
from train.evaluation.abroad.table import leave_pair_out
from train.evaluation.abroad.within_photo import (
    PER_SCALE,
    SCALES,
    Square,
    place_squares,
    within_photo_auc,
)
from train.evaluation.abroad.wording import NOT_SHOWN, UNSEEN, abroad_lines, where_tested
from train.report.abroad_report import abroad_tiles


def pictures(*parts: tuple[str, str, int]) -> tuple[list[str], list[str]]:
    """Return origins and labels of (origin, label, count)."""
    return (
        [origin for origin, _, n in parts for _ in range(n)],
        [label for _, label, n in parts for _ in range(n)],
    )


def test_a_test_split_of_origins_that_nothing_was_learned_from_is_abroad() -> None:
    def samples(*placed: tuple[str, str]) -> Samples:
        items = tuple(
            Sample(f"{number}", Path("x.jpg"), "d", split, f"{number}", origin=origin)
            for number, (split, origin) in enumerate(placed)
        )
        return Samples(items, ("w", "d"), "damage", "first")

    apart = samples(("train", "a"), ("validation", "b"), ("test", "c"), ("test", "e"))
    assert apart.new_origins() == ("c", "e")
    assert not samples(("train", "a"), ("validation", "c"), ("test", "c")).new_origins()
    assert not samples(("train", "a"), ("test", "")).new_origins()
    figures = {"n": 8, "accuracy": 0.75, "ci95": [0.4, 0.9]}
    unseen = {**figures, UNSEEN: list(apart.new_origins())}
    abroad = {"shown": True, "within_photo": None, "pairs": None}
    ((name, text),) = abroad_lines(abroad, unseen)
    assert name == "abroad: accuracy on test" and "2 origins that it did not learn from" in text
    assert [name for name, _ in abroad_lines(abroad, figures)] == ["home: accuracy"]
    assert (where_tested(unseen), where_tested(figures)) == ("abroad", "at home")


def test_where_the_test_split_is_abroad_nothing_says_that_it_is_not_shown() -> None:
    home = {"n": 8, "accuracy": 0.75, "ci95": [0.4, 0.9]}
    few = {"shown": False, "why": "too few origins", "within_photo": None, "pairs": None}
    assert [name for name, _ in abroad_lines(few, home)] == ["abroad", "home: accuracy"]
    assert [tile["value"] for tile in abroad_tiles(few, home)] == [NOT_SHOWN]
    unseen = home | {UNSEEN: ["c", "e"]}
    lines = dict(abroad_lines(few, unseen))
    assert list(lines) == ["abroad: accuracy on test", "abroad: left-out pairs of origins"]
    assert lines["abroad: left-out pairs of origins"] == "none: too few origins"
    assert abroad_tiles(few, unseen) == []


def test_one_origin_of_each_label_is_left_out_and_both_labels_remain() -> None:
    origins, labels = pictures(("a", "d", 20), ("b", "d", 20), ("c", "w", 20), ("e", "w", 20))
    assert sorted(choose_pairs(origins, labels, "d")) == [
        Pair(first, second) for first in "ab" for second in "ce"
    ]


def test_an_origin_with_both_labels_can_be_left_out_alone() -> None:
    origins, labels = pictures(("both", "d", 9), ("both", "w", 9), ("a", "d", 9), ("b", "w", 9))
    found = choose_pairs(origins, labels, "d")
    assert Pair("both", "both") in found and Pair("a", "b") in found
    assert Pair("a", "both") not in found  # no damaged picture would remain


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("dw"), st.integers(1, 30)),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 10),
)
def test_every_pair_has_pictures_to_score_and_leaves_pictures_to_train_on(parts, most) -> None:
    origins, labels = pictures(*parts)
    found = choose_pairs(origins, labels, "d", most=most)
    assert len(found) <= most and len(set(found)) == len(found)
    rows = list(zip(origins, labels, strict=True))
    for pair in found:
        rest = [label for origin, label in rows if origin not in pair.origins]
        counts = [rows.count((pair.positive, "d")), rows.count((pair.negative, "w"))]
        assert min(*counts, rest.count("d"), rest.count("w")) >= FEWEST_PICTURES


def test_few_pairs_leave_every_origin_out_once_first() -> None:
    origins, labels = pictures(
        *((f"d{n}", "d", 10) for n in range(3)), *((f"w{n}", "w", 10) for n in range(6))
    )
    found = choose_pairs(origins, labels, "d", most=6)
    assert {pair.negative for pair in found} == {f"w{n}" for n in range(6)}
    assert sorted(pair.positive for pair in found) == ["d0", "d0", "d1", "d1", "d2", "d2"]


def test_hosts_found_once_are_bundled_whole() -> None:
    hosts = [(f"host {n}", "dw"[n % 2], 2) for n in range(60)]
    origins, labels = pictures(("big", "d", 40), *hosts)
    names = bundle_small(origins, labels)
    homes = dict(zip(origins, names, strict=True))
    assert homes["big"] == "big" and len(set(names)) == 6
    assert all(homes[origin] == name for origin, name in zip(origins, names, strict=True))
    assert choose_pairs(names, labels, "d")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([("a", "d", 50), ("b", "w", 50)], "from 2 origins, and 3 are needed"),
        ([("a", "d", 50), ("a", "w", 50)], "from 1 origin, and 3 are needed"),
        ([("a", "d", 50), ("b", "w", 50), ("c", "w", 50)], "'d' comes from 1 and 'w' from 2"),
    ],
)
def test_too_few_origins_are_explained(parts, said) -> None:
    origins, labels = pictures(*parts)
    assert choose_pairs(origins, labels, "d") == []
    assert said in why_none(origins, labels, "d")


def scores(pair: Pair, positive: list[float], negative: list[float]) -> PairScores:
    return PairScores(
        pair,
        np.array(positive),
        np.array(negative),
        (["full"] * len(positive), ["full"] * len(negative)),
    )


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_the_area_is_that_of_scikit_learn(positive, negative) -> None:
    found = mean_auc([scores(Pair("a", "b"), positive, negative)])
    truth = [1] * len(positive) + [0] * len(negative)
    assert found is not None
    assert found["auc"] == pytest.approx(roc_auc_score(truth, positive + negative), abs=1e-6)
    assert 0 <= found["ci95"][0] <= found["ci95"][1] <= 1


def test_an_offset_between_models_changes_nothing() -> None:
    """Pooled over models the area would be 0.5: each ranks its own pictures perfectly."""
    first = scores(Pair("a", "b"), [0.9, 0.8], [0.7, 0.6])
    second = scores(Pair("c", "d"), [0.2, 0.3], [0.1, 0.05])
    found = mean_auc([first, second])
    assert found is not None and found["auc"] == 1 and found["folds"] == 2


def test_an_interval_over_origins_is_wider_than_one_over_pictures() -> None:
    """Each pair is ranked perfectly or not at all: ten pictures of an origin are one witness."""
    good = [scores(Pair(f"a{n}", f"b{n}"), [0.9] * 10, [0.1] * 10) for n in range(3)]
    bad = [scores(Pair(f"c{n}", f"d{n}"), [0.1] * 10, [0.9] * 10) for n in range(3)]
    found = mean_auc([*good, *bad])
    assert found is not None and found["auc"] == 0.5
    assert found["ci95"][1] - found["ci95"][0] > 0.5
    mixed = list(np.random.default_rng(0).permutation([0.9] * 60 + [0.1] * 60))
    one = mean_auc([scores(Pair("a", "b"), mixed[:60], mixed[60:])])
    assert one is not None and one["ci95"][1] - one["ci95"][0] < 0.3


def test_the_table_counts_a_picture_once_and_keeps_framings_apart() -> None:
    framings = (["part"] * 6 + ["full"] * 6, ["part"] * 6 + ["full"] * 6)
    close_up_is_damage = np.array([0.9] * 6 + [0.2] * 6)
    found = leave_pair_out(
        [
            PairScores(pair, close_up_is_damage, close_up_is_damage, framings)
            for pair in (Pair("a", "b"), Pair("a", "c"))
        ],
        ("damaged", "whole"),
        0.5,
    )
    assert found["auc"] == 0.5 and found["folds"] == 2
    assert found["framings"]["part"]["auc"] == 0.5
    assert found["classes"]["damaged"]["n"] == 12 and found["classes"]["whole"]["n"] == 24
    assert found["classes"]["whole"]["framings"]["part"]["accuracy"] == 0
    assert found["classes"]["whole"]["framings"]["full"]["accuracy"] == 1
    rows = {(row["origin"], row["framing"]): row for row in found["table"]}
    assert rows["c", "part"]["accuracy"] == 0 and rows["c", "all"]["n"] == 12
    assert {framing for _, framing in rows} == {"all", "full", "part"}


MASKS = st.tuples(
    st.integers(20, 90),
    st.integers(20, 90),
    st.floats(0, 0.9),
    st.floats(0, 0.9),
    st.floats(0.05, 0.6),
)


@given(MASKS)
def test_squares_are_square_inside_and_as_their_mask_says(drawn) -> None:
    height, width, top, left, share = drawn
    mask = np.zeros((height, width), bool)
    y, x = int(top * height), int(left * width)
    mask[y : y + max(1, int(share * height)), x : x + max(1, int(share * width))] = True
    found = place_squares(mask, key="photo")
    assert found == place_squares(mask, key="photo")
    for scale in SCALES:
        kinds = [damaged for _, each, damaged in found if each == scale]
        assert kinds.count(True) == kinds.count(False) <= PER_SCALE
    for (x0, y0, x1, y1), scale, damaged in found:
        assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1
        side = round(scale * min(height, width))
        assert (x1 - x0) * width == pytest.approx(side, abs=1e-6)
        assert (y1 - y0) * height == pytest.approx(side, abs=1e-6)
        part = mask[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)]
        assert part.any() == damaged


@pytest.mark.parametrize("value", [False, True])
def test_a_photo_without_both_kinds_gives_no_squares(value) -> None:
    assert place_squares(np.full((60, 80), value), key="photo") == []


def many_squares(photos: int = 12) -> list[Square]:
    found = []
    for number in range(photos):
        mask = np.zeros((100, 120), bool)
        mask[10 + 3 * number : 40 + 3 * number, 10:50] = True
        found += [
            Square(str(number), Path(str(number)), f"origin {number % 2}", str(number), *each)
            for each in place_squares(mask, key=str(number))
        ]
    return found


def test_knowing_damage_gives_one_and_knowing_the_photo_or_the_size_a_half() -> None:
    squares = many_squares()
    areas = {
        name: within_photo_auc(squares, np.array([score(each) for each in squares]))
        for name, score in {
            "damage": lambda each: float(each.damaged),
            "photo": lambda each: float(each.sha256),  # camera, origin, framing
            "size": lambda each: each.scale,
        }.items()
    }
    assert areas["damage"]["auc"] == 1 and areas["damage"]["ci95"] == [1, 1]
    assert areas["photo"]["auc"] == areas["size"]["auc"] == 0.5
    noise = within_photo_auc(squares, np.random.default_rng(1).random(len(squares)))
    assert noise is not None and 0.3 < noise["auc"] < 0.7
    assert noise["photos"] == 12 and noise["squares"] == len(squares)
    assert set(noise["origins"]) == {"origin 0", "origin 1"}
    assert 0 <= noise["centre"] <= 1


def test_without_a_photo_there_is_no_figure() -> None:
    assert within_photo_auc([], np.zeros(0)) is None
