"""What a view of the desk shows, against a loop over all rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from bodyshop.desk.filters import CHOICES, FIGURES, View, apply_view, parse_view

VALUES = st.sampled_from(["a", "b", "a|b", "-", "a|-", "x"])


@given(
    st.dictionaries(st.sampled_from(CHOICES), VALUES),
    st.dictionaries(
        st.sampled_from(sorted(FIGURES)), st.sampled_from(["0..1", "..0.5", "0.3..", "2"])
    ),
    st.sampled_from(["", "p_car", "-p_car", "label", "-file"]),
)
def test_any_view_shows_the_rows_that_a_loop_over_all_rows_would(choices, ranges, sort):
    random = np.random.default_rng(3)
    texts = {
        name: [("a", "b", None)[i] for i in random.integers(0, 3, 40)]
        for name in (*CHOICES, "file")
        if name != "reason"
    }
    texts["reasons"] = [("", "a", "b", "a;b", "ab")[i] for i in random.integers(0, 5, 40)]
    numbers = {
        name: [None if value < 0.2 else float(value) for value in random.random(40)]
        for name in FIGURES
    }
    rows = [dict(zip([*texts, *numbers], each, strict=True))
            for each in zip(*texts.values(), *numbers.values(), strict=True)]  # fmt: skip
    view = parse_view({**choices, **ranges, "sort": sort})
    found = apply_view(pa.table({**texts, **numbers, "words": [""] * 40}), view)

    def fits(row) -> bool:
        for name, values in view.choices.items():
            have = row["reasons"].split(";") if name == "reason" else [row[name]]
            have = ["-" if each in (None, "") else each for each in have]
            if not set(have) & set(values):
                return False
        for name, (low, high) in view.ranges.items():
            value = row[name]
            if (
                value is None
                or (low is not None and value < low)
                or (high is not None and value > high)
            ):
                return False
        return True

    assert sorted(found) == [place for place, row in enumerate(rows) if fits(row)]
    if sort:
        ordered = [rows[place][sort.removeprefix("-")] for place in found]
        present = [value for value in ordered if value is not None]
        assert present == sorted(present, reverse=sort.startswith("-"))
        assert ordered[: len(present)] == present


def test_a_view_without_filters_shows_everything():
    assert parse_view({}) == View()
