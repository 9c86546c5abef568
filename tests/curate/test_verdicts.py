"""Verdicts: every reason, who wins, and which member of a cluster stays."""

from __future__ import annotations

from itertools import permutations
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdicts import GOOD, LIMITS, judged, near, picture

from bodyshop_core.catalog import EffectiveLabel, Origin, Reason
from curate.duplicates import DuplicatePair
from curate.policy import Policy
from curate.verdicts.decide import eligible
from curate.verdicts.grouping import unite_spinners
from curate.verdicts.screen import Facts, screen


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (Facts("a", measured={"error": "truncated"}), Reason.UNREADABLE),
        (Facts("a"), Reason.UNREADABLE),
        (Facts("a", measured={"error": "worker_died"}), Reason.WORKER_DIED),
        (Facts("a", measured=GOOD, gate_error="no"), Reason.UNREADABLE),
        (picture("a", width=90), Reason.TOO_SMALL),
        (picture("a", width=4000, height=300), Reason.TOO_SMALL),
        (picture("a", p_car=0.49), Reason.NOT_A_CAR),
        (picture("a", sharpness=0.39), Reason.BLURRY),
        (picture("a", brightness=0.01), Reason.BAD_EXPOSURE),
        (picture("a", dark_fraction=0.99), Reason.BAD_EXPOSURE),
        (picture("a", bright_fraction=0.99), Reason.BAD_EXPOSURE),
        (picture("a", contrast=0.001), Reason.BAD_EXPOSURE),
        (picture("a", damage=0.3), Reason.DAMAGED_DATA),
        (picture("a", superseded=True), Reason.SUPERSEDED),
        (picture("a", decision="reject"), Reason.HUMAN_REJECT),
    ],
)
def test_each_reason_is_given_with_its_details(facts: Facts, reason: Reason) -> None:
    verdict = judged([facts])["a"]
    assert not verdict.keep
    assert verdict.reasons == (reason,)
    assert reason.value in verdict.details


def test_a_good_picture_is_kept_without_reasons() -> None:
    verdict = judged([picture("a")])["a"]
    assert verdict.keep
    assert verdict.reasons == ()
    assert verdict.details == {}


def test_damage_up_to_the_limit_is_kept() -> None:
    policy = Policy.model_validate({"quality": {"max_damage": 0.5}})
    assert judged([picture("a", damage=0.4)], policy=policy)["a"].keep
    assert judged([picture("a", damage=0.02)])["a"].keep


def test_a_picture_at_the_limit_is_kept() -> None:
    assert judged([picture("a", p_car=0.5, sharpness=0.4, width=96, height=128)])["a"].keep


def test_all_reasons_are_listed_with_value_limit_and_setting() -> None:
    verdict = judged([picture("a", p_car=0.1, sharpness=0.2, width=50)])["a"]
    assert verdict.reasons == (Reason.TOO_SMALL, Reason.NOT_A_CAR, Reason.BLURRY)
    assert verdict.details["not_a_car"] == {
        "value": 0.1,
        "limit": 0.5,
        "setting": "gate.threshold",
    }


def test_conflicting_labels_keep_a_picture_aside() -> None:
    label = EffectiveLabel(None, Origin.IMPORT, ("damaged", "whole"))
    verdict = judged([picture("a", label=label)])["a"]
    assert verdict.reasons == (Reason.LABEL_CONFLICT,)
    assert verdict.details["label_conflict"]["values"] == ["damaged", "whole"]


def test_a_human_keep_outweighs_every_reason_and_remembers_them() -> None:
    verdict = judged([picture("a", p_car=0.0, sharpness=0.0, decision="keep")])["a"]
    assert verdict.keep
    assert verdict.human
    assert verdict.details["overridden"] == ["not_a_car", "blurry"]


def test_a_human_can_not_keep_what_has_no_pixels() -> None:
    facts = Facts("a", measured={"error": "truncated"}, decision="keep")
    assert judged([facts])["a"].reasons == (Reason.UNREADABLE,)


def test_the_larger_duplicate_stays_and_the_other_names_it() -> None:
    verdicts = judged([picture("a", width=400, height=300), picture("b")], near("a", "b"))
    assert verdicts["b"].keep
    assert verdicts["a"].reasons == (Reason.NEAR_DUPLICATE,)
    assert verdicts["a"].details["near_duplicate"] == {"other": "b", "kind": "near", "distance": 2}
    assert verdicts["a"].representative == "b"
    assert verdicts["a"].cluster == verdicts["b"].cluster is not None


