"""A picture is learned in several looks, and a prediction is the mean of theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_cases import tiny_recipe

import train
from bodyshop_core.errors import ConfigError
from bodyshop_core.imaging import Equalise
from bodyshop_core.workspace import Workspace
from train.data.pixels import LOOKS, Cut, View, all_looks, looks_of, squares, to_square
from train.data.samples import load_samples
from train.fit.loop import as_distribution, predict
from train.models.run_folder import read_json, write_json

EVERY = tuple(LOOKS)


def _picture(height: int = 60, width: int = 160) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows % 256, columns % 256, (rows + columns) % 256], 2).astype(np.uint8)


def test_whole_shows_the_ends_that_the_centre_leaves_out_and_mirrored_turns_them() -> None:
    rgb = np.zeros((60, 160, 3), np.uint8)
    rgb[:, :20] = 250
    centre, mirrored, whole, turned = looks_of(rgb, View(32), EVERY)
    assert centre.max() == 0
    assert whole[:, :2].min() > 200
    assert whole[:, 8:].max() < 60
    assert (turned == whole[:, ::-1]).all()
    assert (mirrored == centre[:, ::-1]).all()


def test_looks_side_by_side_are_what_each_is_alone(tmp_path: Path) -> None:
    files = []
    for place in range(3):
        files.append(tmp_path / f"{place}.jpg")
        Image.fromarray(np.roll(_picture(), 30 * place, axis=1)).save(files[-1])
    sources = [*(file for file in files for _ in range(5)), Cut(files[0], (0, 0, 0.5, 1))]
    numbers = [*(0, -1, -2, -3, 2) * 3, -2]
    keys = [str(place // 5) for place in range(len(sources))]
    view = View(32, Equalise(90))
    together = list(squares(sources, view, numbers=numbers, keys=keys))
    for source, number, key, square in zip(sources, numbers, keys, together, strict=True):
        assert (to_square(source, view, number=number, key=key) == square).all()
    for file, shown in zip(files, all_looks(files, view, EVERY), strict=True):
        assert (shown == looks_of(file, view, EVERY)).all()


def test_only_training_pictures_are_added_and_copies_stay_at_their_centre(small: Workspace) -> None:
    samples = load_samples(small)
    copy = replace(samples.of("train")[0], variant="1", content="c")
    samples = replace(samples, items=(*samples.items, copy))
    shown = samples.with_views(EVERY, 2)
    assert len(shown.of("train")) == 16 * 6 + 3
    assert [item.view for item in shown.items if item.variant] == [0, 1, 2]
    for split in ("validation", "test"):
        assert shown.of(split) == samples.of(split)


def test_a_prediction_is_the_mean_of_the_looks_here_and_from_the_folder(small: Workspace) -> None:
    summary = train.train(small, tiny_recipe(data={"looks": ["centre", "whole-mirrored"]}))
    run = train.load_run(summary.folder)
    assert run.record.looks == ("centre", "whole-mirrored")
    rgb = _picture()
    shown = [to_square(rgb, run.record.view, number=number) for number in (0, -3)]
    each = as_distribution(predict(run.model, np.stack(shown)))
    assert np.abs(each[0] - each[1]).max() > 1e-4
    np.testing.assert_allclose(run.raw_probabilities([rgb])[0], each.mean(axis=0), atol=1e-6)
    tempered = run.probabilities([rgb])[0]
    assert run.classify([rgb])[0].probabilities == pytest.approx(
        dict(zip(run.classes, tempered, strict=True)), abs=1e-6
    )
    assert read_json(summary.folder / "run.json")["looks"] == ["centre", "whole-mirrored"]


def test_a_run_from_before_there_were_looks_is_shown_the_centre(carried: Path) -> None:
    record = read_json(carried / "run.json")
    record.pop("looks")
    write_json(carried / "run.json", record)
    assert train.load_run(carried).record.looks == ("centre",)


@pytest.mark.parametrize("looks", [["whole"], ["centre", "centre"], ["centre", "sideways"], []])
def test_looks_start_with_the_centre_and_are_known(looks: list[str]) -> None:
    with pytest.raises(ConfigError, match="looks"):
        train.load_recipe("default", overrides={"data.looks": looks})


def test_default_learns_in_all_its_looks_and_exports(small: Workspace, tmp_path: Path) -> None:
    summary = train.train(small)
    run = train.load_run(summary.folder)
    assert run.record.looks == EVERY
    picture = next((small.root / "blobs").rglob("*.png"))
    assert summary.metrics["accuracy"] >= 0.75
    assert run.classify([picture])[0].label in run.classes
    exported = train.export(run, "tflite", tmp_path / "out", pictures=[picture])
    assert exported.difference < 1e-3
