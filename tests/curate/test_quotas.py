"""Limits per page, host, source and class: what is kept of too many pictures."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_quotas import plainly_over_quota
from verdicts import judged, picture

from bodyshop_core.catalog import Reason
from curate.policy import LimitsPolicy, Policy
from curate.verdicts.quotas import PLACES, over_quota
from curate.verdicts.screen import Facts


def test_quotas_keep_the_first_ranked_and_say_what_is_full() -> None:
    pictures = [picture(name, rank=9 - place, page="p") for place, name in enumerate("abcd")]
    pictures.append(picture("e", page="q", host="h", label="damaged"))
    pictures.append(picture("f", host="h", label="damaged", decision="keep", width=100))
    pictures.append(picture("g", source="import", label="whole"))
    pictures.append(picture("h", page="p", p_car=0.0, rank=1))
    policy = Policy.model_validate({"limits": {"per_page": 2, "per_class": 1}})
    verdicts = judged(pictures, policy=policy)
    assert {name for name, verdict in verdicts.items() if verdict.keep} == {"c", "d", "f", "g"}
    assert verdicts["a"].details["over_quota"] == {
        "quota": "p", "limit": 2, "setting": "limits.per_page",
    }  # fmt: skip
    assert verdicts["e"].reasons == (Reason.OVER_QUOTA,)
    assert verdicts["h"].reasons == (Reason.NOT_A_CAR,)


@pytest.mark.parametrize(
    ("limit", "place"),
    [
        ("per_page", {"page": "https://a.example/p"}),
        ("per_host", {"host": "a.example"}),
        ("per_source", {"source": "import"}),
        ("per_class", {"label": "damaged"}),
    ],
)
def test_each_limit_keeps_the_best_of_its_place(limit: str, place: dict[str, str]) -> None:
    pictures = [picture(name, width=400 + at, **place) for at, name in enumerate("abcd")]
    pictures.append(picture("e", width=300))
    verdicts = judged(pictures, policy=Policy.model_validate({"limits": {limit: 2}}))
    assert {name for name, verdict in verdicts.items() if verdict.keep} == {"c", "d", "e"}
    assert verdicts["a"].details["over_quota"]["setting"] == f"limits.{limit}"


def _kept_of(pictures: list[Facts], **limits: int) -> list[str]:
    verdicts = judged(pictures, policy=Policy.model_validate({"limits": limits}))
    return [verdict.sha256 for verdict in verdicts.values() if verdict.keep]


def _row(label: str | None, count: int, *, width: int = 800, **facts: Any) -> list[Facts]:
    return [
        picture(f"{label}{facts.get('source', '')}{at:03}", label=label, width=width - at, **facts)
        for at in range(count)
    ]


@pytest.mark.parametrize("limit", ["per_page", "per_host", "per_source"])
def test_a_place_that_is_too_full_keeps_equal_parts_of_its_classes(limit: str) -> None:
    place = {"page": "p", "host": "h", "source": "import"}
    pictures = [
        *_row("whole", 60, width=2000, **place),  # all of them larger
        *_row("damaged", 40, **place),
        *_row("rare", 1, width=300, **place),
        *_row(None, 9, width=2900, **place),
    ]
    kept = _kept_of(pictures, **{limit: 10})
    assert [sum(name.startswith(label) for name in kept) for label in ("w", "d", "r", "N")] == [
        5, 4, 1, 0,
    ]  # fmt: skip
    assert "wholeimport000" in kept and "damagedimport000" in kept  # the best of each


def test_what_people_kept_counts_in_the_part_of_its_class() -> None:
    pictures = [
        *_row("whole", 4, source="import", decision="keep", width=300),
        *_row("damaged", 9, source="import"),
        *(picture(f"w{at}", label="whole", source="import", width=2000) for at in range(9)),
    ]
    kept = _kept_of(pictures, per_source=8)
    assert sorted(name[:5] for name in kept) == ["damag"] * 4 + ["whole"] * 4
    assert len(_kept_of(pictures, per_source=2)) == 4  # a person's keep is above every limit


def test_a_class_gives_its_groups_a_turn_before_their_second_pictures() -> None:
    """Five frames of one burst would be one group, which no split can be filled from."""
    pictures = [
        *_row("whole", 9, source="import", width=2000, group_keys=("spin:1",)),
        *(picture(f"single{at}", label="whole", source="import", width=300) for at in range(4)),
    ]
    kept = _kept_of(pictures, per_class=5)
    assert sorted(name[:6] for name in kept) == ["single"] * 4 + ["wholei"]


def test_of_splits_that_exist_each_keeps_the_best_of_every_class() -> None:
    pictures = [*_row("whole", 20, source="import"), *_row("damaged", 20, source="import")]
    names = [one.sha256 for one in pictures]
    last = {"wholeimport019": "test", "wholeimport018": "validation", "damagedimport019": "test"}
    assigned = {name: last.get(name, "train") for name in names}
    verdicts = judged(
        pictures,
        policy=Policy.model_validate({"limits": {"per_source": 6}}),
        assigned=assigned,
    )
    kept = {name for name, verdict in verdicts.items() if verdict.keep}
    assert kept >= last.keys() and len(kept) == 6


def test_a_limit_leaves_no_room_that_another_could_fill() -> None:
    pictures = [
        *_row("whole", 30, source="pages", width=2000),
        *_row("whole", 30, source="import"),
        *_row("damaged", 30, source="import"),
    ]
    kept = _kept_of(pictures, per_source=10, per_class=10)
    assert [sum(name.startswith(label) for name in kept) for label in ("w", "d")] == [10, 10]
    assert sum("import" in name for name in kept) == 10


_SPLITS = st.sampled_from([None, None, "train", "validation", "test"])
_PICTURES = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            {
                "label": st.sampled_from([None, "damaged", "whole", "rare"]),
                "page": st.sampled_from([None, "", "p", "q", "r"]),
                "host": st.sampled_from([None, "h", "i"]),
                "source": st.sampled_from(["pages", "import"]),
                "rank": st.none() | st.integers(1, 4),
                "decision": st.sampled_from([None, None, None, "keep"]),
                "width": st.sampled_from([None, 300, 800]),
                "sharpness": st.sampled_from([0.4, 0.8]),
            }
        ),
        st.sampled_from([None, None, "burst", "spin"]),
        _SPLITS,
    ),
    max_size=40,
)
_LIMITS = st.dictionaries(st.sampled_from(sorted(PLACES)), st.integers(1, 8))


@settings(max_examples=300, deadline=None)
@given(_PICTURES, _LIMITS)
def test_limits_take_out_what_a_slow_and_plain_reading_of_them_does(
    drawn: list[tuple[dict[str, Any], str | None, str | None]], wanted: dict[str, int]
) -> None:
    pictures = [picture(f"{at:02}", **facts) for at, (facts, *_) in enumerate(drawn)]
    groups = {f"{at:02}": group for at, (_, group, _) in enumerate(drawn) if group}
    assigned = {f"{at:02}": split for at, (*_, split) in enumerate(drawn) if split}
    limits = {name: wanted[name] for name in PLACES if name in wanted}
    found = over_quota(pictures, LimitsPolicy(**limits), groups=groups, assigned=assigned)
    assert found == plainly_over_quota(pictures, limits, groups, assigned)


def test_limits_ask_each_picture_for_its_label_a_few_times_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asked in every comparison and turn, 100,000 pictures took seven times as long."""
    asked = Counter[str]()

    def value(one: Facts) -> str | None:
        asked[one.sha256] += 1
        return one.label.value if one.label is not None else None

    monkeypatch.setattr(Facts, "value", property(value))
    pictures = [*_row("whole", 300, page="p", host="h"), *_row("damaged", 300, page="p", host="h")]
    over = over_quota(pictures, LimitsPolicy(per_page=200, per_host=150, per_class=50))
    assert len(over) == 500
    assert max(asked.values()) <= 2