def test_a_photo_and_its_recoloured_copy_stay_beside_a_grey_copy_of_either() -> None:
    measured = {
        "photo": {**GOOD, "colourfulness": 30.0},
        "grey": {**GOOD, "colourfulness": 0.0},
        "red": {**GOOD, "colourfulness": 33.0, "width": 900, "height": 700},
    }
    pictures = [Facts(name, measured=each, p_car=0.9) for name, each in measured.items()]
    verdicts = judged(pictures, near("grey", "photo"), near("grey", "red", 4))
    assert [name for name, verdict in verdicts.items() if verdict.keep] == ["photo", "red"]
    assert verdicts["grey"].representative == "photo"
    assert verdicts["grey"].cluster == verdicts["photo"].cluster != verdicts["red"].cluster


def test_same_pixels_saved_again_are_an_exact_duplicate() -> None:
    verdicts = judged(
        [picture("a", size_bytes=10), picture("b", size_bytes=20)],
        DuplicatePair("a", "b", "exact", 0),
    )
    assert verdicts["a"].reasons == (Reason.EXACT_DUPLICATE,)
    assert verdicts["b"].keep


def test_of_a_crowd_compared_in_part_equal_pixels_are_kept_once() -> None:
    """A logo saved 100 times: the search pairs each with the first few of the crowd only."""
    names = [f"{number:03d}" for number in range(100)]
    crowd = [picture(name, size_bytes=int(name)) for name in names]
    pairs = [DuplicatePair(a, b, "exact", 0) for a in names[:4] for b in names if a < b]
    verdicts = judged(crowd, *pairs)
    assert [name for name, verdict in verdicts.items() if verdict.keep] == ["099"]
    assert {verdict.representative for verdict in verdicts.values()} == {"099"}


def test_a_blurred_copy_never_stands_for_its_sharp_original() -> None:
    verdicts = judged(
        [picture("a", width=1600, height=1200, sharpness=0.1), picture("b")], near("a", "b")
    )
    assert verdicts["a"].reasons == (Reason.BLURRY,)
    assert verdicts["b"].keep


def test_the_same_car_scratched_and_clean_is_kept_twice_in_one_group() -> None:
    verdicts = judged([picture("a", label="damaged"), picture("b", label="whole")], near("a", "b"))
    assert verdicts["a"].keep
    assert verdicts["b"].keep
    assert verdicts["a"].group == verdicts["b"].group


def test_the_very_same_pixels_under_two_labels_are_a_conflict() -> None:
    verdicts = judged(
        [picture("a", label="damaged"), picture("b", label="whole")],
        DuplicatePair("a", "b", "exact", 0),
    )
    assert verdicts["a"].reasons == verdicts["b"].reasons == (Reason.LABEL_CONFLICT,)


def test_a_chain_of_near_duplicates_is_cut_where_it_leaves_the_representative() -> None:
    chain = [picture(name, width=900 - 10 * place) for place, name in enumerate("abcd")]
    verdicts = judged(chain, near("a", "b"), near("b", "c"), near("c", "d"))
    assert {name for name, verdict in verdicts.items() if verdict.keep} == {"a", "c"}
    assert len({verdict.group for verdict in verdicts.values()}) == 1


def test_frames_of_one_spinner_are_no_duplicates_and_share_a_group() -> None:
    frames = [picture(name, spin_group="s", group_keys=("spin:s",)) for name in ("a", "b")]
    verdicts = judged(frames, near("a", "b"))
    assert verdicts["a"].keep
    assert verdicts["b"].keep
    assert verdicts["a"].group == verdicts["b"].group


def test_duplicates_are_kept_when_the_policy_says_so() -> None:
    policy = Policy.model_validate({"duplicates": {"reject": False}})
    verdicts = judged([picture("a"), picture("b")], near("a", "b"), policy=policy)
    assert verdicts["a"].keep
    assert verdicts["b"].keep
    assert verdicts["a"].group == verdicts["b"].group


