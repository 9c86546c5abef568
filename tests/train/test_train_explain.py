"""Grad-CAM: heat maps, overlays and the page of them."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from training_cases import draw

import train
from bodyshop_core.errors import UsageError
from train.data.samples import load_samples
from train.evaluation.grad_cam import NoFeatureMapError


def test_the_heat_lies_on_the_stroke(finished, tmp_path: Path) -> None:
    summary, _ = finished
    run = train.load_run(summary.folder)
    hits = []
    for number in range(9000, 9006):
        picture = draw("damaged", number)
        red = (picture[..., 0] > 190) & (picture[..., 1] < 30)
        found = train.grad_cam(run, picture, label="damaged")
        assert found.heat.shape == picture.shape[:2]
        assert 0 <= found.heat.min() <= found.heat.max() <= 1
        hits.append(float(found.heat[red].mean() / found.heat[~red].mean()))
    assert np.median(hits) > 1.5, hits
    with pytest.raises(UsageError, match="no class 'dented'"):
        train.grad_cam(run, picture, label="dented")


def test_overlays_are_written_with_a_page(finished, tmp_path: Path) -> None:
    summary, workspace = finished
    pictures = [item.path for item in load_samples(workspace).of("test")[:3]]
    found = train.explain(train.load_run(summary.folder), pictures, tmp_path / "e")
    assert len(found.pictures) == 3
    with (
        Image.open(tmp_path / "e" / found.pictures[0]["overlay"]) as image,
        Image.open(pictures[0]) as original,
    ):
        assert image.size == original.size
    assert found.report.read_text(encoding="utf-8").count("<figure") == 3


def test_heat_outside_the_square_that_the_network_sees_is_zero(finished) -> None:
    summary, _ = finished
    wide = np.concatenate([draw("damaged", 9100)] * 3, axis=1)
    heat = train.grad_cam(train.load_run(summary.folder), wide).heat
    margin = (wide.shape[1] - wide.shape[0]) // 2
    assert not heat[:, : margin - 1].any()


def test_a_network_without_feature_maps_is_refused(finished) -> None:
    summary, _ = finished
    run = train.load_run(summary.folder)
    side = run.record.side
    flat = keras.Sequential(
        [keras.Input((side, side, 3)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
    )
    run.__dict__["model"] = flat
    with pytest.raises(NoFeatureMapError, match="no feature map"):
        train.grad_cam(run, draw("damaged", 1))


def test_a_picture_that_cannot_be_read_costs_only_its_overlay(finished, tmp_path: Path) -> None:
    summary, workspace = finished
    first, last = (item.path for item in load_samples(workspace).of("test")[:2])
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff not much")
    found = train.explain(train.load_run(summary.folder), [first, broken, last], tmp_path / "e")
    assert [row["error"] is None for row in found.pictures] == [True, False, True]
    assert [row["overlay"] for row in found.pictures] == ["0000.jpg", None, "0002.jpg"]
    page = found.report.read_text(encoding="utf-8")
    assert page.count("<figure") == 2
    assert "broken.jpg" in page
