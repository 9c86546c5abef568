"""Weights under which neither origin nor framing tells the label."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from training_cases import fill_workspace, tiny_recipe

from bodyshop_core.catalog import schema
from bodyshop_core.workspace import Workspace
from train.data.samples import load_samples
from train.data.strata import LARGEST, balance_weights
from train.recipes.recipe import Data
from train.runs.plan import plan_classifier, plan_key

ROWS = st.lists(
    st.tuples(st.sampled_from("dw"), st.sampled_from("abcd"), st.sampled_from(["full", "part"])),
    min_size=1,
    max_size=80,
)


def columns(rows: list[tuple[str, str, str]]) -> dict[str, list[str]]:
    names = ("label", "origin", "framing")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def shares(weights: np.ndarray, *keys: list[str]) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for weight, key in zip(weights, zip(*keys, strict=True), strict=True):
        found[key] = found.get(key, 0.0) + float(weight)
    return {key: value / len(weights) for key, value in found.items()}


@example(
    [
        ("d", "a", "full"),
        *(("d", origin, "part") for origin in "abcd"),
        ("w", "a", "full"),
        ("w", "a", "part"),
        ("w", "b", "full"),
    ]
)
@given(ROWS)
def test_labels_count_the_same_and_every_weight_is_positive(rows) -> None:
    table = columns(rows)
    weights = balance_weights(table)
    assert weights.shape == (len(rows),) and (weights > 0).all()
    assert weights.mean() == pytest.approx(1, rel=1e-3)
    labels = shares(weights, table["label"])
    assert list(labels.values()) == pytest.approx([1 / len(labels)] * len(labels), rel=1e-3)


def test_framing_no_longer_tells_the_label() -> None:
    """Damaged cars mostly close up, whole ones mostly from afar, in two origins each."""
    rows = (
        [("d", "a", "part")] * 30 + [("d", "a", "full")] * 5 + [("d", "b", "part")] * 20
        + [("d", "b", "full")] * 20 + [("w", "c", "full")] * 60 + [("w", "c", "part")] * 6
        + [("w", "e", "full")] * 10 + [("w", "e", "part")] * 8
    )  # fmt: skip
    table = columns(rows)
    for name in ("framing", "origin"):
        found = shares(balance_weights(table), table["label"], table[name])
        assert list(found.values()) == pytest.approx([0.25] * 4, abs=0.01)


def test_a_single_picture_of_an_origin_does_not_outweigh_the_others() -> None:
    rows = [("d", "a", "full")] * 200 + [("d", "b", "full")] + [("w", "c", "full")] * 200
    weights = balance_weights(columns(rows))
    assert weights.max() / np.median(weights) < 2 * LARGEST


@pytest.mark.parametrize(
    "data",
    [
        {"balance": ["label", "label"]},
        {"balance": ["host"]},
        {"balance": ["label"], "class_weights": True},
    ],
)
def test_a_senseless_balance_is_refused(data) -> None:
    with pytest.raises(ValidationError):
        Data.model_validate(data)


def test_a_run_that_weighs_by_origin_is_another_one_when_origins_change(
    workspace: Workspace,
) -> None:
    fill_workspace(workspace, {"damaged": (4, 2, 2), "whole": (4, 2, 2)})
    recipes = tiny_recipe(), tiny_recipe(data={"balance": ["label", "origin"]})
    before = [plan_classifier(workspace, recipe).key for recipe in recipes]
    sighting = {
        "key": "k",
        "sha256": load_samples(workspace).items[0].sha256,
        "source": "import",
        "origin": "elsewhere",
        "fetched_at": "2026",
        "tool_version": "test",
    }
    workspace.catalog.upsert(schema.sightings, [sighting])
    after = [plan_classifier(workspace, recipe).key for recipe in recipes]
    assert before[0] == after[0] and before[1] != after[1]


def test_runs_from_before_recipes_could_balance_are_still_found(workspace: Workspace) -> None:
    fill_workspace(workspace, {"damaged": (4, 2, 2), "whole": (4, 2, 2)})
    plan = plan_classifier(workspace, tiny_recipe()).as_dict()
    data = {name: value for name, value in plan["recipe"]["data"].items() if name != "balance"}
    assert plan_key({**plan, "recipe": {**plan["recipe"], "data": data}}) == plan_key(plan)