def test_a_newcomer_that_ties_two_splits_together_is_kept_out() -> None:
    verdicts = judged(
        [picture("a"), picture("b"), picture("n", width=900)],
        near("a", "n"),
        near("b", "n"),
        policy=Policy.model_validate({"duplicates": {"reject": False}}),
        assigned={"a": "train", "b": "test"},
    )
    assert verdicts["n"].reasons == (Reason.SPLIT_BRIDGE,)
    assert verdicts["n"].details["split_bridge"] == {"splits": ["test", "train"]}
    assert verdicts["a"].keep
    assert verdicts["b"].keep


def test_of_a_group_whose_folders_named_two_splits_only_the_protected_part_is_kept() -> None:
    def pictures() -> list[Facts]:
        return [
            picture("a", label="whole", given_split="train", group_keys=("page:1",)),
            picture("b", label="whole", given_split="test", group_keys=("page:1",)),
            picture("c", given_split="train", group_keys=("page:1",)),  # no label: not split
        ]

    for assigned in ({}, {"b": "test"}):
        verdicts = judged(pictures(), keep_given=True, assigned=assigned)
        assert verdicts["a"].details == {"split_bridge": {"splits": ["test", "train"]}}
        assert verdicts["b"].keep and verdicts["c"].keep
    assert all(one.keep for one in judged(pictures(), keep_given=False).values())


def test_spinners_that_share_a_picture_count_as_one() -> None:
    def sighting(sha256: str, spin_group: str | None) -> SimpleNamespace:
        return SimpleNamespace(sha256=sha256, spin_group=spin_group)

    rows = [("a", "x"), ("b", "x"), ("b", "y"), ("c", "y"), ("d", "z"), ("e", None)]
    expected = {"a": "x", "b": "x", "c": "x", "d": "z"}
    for order in permutations(rows):
        assert unite_spinners(sighting(*row) for row in order) == expected


names = st.sampled_from("abcdefgh")
some_pictures = st.lists(
    st.builds(
        lambda name, width, sharpness, label, decision: picture(
            name, label=label, width=width, sharpness=sharpness, decision=decision
        ),
        names,
        st.integers(50, 1000),
        st.floats(0, 1),
        st.sampled_from([None, "damaged", "whole"]),
        st.sampled_from([None, None, None, "keep", "reject"]),
    ),
    unique_by=lambda one: one.sha256,
)


@st.composite
def populations(draw: st.DrawFn) -> tuple[list[Facts], list[tuple[str, str]]]:
    pictures = draw(some_pictures)
    shas = sorted(one.sha256 for one in pictures)
    pairs = [(a, b) for a in shas for b in shas if a < b]
    return pictures, draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []


@given(populations())
def test_every_duplicate_names_a_kept_picture_it_is_really_near(
    population: tuple[list[Facts], list[tuple[str, str]]],
) -> None:
    pictures, pairs = population
    verdicts = judged(pictures, *(near(*pair) for pair in pairs))
    for verdict in verdicts.values():
        if Reason.NEAR_DUPLICATE in verdict.reasons:
            other = verdict.details["near_duplicate"]["other"]
            assert verdicts[other].keep
            assert tuple(sorted((other, verdict.sha256))) in pairs
        assert verdict.keep == (not verdict.reasons)


@given(populations())
def test_a_human_decision_always_wins(
    population: tuple[list[Facts], list[tuple[str, str]]],
) -> None:
    pictures, pairs = population
    verdicts = judged(pictures, *(near(*pair) for pair in pairs))
    for one in pictures:
        if one.decision is not None:
            assert verdicts[one.sha256].keep == (one.decision == "keep")
            assert verdicts[one.sha256].human


@given(populations(), st.randoms())
def test_verdicts_do_not_depend_on_the_order_of_arrival(
    population: tuple[list[Facts], list[tuple[str, str]]], random: Any
) -> None:
    pictures, pairs = population
    shuffled = random.sample(pictures, len(pictures))
    links = [near(*pair) for pair in pairs]
    assert judged(pictures, *links) == judged(shuffled, *random.sample(links, len(links)))


def test_only_pictures_that_pass_everything_else_are_compared() -> None:
    pictures = [picture("a"), picture("b", p_car=0.1), picture("c", decision="reject")]
    findings = {one.sha256: screen(one, Policy(), LIMITS) for one in pictures}
    assert [one.sha256 for one in eligible(pictures, findings)] == ["a"]
