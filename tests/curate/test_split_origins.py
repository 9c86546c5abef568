"""splits.by: origin holds whole origins out."""

from __future__ import annotations

from collections import defaultdict

import pytest
from curated import splits, verdicts
from filling import add_picture, photo, pretend_scores, resaved
from hypothesis import given
from hypothesis import strategies as st

import curate
from bodyshop_core.catalog import Reason
from bodyshop_core.errors import UsageError
from bodyshop_core.workspace import Workspace
from curate.policy import parse_policy
from curate.splits.assign import Member, SplitError, assign_splits
from curate.splits.origins import unite_origins

BY_ORIGIN = parse_policy("splits: {by: origin}")
SHARES = {"train": 0.5, "validation": 0.25, "test": 0.25}


@st.composite
def populations(draw: st.DrawFn) -> tuple[list[Member], dict[str, str]]:
    """Pictures of two labels from some origins; some groups span origins."""
    count = draw(st.integers(6, 60))
    members = [
        Member(f"{place:04d}", draw(st.sampled_from("dw")), f"g{draw(st.integers(0, 200))}")
        for place in range(count)
    ]
    names = st.sampled_from([f"origin {number}" for number in range(12)])
    return members, {member.sha256: draw(names) for member in members}


@given(populations(), st.integers(0, 60))
def test_no_origin_and_no_group_lies_in_two_splits_whenever_its_pictures_come(
    population: tuple[list[Member], dict[str, str]], known: int
) -> None:
    members, origins = population
    assigned: dict[str, str] = {}
    for part in (members[:known], members):  # the second call adds the rest
        united, bridges = unite_origins(part, origins, assigned)
        try:
            outcome = assign_splits(
                united, SHARES, seed=7, assigned=assigned, min_groups=2, unit="origin"
            )
        except SplitError:
            assert not assigned  # too few origins: said, not split
            return
        assert outcome.splits.keys() | bridges.keys() == {member.sha256 for member in part}
        assert assigned.items() <= outcome.splits.items()
        where: dict[str, set[str]] = defaultdict(set)
        for member in part:
            if member.sha256 in outcome.splits:
                split = outcome.splits[member.sha256]
                where[f"origin {origins[member.sha256]}"].add(split)
                where[f"group {member.group}"].add(split)
        assert all(len(names) == 1 for names in where.values())
        assigned = outcome.splits


def fill(workspace: Workspace, origins: dict[str, tuple[str, int]]) -> dict[str, str]:
    """Add pictures: origin -> (label, how many); return sha256 -> origin."""
    found, seed = {}, 0
    for origin, (label, count) in origins.items():
        for _ in range(count):
            seed += 1
            sha = add_picture(workspace, photo(seed), labels={"damage": label}, origin=origin)
            found[sha] = origin
    pretend_scores(workspace)
    return found


SIX = {
    **{f"workshop {n}": ("damaged", 3) for n in range(3)},
    **{f"dealer {n}": ("whole", 3) for n in range(3)},
}


def test_curate_holds_whole_origins_out_and_newcomers_join_their_origin(
    workspace: Workspace,
) -> None:
    origins = fill(workspace, SIX)
    curate.curate(workspace, workers=1, policy=BY_ORIGIN)
    before = splits(workspace)
    homes = defaultdict(set)
    for sha, split in before.items():
        homes[origins[sha]].add(split)
    assert all(len(split) == 1 for split in homes.values())
    assert set(before.values()) == {"train", "validation", "test"}
    late = add_picture(workspace, photo(90), labels={"damage": "damaged"}, origin="workshop 1")
    pretend_scores(workspace)
    curate.curate(workspace, workers=1)  # the set keeps what it was made with
    after = splits(workspace)
    assert after == before | {late: next(iter(homes["workshop 1"]))}


def test_a_newcomer_that_resembles_a_picture_of_another_split_is_left_out_alone(
    workspace: Workspace,
) -> None:
    origins = fill(workspace, SIX)
    curate.curate(workspace, workers=1, policy=BY_ORIGIN)
    before = splits(workspace)
    tested = next(sha for sha, split in sorted(before.items()) if split == "test")
    of_train = next(origins[sha] for sha, split in before.items() if split == "train")
    label = "whole" if origins[tested].startswith("workshop") else "damaged"  # else a duplicate
    copy = resaved(workspace.image_path(tested).read_bytes())
    bridge = add_picture(workspace, copy, labels={"damage": label}, origin=of_train)
    other = add_picture(workspace, photo(91), labels={"damage": "whole"}, origin=of_train)
    pretend_scores(workspace)
    for _ in range(2):
        curate.curate(workspace, workers=1, policy=BY_ORIGIN)
        assert verdicts(workspace)[bridge].reasons == [Reason.SPLIT_BRIDGE.value]
        assert splits(workspace) == before | {other: "train"}


def test_too_few_origins_of_a_class_are_an_error_that_says_so(workspace: Workspace) -> None:
    fill(workspace, {"a": ("damaged", 6), "b": ("whole", 6), "c": ("whole", 6)})
    with pytest.raises(SplitError, match="'damaged' has pictures of 1 origin "):
        curate.curate(workspace, workers=1, policy=BY_ORIGIN)


def test_given_splits_and_whole_origins_exclude_each_other(workspace: Workspace) -> None:
    fill(workspace, SIX)
    with pytest.raises(UsageError, match="exclude each other"):
        curate.curate(workspace, workers=1, policy=BY_ORIGIN, keep_given_splits=True)


def test_the_audit_says_that_the_origin_tells_the_label(workspace: Workspace) -> None:
    fill(workspace, {name: (label, 5) for name, (label, _) in SIX.items()})
    summary = curate.curate(workspace, workers=1)
    found = {each["feature"]: each for each in summary.audit["features"]}
    assert found["origin"]["balanced_accuracy"] > 0.9
    page = summary.report.read_text(encoding="utf-8")
    assert "workshop 0" in page and "dealer 2" in page
    assert "What equalising leaves is a shortcut: origin" in page
    assert "bodyshop evaluate --abroad" in page
