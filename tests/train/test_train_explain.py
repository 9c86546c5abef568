"""Grad-CAM: heat maps, overlays and the page of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_cases import draw, tiny_recipe

import train
from bodyshop_core.errors import UsageError
from train.data.samples import load_samples
from train.models.network import build_network


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
    with pytest.raises(UsageError, match="does not know 'dented'"):
        train.grad_cam(run, picture, label="dented")


def test_overlays_are_written_with_a_page(finished, tmp_path: Path) -> None:
    summary, workspace = finished
    pictures = [item.path for item in load_samples(workspace).of("test")[:3]]
    found = train.explain(train.load_run(summary.folder), pictures, tmp_path / "e")
    assert len(found.rows) == 3
    with (
        Image.open(tmp_path / "e" / found.rows[0]["overlay"]) as image,
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


def test_networks_without_maps_are_refused_for_heat() -> None:
    from train.evaluation.grad_cam import _tapped

    recipe = tiny_recipe()
    model = build_network(recipe, 2).model
    assert _tapped(model) is _tapped(model)
