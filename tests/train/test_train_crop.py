"""A run that crops sees only the car's box, in training, testing and resuming alike."""

from __future__ import annotations

import numpy as np
import pytest
from training_cases import tiny_recipe

from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.imaging import crop_to, load_rgb
from bodyshop_core.workspace import Workspace
from train import evaluate, load_run, train
from train.data.pixels import View
from train.data.samples import load_samples
from train.evaluation.predictions import evaluate_samples
from train.fit.features import identity, load_pixels

CORNER = [0.8, 0.7, 1.0, 1.0]
"""No stroke reaches it."""


def detected(workspace: Workspace, box: list[float] | None, detector: str = "ssd-1") -> None:
    empty = dict.fromkeys(("label", "score", "error"))
    rows = [
        {"sha256": item.sha256, "detector": detector, "box": box, **empty}
        for item in load_samples(workspace).items
    ]
    workspace.catalog.upsert(schema.detections, rows)


def test_only_the_box_is_seen_and_has_its_own_identity(small: Workspace) -> None:
    whole = load_samples(small)
    detected(small, CORNER)
    cut = load_samples(small, crop="car")
    assert cut.digest() != whole.digest() == load_samples(small).digest()
    assert {identity(item) for item in cut.items}.isdisjoint(map(identity, whole.items))
    view = View(32)
    seen, cropped = (load_pixels(each.items, view) for each in (whole, cut))
    red = [(pixels[..., 0].astype(int) - pixels[..., 1] > 100).any() for pixels in (seen, cropped)]
    assert red == [True, False]


def test_a_picture_without_a_car_is_seen_whole(small: Workspace) -> None:
    detected(small, None)
    assert [item.source for item in load_samples(small, crop="car").items] == [
        item.path for item in load_samples(small).items
    ]


def test_the_detector_that_saw_most_counts(small: Workspace) -> None:
    detected(small, CORNER)
    one = load_samples(small).items[0].sha256
    row = {"detector": "a", "box": [0, 0, 1, 1], "label": "car", "score": 1.0, "error": None}
    small.catalog.upsert(schema.detections, [{"sha256": one, **row}])
    assert {item.box for item in load_samples(small, crop="car").items} == {tuple(CORNER)}


def test_cropping_without_a_detector_says_what_to_run(small: Workspace) -> None:
    with pytest.raises(NothingFoundError, match="no detector") as caught:
        train(small, tiny_recipe(data={"crop": "car"}))
    assert "bodyshop detect" in str(caught.value.hint)


def test_a_run_is_trained_and_tested_on_the_boxes(small: Workspace) -> None:
    detected(small, [0.1, 0.1, 0.9, 0.9])
    done = train(small, tiny_recipe(data={"crop": "car"}), seed=5)
    run = load_run(done.folder)
    test = load_samples(small, crop="car").of("test")
    cuts = [crop_to(load_rgb(item.path), [0.1, 0.1, 0.9, 0.9]) for item in test]
    expected = run.probabilities(cuts)
    told = evaluate_samples(run, test, name="test")
    np.testing.assert_allclose(told.probabilities, expected, atol=1e-5)
    assert evaluate(done.folder, workspace=small).metrics["accuracy"] == done.accuracy
