"""Splits: groups stay whole, classes are balanced, and assignments never change."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from curate.splits.assign import Member, SplitError, assign_splits

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


def members(label: str, groups: int, size: int = 1, **options: object) -> list[Member]:
    return [
        Member(f"{label}-{group}-{index}", label, f"{label}-{group}", **options)  # type: ignore[arg-type]
        for group in range(groups)
        for index in range(size)
    ]


@st.composite
def populations(draw: st.DrawFn) -> list[Member]:
    """Pictures of 2 to 4 classes in groups, some of which hold several classes."""
    labels = draw(st.lists(st.sampled_from("wxyz"), min_size=2, max_size=4, unique=True))
    out = [member for label in labels for member in members(label, draw(st.integers(3, 12)))]
    mixed = draw(st.lists(st.lists(st.sampled_from(labels), min_size=1, max_size=6), max_size=8))
    for number, group in enumerate(mixed):
        out += [
            Member(f"m-{number}-{place}", label, f"mixed-{number}")
            for place, label in enumerate(group)
        ]
    return out


def by_group(population: list[Member], splits: dict[str, str]) -> dict[str, set[str]]:
    where: dict[str, set[str]] = defaultdict(set)
    for member in population:
        if member.sha256 in splits:
            where[member.group].add(splits[member.sha256])
    return where


@given(populations(), st.integers(0, 100))
def test_no_group_is_ever_in_two_splits(population: list[Member], seed: int) -> None:
    splits = assign_splits(population, SHARES, seed=seed).splits
    assert set(splits) == {member.sha256 for member in population}
    assert all(len(where) == 1 for where in by_group(population, splits).values())


@given(populations(), st.integers(0, 100), st.randoms())
def test_the_deal_depends_on_the_seed_and_not_on_the_order(
    population: list[Member], seed: int, random: object
) -> None:
    shuffled = random.sample(population, len(population))  # type: ignore[attr-defined]
    assert assign_splits(population, SHARES, seed=seed) == assign_splits(
        shuffled, SHARES, seed=seed
    )


@given(populations(), st.integers(0, 100))
def test_every_class_is_in_every_split(population: list[Member], seed: int) -> None:
    splits = assign_splits(population, SHARES, seed=seed).splits
    seen = {(member.label, splits[member.sha256]) for member in population}
    assert seen == {(m.label, split) for m in population for split in SHARES}


@given(populations(), st.integers(0, 100), st.integers(0, 10))
def test_newcomers_never_change_earlier_assignments(
    population: list[Member], seed: int, late: int
) -> None:
    first = [member for member in population if not member.group.endswith(str(late))]
    counts = Counter(label for label, _ in {(m.label, m.group) for m in first})
    assume(len(counts) > 1 and min(counts.values()) >= 3)
    before = assign_splits(first, SHARES, seed=seed).splits
    after = assign_splits(population, SHARES, seed=seed + 1, assigned=before)
    assert {sha256: after.splits[sha256] for sha256 in before} == before
    assert all(len(where) == 1 for where in by_group(population, after.splits).values())


def test_shares_are_met_within_a_group_when_groups_are_small() -> None:
    population = members("damaged", 300) + members("whole", 500)
    splits = assign_splits(population, SHARES, seed=3).splits
    for label, total in (("damaged", 300), ("whole", 500)):
        counts = Counter(splits[m.sha256] for m in population if m.label == label)
        for split, share in SHARES.items():
            assert abs(counts[split] - share * total) <= 1


@pytest.mark.parametrize(
    "shares",
    [
        {"train": 0.9, "test": 0.1},
        {"train": 0.9, "validation": 0.1},
        {"train": 0.7, "test": 0.3},
        {"train": 0.7, "validation": 0.3},
        {"train": 0.8, "validation": 0.1, "test": 0.1},
    ],
)
def test_the_ratios_of_the_studies_are_met(shares: dict[str, float]) -> None:
    population = members("damaged", 100, size=2) + members("whole", 200)
    counts = Counter(assign_splits(population, shares, seed=7).splits.values())
    assert counts == {split: round(share * 400) for split, share in shares.items()}


def test_another_seed_deals_another_way() -> None:
    population = members("damaged", 60) + members("whole", 60)
    assert (
        assign_splits(population, SHARES, seed=1).splits
        != assign_splits(population, SHARES, seed=2).splits
    )


def test_a_large_spinner_group_goes_where_there_is_room() -> None:
    population = members("whole", 1, size=24) + members("whole2", 3)
    population = [Member(m.sha256, "whole", m.group) for m in population]
    population += members("damaged", 20)
    splits = assign_splits(population, SHARES, seed=0).splits
    assert splits["whole-0-0"] == "train"


def test_a_class_with_two_groups_is_an_error_that_names_it() -> None:
    with pytest.raises(SplitError, match="class 'rare' has 2 groups"):
        assign_splits(members("common", 10) + members("rare", 2, size=30), SHARES, seed=0)


def test_one_class_alone_is_an_error() -> None:
    with pytest.raises(SplitError, match="at least two classes"):
        assign_splits(members("only", 10), SHARES, seed=0)


def test_spinners_can_be_kept_out_of_the_tests() -> None:
    population = (
        members("a", 4, size=12, spinner=True)
        + members("b", 4)
        + [Member(f"a-single-{i}", "a", f"single-{i}") for i in range(4)]
    )
    splits = assign_splits(population, SHARES, seed=5, spinners_train_only=True).splits
    assert {splits[m.sha256] for m in population if m.spinner} == {"train"}
    assert {splits[m.sha256] for m in population if m.label == "a"} == set(SHARES)


def test_only_spinner_frames_in_a_class_is_an_error_when_they_may_only_train() -> None:
    population = members("a", 4, size=12, spinner=True) + members("b", 4)
    with pytest.raises(SplitError, match="class 'a' has too few groups without spinner frames"):
        assign_splits(population, SHARES, seed=5, spinners_train_only=True)


def test_given_splits_are_kept_and_a_torn_group_loses_its_train_part() -> None:
    population = [
        *members("a", 5, given="train"),
        *members("b", 5, given="train"),
        Member("a-t", "a", "a-0", given="test"),
        Member("b-v", "b", "b-v", given="validation"),
        Member("b-t", "b", "b-t", given="test"),
    ]
    outcome = assign_splits(population, SHARES, seed=1, keep_given=True)
    assert outcome.dropped == {"a-0-0": ("test", "train")}
    for member in population:
        if member.sha256 not in outcome.dropped:
            assert outcome.splits[member.sha256] == member.given


def test_a_torn_earlier_deal_is_refused_with_the_way_out() -> None:
    population = members("a", 4) + members("b", 4)
    torn = [*population, Member("a-x", "a", "a-0")]
    with pytest.raises(SplitError, match="--new-split"):
        assign_splits(torn, SHARES, seed=1, assigned={"a-0-0": "train", "a-x": "test"})


def test_folds_are_equal_parts() -> None:
    shares = {f"fold{i}": 0.2 for i in range(1, 6)}
    splits = assign_splits(members("a", 50) + members("b", 25), shares, seed=9).splits
    assert sorted(Counter(splits.values()).values()) == [15] * 5
