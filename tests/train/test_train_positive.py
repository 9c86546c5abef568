"""The class that is looked for, its threshold, and what reports say of data and audit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_cases import tiny_recipe

import train
from bodyshop_core.catalog.labels import damage_meaning
from bodyshop_core.errors import BodyshopError, UsageError
from train.data.positive import guess_positive, order_classes
from train.data.samples import load_samples
from train.report.pages import percent

PAIRS = [
    ("dent", "ok"),
    ("broken", "whole"),
    ("damaged_car", "undamaged"),
    ("damage", "no_damage"),
    ("Damaged", "Whole"),
    ("scratched", "intact"),
    ("crash", "normal"),
    ("파손", "정상"),
    ("파손차량", "비파손"),
    ("00-damage", "01-whole"),
    ("scratched_yes", "scratched_no"),
    ("dented-door", "dent-free"),
    ("carDamaged", "carFine"),
    ("not_ok", "ok"),
    ("사고차", "무사고"),
    ("zebra", "clean"),
    ("crack", "aardvark"),
]


@pytest.mark.parametrize(("damaged", "other"), PAIRS)
def test_the_class_that_means_damage_is_looked_for(damaged: str, other: str) -> None:
    assert guess_positive((damaged, other)) == (damaged, True)
    assert order_classes([other, damaged, other]) == (other, damaged)


@pytest.mark.parametrize("pair", [("cats", "dogs"), ("dent", "scratch"), ("ok", "fine")])
def test_names_that_say_nothing_leave_a_question(pair: tuple[str, str]) -> None:
    assert guess_positive(pair) == (max(pair), False)


@given(st.text(max_size=30), st.text(max_size=30))
def test_the_guess_does_not_depend_on_the_order(one: str, other: str) -> None:
    assert guess_positive((one, other)) == guess_positive((other, one))
    assert guess_positive((one, other))[0] in (one, other)


@given(st.sampled_from(["damaged", "whole", "dent", "ok"]), st.integers(0, 5))
def test_each_negation_turns_a_label_around(word: str, count: int) -> None:
    plain = damage_meaning(word)
    assert damage_meaning("_".join(["not"] * count + [word])) == (
        plain if count % 2 == 0 else not plain
    )


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("car no 12 damaged", True),
        ("dent no.3", True),
        ("no_1_dent", True),
        ("No3Dent", True),
        ("no plate damaged", None),
        ("broken_no_replacement", None),
        ("zero-miles wreck", None),
        ("non_repairable_damage", None),
        ("hands free dent", None),
        ("dent free of rust", None),
        ("no damage, dented door", None),
        ("경미손상", None),
        ("문제없이파손", None),
        ("bad, no good", True),
        ("not undamaged", True),
        ("no damage 3", False),
        ("damage: none", False),
        ("damage-free car", False),
        ("free of dents", False),
        ("without any damage", False),
        ("un-damaged", False),
        ("손상 없음", False),
        ("사고이력없음", False),
        ("완전무사고", False),
    ],
)
def test_a_negation_counts_only_beside_the_word_that_it_negates(label, meaning) -> None:
    assert damage_meaning(label) is meaning


@given(
    st.lists(st.sampled_from(["no", "free", "of", "any", "dent", "ok", "car", "3", "무", "없음"]))
)
def test_the_rest_of_a_label_never_makes_damage_whole(words: list[str]) -> None:
    assert damage_meaning(" ".join(["dent", "door", *words])) is not False


def test_a_recipe_names_the_class_to_detect() -> None:
    assert order_classes(["damaged", "whole"], "whole") == ("damaged", "whole")
    with pytest.raises(UsageError, match="classes are 'damaged' and 'whole'"):
        order_classes(["damaged", "whole"], "dent")
    with pytest.raises(UsageError, match="there are 3 classes"):
        order_classes(["a", "b", "c"], "a")
    assert order_classes(["c", "b", "a"]) == ("a", "b", "c")


def test_a_run_looks_for_the_class_that_its_recipe_names(fill) -> None:
    workspace = fill({"cats": (4, 2, 2), "dogs": (4, 2, 2)})
    unsure = train.train(workspace, tiny_recipe())
    page = unsure.report.read_text(encoding="utf-8")
    assert "Is &#39;dogs&#39; the class to detect?" in page
    assert "for &#39;dogs&#39; (?)" in page
    sure = train.train(workspace, tiny_recipe(positive="cats"))
    record = train.load_run(sure.folder).record
    assert (record.positive, record.classes) == ("cats", ("dogs", "cats"))
    page = sure.report.read_text(encoding="utf-8")
    assert "the class to detect?" not in page
    assert "(?)" not in page
    with pytest.raises(UsageError, match="positive is 'birds'"):
        train.train(workspace, tiny_recipe(positive="birds"))


def test_pictures_are_counted_and_their_views_apart(small) -> None:
    recipe = tiny_recipe(
        data={"tta_views": ["centre", "mirrored", "whole"], "degradation_views": 2}
    )
    summary = train.train(small, recipe)
    data = train.load_run(summary.folder).record.data
    assert data["counts"]["train"] == {"damaged": 8, "whole": 8}
    assert data["shown"] == {"pictures": 16, "copies": 0, "rows": 80}
    card = (summary.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "- train: damaged 8, whole 8" in card
    assert "16 pictures, 80 views of them" in card
    assert "16 pictures, 80 views of them" in summary.report.read_text(encoding="utf-8")


LEAK = {
    "leak": True,
    "baseline": {"feature": "area", "accuracy": 0.86, "ci95": [0.8, 0.9]},
    "equalise": {"longest_side": 64, "jpeg_quality": 75},
}
AFTER = {"feature": "framing", "accuracy": 0.7, "ci95": [0.6, 0.8]}


@pytest.mark.parametrize(
    ("equalised", "equalise", "words", "good"),
    [
        ({"leak": True, "baseline": AFTER}, None, "framing (70.0 %)", False),
        ({"leak": False, "baseline": AFTER}, None, "no longer predicts them", True),
        (None, None, "was not measured", False),
        ({"leak": False, "baseline": AFTER}, False, "does not equalise", False),
    ],
)
def test_the_note_on_the_audit_says_whether_the_leak_stays(
    fill, told, equalised, equalise, words: str, good: bool
) -> None:
    workspace = fill(
        {"damaged": (4, 2, 2), "whole": (4, 2, 2)}, audit=LEAK | {"equalised": equalised}
    )
    summary = train.train(workspace, tiny_recipe(), equalise=equalise, progress=told)
    page = summary.report.read_text(encoding="utf-8")
    (note,) = [
        line for line in page.split("<p ") if "The shortcut audit predicts the classes" in line
    ]
    assert words in note
    assert note.startswith('class="note good"') == good
    stays = equalise is None and equalised is not None and equalised["leak"]
    assert any("after which it still predicts them" in each for each in told.messages) == stays


def test_folds_use_the_threshold_of_the_recipe(small) -> None:
    samples = load_samples(small)
    found = {}
    for threshold in (1e-6, 0.5, 1 - 1e-6):
        recipe = tiny_recipe(threshold=threshold)
        result = train.cross_validate(recipe, samples, small.features, folds=3)
        found[threshold] = result.metrics["per_class"]["damaged"]["recall"]
        assert result.metrics["accuracy"] == result.correct.mean()
    assert found[1e-6] == 1.0
    assert found[1 - 1e-6] == 0.0
    cheap = tiny_recipe(threshold={"missed": 1000, "false": 1})
    result = train.cross_validate(cheap, samples, small.features, folds=3)
    assert result.metrics["per_class"]["damaged"]["recall"] >= found[0.5]


def test_a_run_by_cost_reports_what_pictures_cost(small) -> None:
    recipe = tiny_recipe(threshold={"missed": 20, "false": 1})
    summary = train.train(small, recipe)
    record = train.load_run(summary.folder).record
    assert 0 < record.threshold < 1
    page = summary.report.read_text(encoding="utf-8")
    assert "cost per picture" in page
    found = train.evaluate(summary.folder, workspace=small, costs=train.Costs(missed=20, false=1))
    assert found.costs is not None
    rows = {row["name"]: row for row in found.costs}
    assert rows["lowest cost on validation"]["threshold"] == pytest.approx(
        record.threshold, abs=1e-5
    )
    n = found.metrics["n"]
    assert rows["never"]["cost"] == pytest.approx(20 * 4 / n)
    assert rows["always"]["cost"] == pytest.approx(4 / n)
    assert percent(found.metrics["per_class"]["damaged"]["recall"]) == percent(
        rows["lowest cost on validation"]["recall"]
    )
    (summary.folder / "predictions-validation.csv").unlink()
    with pytest.raises(BodyshopError, match="validation pictures"):
        train.evaluate(summary.folder, workspace=small, costs=train.Costs(missed=2, false=1))
