"""Damage by windows: geometry, evidence, learning, the shipped model."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bodyshop_core.errors import BodyshopError
from train.windows import evidence, grid
from train.windows.classifier import MODEL_FILE, DamageClassifier, heat_of, shipped_folder
from train.windows.fit import KnownPictures, KnownWindows, fit_evidence, fit_platt
from train.windows.model import load_model_file, save_model


@pytest.fixture(scope="module")
def shipped() -> DamageClassifier:
    return DamageClassifier(shipped_folder())


def test_windows_lie_inside_the_picture_and_the_last_one_is_all_of_it() -> None:
    boxes = grid.boxes()
    assert boxes.shape == (62, 4)
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= 1).all()
    assert (boxes[:, :2] < boxes[:, 2:]).all()
    assert boxes[-1].tolist() == [0, 0, 1, 1]


def test_a_window_shows_damage_when_it_covers_enough_or_holds_a_region() -> None:
    damage = np.zeros((grid.SIDE, grid.SIDE), bool)
    damage[10:60, 10:60] = True
    labels, boxes = grid.window_labels(damage), grid.boxes() * grid.SIDE
    for label, (left, top, _, _) in zip(labels, boxes, strict=True):
        if left >= 60 or top >= 60:
            assert label == 0
    assert labels[0] == 1  # 96 x 96 at the corner
    assert labels[-1] == -1  # 2,500 of 200,704 pixels: too little of all to be sure


def test_a_window_with_ignored_pixels_only_is_unknown() -> None:
    ignored = np.zeros((grid.SIDE, grid.SIDE), bool)
    ignored[:40, :40] = True
    labels = grid.window_labels(np.zeros_like(ignored), ignored)
    assert labels[0] == -1
    assert (labels == 0).any() and not (labels == 1).any()


@given(arrays(np.float32, (3, 7), elements=st.floats(-50, 50, width=32)))
def test_the_pooled_score_lies_between_mean_and_largest(log_odds: np.ndarray) -> None:
    pooled = evidence.pool(log_odds)
    assert (pooled <= log_odds.max(axis=1) + 1e-3).all()
    assert (pooled >= log_odds.mean(axis=1) - 1e-3).all()


@given(arrays(np.bool_, (grid.SIDE // 32, grid.SIDE // 32)))
def test_every_window_has_one_of_three_labels_and_clean_pictures_none_damaged(
    cells: np.ndarray,
) -> None:
    labels = grid.window_labels(cells.repeat(32, axis=0).repeat(32, axis=1))
    assert set(labels.tolist()) <= {-1, 0, 1}
    assert cells.any() or (labels == 0).all()
    assert not cells.all() or (labels == 1).all()


def test_evidence_is_learned_from_windows() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 8)).astype(np.float32)
    damaged = features[:, 2] > 0
    weights, _ = fit_evidence(
        KnownWindows(features, damaged, np.ones(400, np.float32)), None, strength=1e-3
    )
    assert np.abs(weights).argmax() == 2 and weights[2] > 0


def test_what_the_windows_of_a_photo_have_in_common_explains_nothing_beside_its_mean() -> None:
    """Photos with a mark in feature 0 have more damage; where it is, only feature 1 says."""
    rng = np.random.default_rng(0)
    marked = rng.random(200) < 0.5
    features = rng.normal(scale=0.5, size=(200, 20, 4)).astype(np.float32)
    features[..., 0] += np.where(marked, 3, -3)[:, None]
    damaged = rng.random((200, 20)) < np.where(marked, 0.8, 0.2)[:, None]
    features[..., 1] += damaged * 0.5
    rows, ones = features.reshape(-1, 4), np.ones(4000, np.float32)
    means = features.mean(axis=1).repeat(20, axis=0)
    bent, _ = fit_evidence(KnownWindows(rows, damaged.ravel(), ones), None, strength=1e-3)
    found, _ = fit_evidence(KnownWindows(rows, damaged.ravel(), ones, means), None, strength=1e-3)
    assert bent.shape == found.shape == (4,)
    assert abs(found[0]) < 0.5 * abs(bent[0])
    assert found[1] > 5 * abs(found[0])


def test_evidence_is_learned_from_labels_of_whole_pictures() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(scale=0.3, size=(300, 20, 8)).astype(np.float32)
    damaged = np.arange(300) % 2 == 0
    spot = rng.integers(0, 20, 300)
    features[np.flatnonzero(damaged), spot[damaged], 5] += 3  # one window of twenty
    pictures = KnownPictures(features, damaged, np.ones(300, np.float32))
    weights, bias = fit_evidence(None, pictures, strength=1e-3)
    found = evidence.log_odds(features[damaged], weights, bias).argmax(axis=1)
    assert (found == spot[damaged]).mean() > 0.9


def test_a_start_is_kept_where_the_new_pictures_say_nothing() -> None:
    start = np.array([1.0, -2.0, 3.0], np.float32)
    nothing = KnownWindows(
        np.zeros((4, 3), np.float32), np.array([True, False] * 2), np.ones(4, np.float32)
    )
    weights, _ = fit_evidence(nothing, None, start=(start, 0.0))
    assert weights == pytest.approx(start, abs=1e-3)


def test_calibration_turns_scores_into_probabilities() -> None:
    scores = np.array([-3, -2, -1, 1, 2, 3, 0.5, -0.5], np.float32)
    damaged = np.array([0, 0, 0, 1, 1, 1, 0, 1], bool)
    slope, offset = fit_platt(scores, damaged)
    found = evidence.probability(scores, slope, offset)
    assert slope > 0 and 0 < found.min() < 0.5 < found.max() < 1


def test_a_few_scores_without_an_error_do_not_make_the_model_certain() -> None:
    scores = np.array([-40, -30, -20, 20, 30, 40] * 3, np.float32)
    slope, offset = fit_platt(scores, scores > 0)
    found = evidence.probability(scores, slope, offset)
    assert found.min() > 0.01 and found.max() < 0.99


def test_both_classes_count_the_same_whatever_the_weights_of_their_pictures() -> None:
    rng = np.random.default_rng(4)
    damaged = np.arange(400) % 2 == 0
    scores = (rng.normal(size=400) + 2 * damaged).astype(np.float32)
    weights = rng.uniform(0.5, 1.5, 400).astype(np.float32)
    plain = fit_platt(scores, damaged, weights)
    heavier = fit_platt(scores, damaged, weights * np.where(damaged, 9, 1).astype(np.float32))
    assert heavier == pytest.approx(plain, abs=0.01)


def test_no_score_overflows_a_probability() -> None:
    found = evidence.probability(np.array([-1e4, 0, 1e4], np.float32), 9.0, 0.0)
    assert found.tolist() == [0.0, 0.5, 1.0]


def test_a_model_is_written_and_read_back(shipped: DamageClassifier, tmp_path: Path) -> None:
    file = tmp_path / "damage.npz"
    save_model(shipped.model, file)
    again = load_model_file(file)
    assert again.network == shipped.model.network and again.slope == shipped.model.slope
    assert (again.weights == shipped.model.weights).all()


@pytest.mark.parametrize(
    "how",
    ["missing", "empty", "cut", "text", "nan", "short", "limit", "slope", "scale", "list", "bomb"],
)
def test_a_damaged_model_is_an_error_that_names_it(
    shipped: DamageClassifier, tmp_path: Path, how: str
) -> None:
    file = tmp_path / "damage.npz"
    whole = (shipped_folder() / MODEL_FILE).read_bytes()
    contents = {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"weights"}
    if how in contents:
        file.write_bytes(contents[how])
    elif how == "nan":
        save_model(replace(shipped.model, mean=shipped.model.mean * np.float32("nan")), file)
    elif how == "short":
        save_model(replace(shipped.model, weights=shipped.model.weights[:-1]), file)
    elif how == "limit":
        save_model(replace(shipped.model, limit=float("nan")), file)
    elif how == "slope":
        save_model(replace(shipped.model, slope="steep"), file)
    elif how == "scale":
        save_model(replace(shipped.model, scale=shipped.model.scale * 0), file)
    elif how == "list":
        save_model(replace(shipped.model, weights=[1.0, 2.0]), file)
    elif how == "bomb":
        with file.open("wb") as stream:
            np.savez_compressed(stream, head=np.zeros(1 << 25, np.uint8))
    with pytest.raises(BodyshopError, match=r"damage\.npz"):
        load_model_file(file)


def test_a_model_of_another_size_than_its_network_is_refused(
    shipped: DamageClassifier, tmp_path: Path
) -> None:
    for name in ("network.tflite", "card.md"):
        (tmp_path / name).write_bytes((shipped_folder() / name).read_bytes())
    model = shipped.model
    few = {name: getattr(model, name)[:10] for name in ("weights", "mean", "scale")}
    save_model(replace(model, **few, car_weights=model.car_weights[:20]), tmp_path / MODEL_FILE)
    with pytest.raises(BodyshopError, match="10 features"):
        DamageClassifier(tmp_path)


def test_a_model_beside_another_network_is_refused(tmp_path: Path) -> None:
    for file in shipped_folder().iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with (tmp_path / "network.tflite").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(BodyshopError, match="not the network"):
        DamageClassifier(tmp_path)


def test_the_networks_windows_are_in_the_order_of_the_grid(shipped: DamageClassifier) -> None:
    plain = np.full((1, grid.SIDE, grid.SIDE, 3), 120, np.uint8)
    rng = np.random.default_rng(3)
    boxes = grid.boxes()
    for place in (0, 5, 20, 47):
        left, top, right, bottom = (boxes[place] * grid.SIDE).round().astype(int)
        picture = plain.copy()
        picture[0, top:bottom, left:right] = rng.integers(0, 255, (bottom - top, right - left, 3))
        change = np.abs(shipped.features(picture) - shipped.features(plain))[0].sum(axis=1)
        size = slice(0, 36) if place < 36 else slice(36, 52)
        # at the picture's border padding makes a window's neighbour change as much
        assert place - size.start in change[size].argsort()[-2:]


def test_heat_is_high_where_the_evidence_is() -> None:
    log_odds = np.zeros(62, np.float32)
    log_odds[0] = 5
    heat = heat_of(log_odds)
    assert heat.shape == (14, 14) and np.unravel_index(heat.argmax(), heat.shape) == (0, 0)


def test_the_shipped_model_answers_without_tensorflow() -> None:
    script = (
        "import sys, numpy as np\n"
        "from train.windows.classifier import DamageClassifier, shipped_folder, squares_of\n"
        "model = DamageClassifier(shipped_folder())\n"
        "noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)\n"
        "(answer,) = model.answer(squares_of([noise]))\n"
        "assert not answer.is_car\n"
        "assert 0 <= answer.probability <= 1\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_the_card_says_what_it_was_made_from_and_where_it_fails(shipped: DamageClassifier) -> None:
    for heading in ("## Learned from", "## How well it does", "## Where it fails"):
        assert heading in shipped.card
