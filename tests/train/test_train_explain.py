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
from train.evaluation import grad_cam
from train.evaluation.grad_cam import NoFeatureMapError
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


def test_where_several_blocks_are_pooled_the_heat_is_all_that_they_add_to_the_log_odds() -> None:
    recipe = train.load_recipe("default", overrides={"input_size": 96})
    model = build_network(recipe, 2).model
    random = np.random.default_rng(7)
    output = model.layers[-1]
    output.set_weights([random.normal(0, 1, output.kernel.shape), np.zeros(2)])
    body, head = grad_cam._parts(model)
    assert len(body.outputs) == 11
    squares = random.integers(0, 256, (2, 96, 96, 3)).astype(np.uint8)
    maps = body(squares.astype(np.float32), training=False)
    before = np.asarray(head(maps, training=False))
    np.testing.assert_allclose(
        np.asarray(model(squares.astype(np.float32), training=False)),
        keras.ops.softmax(before @ np.asarray(output.kernel)),
        atol=1e-5,
    )
    # Private: the map that users see is cut at 0 and scaled to 0..1.
    totals = grad_cam._contributions(model, squares, [1, 0])
    assert totals.shape == (2, 6, 6)  # the largest map's
    odds = before @ np.asarray(output.kernel) @ [[-1, 1], [1, -1]]
    np.testing.assert_allclose(totals.sum(axis=(1, 2)), odds[[0, 1], [0, 1]], rtol=0.02, atol=0.05)


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


@pytest.mark.parametrize("kept", [0, 3, 400, 2000])
def test_a_truncated_picture_costs_only_itself(finished, tmp_path: Path, kept: int) -> None:
    summary, _ = finished
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(draw("damaged", 9200 + number, 300)).save(folder / f"{number}.jpg")
    data = (folder / "2.jpg").read_bytes()
    (folder / "2.jpg").write_bytes(data[:kept])
    (folder / "4.jpg").unlink()
    pictures = [folder / f"{number}.jpg" for number in range(6)]
    found = train.explain(train.load_run(summary.folder), pictures, tmp_path / "e")
    assert [row["error"] is None for row in found.pictures] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]
    assert len(list((tmp_path / "e").glob("*.jpg"))) == 4


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
