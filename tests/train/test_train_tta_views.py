"""A picture is learned in several views, and a prediction is the mean of theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from training_cases import tiny_recipe

import train
from bodyshop_core.errors import ConfigError
from bodyshop_core.imaging import Equalise
from bodyshop_core.workspace import Workspace
from train.data.pixels import (
    TTA_VIEWS,
    Cut,
    View,
    load_all_tta_views,
    load_tta_views,
    squares,
    to_square,
)
from train.data.samples import load_samples
from train.models.inference import as_distribution, predict
from train.models.run_folder import read_json

EVERY = tuple(TTA_VIEWS)


def _picture(height: int = 60, width: int = 160) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows % 256, columns % 256, (rows + columns) % 256], 2).astype(np.uint8)


def test_whole_shows_the_ends_that_the_centre_leaves_out_and_mirrored_turns_them() -> None:
    rgb = np.zeros((60, 160, 3), np.uint8)
    rgb[:, :20] = 250
    centre, mirrored, whole, turned = load_tta_views(rgb, View(32), EVERY)
    assert centre.max() == 0
    assert whole[:, :2].min() > 200
    assert whole[:, 8:].max() < 60
    assert (turned == whole[:, ::-1]).all()
    assert (mirrored == centre[:, ::-1]).all()


def test_a_mirrored_view_is_not_resized_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    resized = []
    resize = Image.Image.resize

    def count(image: Image.Image, size: tuple[int, int], *more: Any, **others: Any) -> Image.Image:
        resized.append(size)
        return resize(image, size, *more, **others)

    monkeypatch.setattr(Image.Image, "resize", count)
    shown = load_tta_views(_picture(), View(32, grey=True), EVERY)
    assert resized == [(32, 32)] * 2
    monkeypatch.undo()
    for name, square in zip(EVERY, shown, strict=True):
        assert (square == to_square(_picture(), View(32, grey=True), number=TTA_VIEWS[name])).all()


def test_tta_views_side_by_side_are_what_each_is_alone(tmp_path: Path) -> None:
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
    for file, shown in zip(files, load_all_tta_views(files, view, EVERY), strict=True):
        assert (shown == load_tta_views(file, view, EVERY)).all()


def test_only_training_pictures_are_added_and_copies_stay_at_their_centre(small: Workspace) -> None:
    samples = load_samples(small)
    copy = replace(samples.of("train")[0], variant="1", content="c")
    samples = replace(samples, items=(*samples.items, copy))
    shown = samples.with_views(EVERY, 2)
    assert len(shown.of("train")) == 16 * 6 + 3
    assert [item.view for item in shown.items if item.variant] == [0, 1, 2]
    for split in ("validation", "test"):
        assert shown.of(split) == samples.of(split)


def test_a_prediction_is_the_mean_of_the_views_here_and_from_the_folder(
    small: Workspace,
) -> None:
    summary = train.train(small, tiny_recipe(data={"tta_views": ["centre", "whole-mirrored"]}))
    run = train.load_run(summary.folder)
    assert run.record.tta_views == ("centre", "whole-mirrored")
    rgb = _picture()
    shown = [to_square(rgb, run.record.view, number=number) for number in (0, -3)]
    each = as_distribution(predict(run.model, np.stack(shown)))
    assert np.abs(each[0] - each[1]).max() > 1e-4
    np.testing.assert_allclose(run.raw_probabilities([rgb])[0], each.mean(axis=0), atol=1e-6)
    tempered = run.probabilities([rgb])[0]
    assert run.classify([rgb])[0].probabilities == pytest.approx(
        dict(zip(run.classes, tempered, strict=True)), abs=1e-6
    )
    assert read_json(summary.folder / "run.json")["tta_views"] == ["centre", "whole-mirrored"]


@pytest.mark.parametrize(
    "tta_views", [["mirrored"], ["centre", "centre"], ["centre", "sideways"], []]
)
def test_tta_views_start_with_an_unmirrored_one_and_are_known(tta_views: list[str]) -> None:
    with pytest.raises(ConfigError, match="tta_views"):
        train.load_recipe("default", overrides={"data.tta_views": tta_views})


def test_default_learns_in_all_its_tta_views_and_exports(small: Workspace, tmp_path: Path) -> None:
    summary = train.train(small)
    run = train.load_run(summary.folder)
    assert run.record.tta_views == EVERY
    picture = next((small.root / "blobs").rglob("*.png"))
    assert summary.metrics["accuracy"] >= 0.75
    assert run.classify([picture])[0].label in run.classes
    exported = train.export(run, "tflite", tmp_path / "out", pictures=[picture])
    assert exported.difference < 1e-3
