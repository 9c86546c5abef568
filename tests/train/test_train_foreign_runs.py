"""A run folder from elsewhere: every value is checked, and no NaN becomes a label."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from training_cases import draw, fill_workspace, tiny_recipe

from bodyshop_core.errors import BodyshopError
from bodyshop_core.workspace import Workspace
from train import load_run, load_segmenter, train
from train.fit.labels import LabelObjective, Rows
from train.fit.loop import fit
from train.metrics.finite import NotFiniteError
from train.models.run_folder import read_json
from train.recipes.recipe import Stage


def _change(folder: Path, **values: object) -> None:
    record = read_json(folder / "run.json") | values
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("temperature", 0, "temperature: Input should be greater than 0"),
        ("temperature", math.inf, "temperature: Input should be a finite number"),
        ("temperature", math.nan, "temperature"),
        ("threshold", None, "threshold"),
        ("threshold", 1.5, "threshold"),
        ("side", 100_000, "side: Input should be less than or equal to 4096"),
        ("side", 8, "side"),
        ("side", "wide", "side"),
        ("classes", [], "classes"),
        ("classes", ["whole", "whole"], "unique"),
        ("classes", ["whole", ""], "empty"),
        ("classes", ["whole", "\x1b[31mdamaged"], "control characters"),
        ("positive", "nobody", "positive"),
        ("equalise", {"longest_side": 0, "jpeg_quality": 75}, "longest_side"),
        ("equalise", {"quality": 75}, "equalise"),
        ("gate", ["minivan"], "gate"),
        ("recipe", None, "recipe"),
        ("recipe", {"name": "x"}, "stages"),
        ("run", "../../elsewhere", "folder name"),
        ("tta_views", ["mirrored"], "tta_views"),
        ("kind", "detector", "kind"),
        ("script", "rm", "script"),
    ],
)
def test_values_that_no_run_has_are_refused_by_name(
    carried: Path, key: str, value: object, words: str
) -> None:
    _change(carried, **{key: value})
    with pytest.raises(BodyshopError, match=words) as caught:
        load_run(carried)
    assert "not a valid run record" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["[]", "null", "", "\x00", "{" * 100_000, '{"format":1' + "0" * 5000]
)
def test_a_record_that_is_no_object_is_an_error_of_bodyshop(carried: Path, text: str) -> None:
    (carried / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(BodyshopError, match=r"run\.json"):
        load_run(carried)


def test_a_huge_record_is_not_read_and_its_values_are_not_printed(carried: Path) -> None:
    _change(carried, target=["x" * 1_000_000])
    with pytest.raises(BodyshopError) as caught:
        load_run(carried)
    assert len(str(caught.value)) < 1000
    _change(carried, target="x" * 5_000_000)
    with pytest.raises(BodyshopError, match="larger than 4 MiB"):
        load_run(carried)


def test_a_description_that_unpacks_to_gigabytes_is_refused(carried: Path) -> None:
    with zipfile.ZipFile(carried / "model.keras", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.json", b" " * (65 << 20))
    with pytest.raises(BodyshopError, match="unpacks to 65 MiB"):
        _ = load_run(carried).model


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(carried: Path, value: float) -> None:
    model = load_run(carried).model
    kernel = model.get_layer("dense").kernel
    spoilt = np.array(kernel)
    spoilt[0, 0] = value
    kernel.assign(spoilt)
    model.save(carried / "model.keras")
    with pytest.raises(BodyshopError, match="NaN or infinite"):
        load_run(carried).classify([draw("whole", 1)])


def test_probabilities_that_are_no_numbers_are_never_a_label(carried: Path) -> None:
    run = load_run(carried)
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1e38)(inputs)
    x = keras.layers.Flatten()(keras.layers.Rescaling(1e38)(x))
    outputs = keras.layers.Dense(2, activation="softmax")(x)
    keras.Model(inputs, outputs).save(carried / "model.keras")
    assert run.record.side == 32
    for on_error in ("raise", "record"):
        with pytest.raises(NotFiniteError, match="probabilities"):
            load_run(carried).classify([draw("whole", 1)], on_error=on_error)


def test_a_segmenter_with_other_channels_than_classes_is_refused(carried: Path) -> None:
    recipe = {"name": "s", "description": "", "backbone": "mobilenet", "stages": [{"name": "a"}]}
    recipe["stages"][0]["epochs"] = 1
    _change(carried, kind="segmenter", recipe=recipe)
    with pytest.raises(BodyshopError, match=r"2 outputs, but .* 2 classes of a segmenter"):
        _ = load_segmenter(carried).model


def test_pictures_seen_in_training_are_known_or_it_is_an_error(carried: Path) -> None:
    run = load_run(carried)
    counts = {split: len(run.pictures_seen((split,))) for split in ("train", "validation", "test")}
    assert counts == {"train": 48, "validation": 16, "test": 16}
    assert len(run.pictures_seen()) == 80
    listed = (carried / "samples.csv").read_text(encoding="utf-8")
    (carried / "samples.csv").write_text(listed.replace("train", "test"), encoding="utf-8")
    with pytest.raises(BodyshopError, match="from another run"):
        run.pictures_seen()
    (carried / "samples.csv").unlink()
    with pytest.raises(BodyshopError, match="not known which pictures"):
        run.pictures_seen()


def test_a_validation_figure_that_is_no_number_ends_training() -> None:
    keras.utils.set_random_seed(1)
    layers = [keras.Input((4,)), keras.layers.Dense(2, activation="softmax")]
    x = np.random.default_rng(1).random((8, 4)).astype(np.float32)
    y, weight = np.eye(2, dtype=np.float32)[np.arange(8) % 2], np.ones(8, np.float32)
    spoilt = x.copy()
    spoilt[0, 0] = np.nan
    stage = Stage(name="s", epochs=3)
    objective = LabelObjective(Rows(x, y, weight), Rows(spoilt, y, weight), stage)
    with pytest.raises(BodyshopError, match="val_loss became nan in epoch 1 of stage 's'"):
        fit(keras.Sequential(layers), objective, seed=1)


@pytest.mark.parametrize("label", ["dam\naged", "\x1b[31mdamaged", " "])
def test_a_label_that_can_be_no_class_is_refused_before_training(
    workspace: Workspace, label: str
) -> None:
    fill_workspace(workspace, {label: (4, 2, 2), "whole": (4, 2, 2)})
    with pytest.raises(BodyshopError, match="can't be a class"):
        train(workspace, tiny_recipe())
