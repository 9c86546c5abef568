"""Gate and classifier on one backbone and one square: the network runs once for both."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import lite0_recipe, save_run
from training_cases import draw

import bodyshop
import curate
from bodyshop.networks import bring_along
from bodyshop_core.inference import FrozenNetwork
from bodyshop_core.workspace import Workspace
from curate.gate.stage import open_gate
from train.models.run_folder import load_record, save_record

VIEWS = ("whole", "mirrored", "centre", "whole-mirrored")

RunWith = Callable[..., Path]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shared look")
    gate = curate.load_gate(Workspace.open(root / "workspace")).as_dict()
    return save_run(root / "run", lite0_recipe(), gate=gate, tta_views=VIEWS)


@pytest.fixture
def run_with(saved: Path, tmp_path: Path) -> RunWith:
    """Copy the run with another gate, and other values in its record."""

    def copy(*, gate: dict[str, Any], **changes: Any) -> Path:
        folder = Path(shutil.copytree(saved, tmp_path / f"run {len(list(tmp_path.iterdir()))}"))
        record = load_record(folder)
        assert record.gate is not None
        save_record(folder, replace(record, gate=record.gate | gate, **changes))
        return folder

    return copy


@pytest.fixture
def pictures() -> list[np.ndarray]:
    return [draw(("damaged", "whole")[at % 2], at, 300)[: 300 - 20 * at] for at in range(4)]


@pytest.fixture
def squares_run(monkeypatch) -> list[int]:
    """How many squares each call of a network was given."""
    counted: list[int] = []
    real = FrozenNetwork.run

    def run(self, rows):
        counted.append(len(rows))
        return real(self, rows)

    monkeypatch.setattr(FrozenNetwork, "run", run)
    return counted


def in_turn(predictor: bodyshop.Predictor) -> bodyshop.Predictor:
    """The same predictor, the gate with a network of its own."""
    predictor.model.shared = None
    return predictor


def test_a_car_costs_one_run_of_the_network_per_view(run_with, pictures, squares_run):
    run = run_with(gate={"threshold": 0.0})
    predictor = bodyshop.Predictor.open(run)
    found = predictor.predict(pictures)
    assert sum(squares_run) == len(VIEWS) * len(pictures)
    for one, other in zip(found, in_turn(predictor).predict(pictures), strict=True):
        assert (one.is_car, one.label) == (other.is_car, other.label)
        assert one.p_car == pytest.approx(other.p_car, abs=1e-3)  # features are rounded to halves
        assert one.probability == pytest.approx(other.probability, abs=1e-6)


def test_another_picture_costs_one_run_in_all(run_with, pictures, squares_run):
    found = bodyshop.Predictor.open(run_with(gate={"threshold": 1.0})).predict(pictures)
    assert sum(squares_run) == len(pictures)
    assert [(one.is_car, one.label) for one in found] == [(False, None)] * len(pictures)


def test_cars_are_told_from_others_in_one_batch(run_with, pictures):
    run = run_with(gate={"threshold": 0.0})
    predictor = bodyshop.Predictor.open(run)
    scores = sorted(one.p_car for one in predictor.predict(pictures))
    middle = (scores[1] + scores[2]) / 2
    assert scores[1] < middle < scores[2]
    predictor = bodyshop.Predictor.open(run_with(gate={"threshold": middle}))
    found = predictor.predict(pictures)
    assert sorted(one.is_car for one in found) == [False, False, True, True]
    apart = in_turn(predictor).predict(pictures)
    assert [(o.is_car, o.label) for o in found] == [(o.is_car, o.label) for o in apart]


@pytest.mark.parametrize(
    "record",
    [
        {"equalise": {"longest_side": 200, "jpeg_quality": 80}},
        {"grey": True},
        {"tta_views": ("whole",)},
    ],
    ids=lambda record: next(iter(record)),
)
def test_a_run_that_sees_other_pixels_leaves_the_gate_its_own(run_with, pictures, record):
    predictor = bodyshop.Predictor.open(run_with(gate={"threshold": 0.0}, **record))
    assert predictor.model.shared is None
    assert all(one.label for one in predictor.predict(pictures))


def test_a_gate_by_categories_keeps_its_own_network(run_with, pictures):
    facts = {"rule": "top5", "probe": None, "threshold": 0.0}
    predictor = bodyshop.Predictor.open(run_with(gate=facts))
    assert predictor.model.shared is None
    assert all(one.label for one in predictor.predict(pictures))


def test_a_gate_in_8_bits_travels_with_its_run(run_with, pictures, tmp_path, monkeypatch):
    rounded = curate.parse_policy("gate: {precision: int8}\n")
    facts = open_gate(Workspace.open(tmp_path / "workspace"), policy=rounded).as_dict()
    run = run_with(gate=facts | {"threshold": 0.0})
    brought = bring_along(run)
    found = bodyshop.Predictor.open(run).predict(pictures)
    monkeypatch.setenv("BODYSHOP_CACHE", str(tmp_path / "empty"))
    predictor = bodyshop.Predictor.open(run)
    assert predictor.model.shared is None, "the classifier looks in float32"
    assert predictor.model.gate.scorer.file in [each.file for each in brought.networks]
    assert [one.p_car for one in predictor.predict(pictures)] == [one.p_car for one in found]
