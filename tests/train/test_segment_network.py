"""The segmenter's network, its loss and its figures, without a run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import train
from bodyshop_core.errors import UsageError
from train.fit.learn_masks import dice_and_cross_entropy, freeze_encoder
from train.metrics.masks import best_constant_iou, mask_summary
from train.models.unet import build_unet


def test_the_frozen_encoder_keeps_its_weights_and_statistics() -> None:
    model, encoder = build_unet("mobilenet", 2, side=64, decoder=(8, 8, 8, 8, 8), weights="none")
    assert model.output_shape == (None, 64, 64, 2)
    stage = train.load_segment_recipe().stages[0]
    freeze_encoder(model, encoder, stage)
    assert not any(model.get_layer(name).trainable_weights for name in encoder)
    freeze_encoder(model, encoder, stage.model_copy(update={"from_block": "conv_pw_13"}))
    learning = [name for name in encoder if model.get_layer(name).trainable_weights]
    assert learning == ["conv_pw_13"]
    with pytest.raises(UsageError, match="no block"):
        freeze_encoder(model, encoder, stage.model_copy(update={"from_block": "b99_"}))


def test_sizes_that_a_unet_cannot_have_are_refused() -> None:
    with pytest.raises(UsageError, match="use 224"):
        build_unet("mobilenet", 1, side=220, decoder=(8,) * 5, weights="none")
    with pytest.raises(UsageError, match="five scales"):
        build_unet("mobilenet", 1, side=224, decoder=(8,) * 4, weights="none")
    with pytest.raises(UsageError, match="segment"):
        train.load_segment_recipe("sgment")


def test_the_loss_is_lowest_for_the_truth() -> None:
    truth = np.zeros((2, 8, 8, 1), np.float32)
    truth[:, 2:5, 2:5] = 1
    right = float(dice_and_cross_entropy(truth, truth, 0.5))
    assert right < 1e-3
    for wrong in (truth * 0, truth * 0 + 1, 1 - truth, np.roll(truth, 1, axis=1)):
        assert float(dice_and_cross_entropy(truth, wrong, 0.5)) > right + 0.1


def test_focal_loss_is_the_published_formula_and_counts_easy_pixels_less() -> None:
    random = np.random.default_rng(0)
    truth = (random.random((2, 5, 5, 1)) < 0.3).astype(np.float32)
    predicted = random.uniform(0.02, 0.98, truth.shape).astype(np.float32)
    right = np.where(truth == 1, predicted, 1 - predicted)
    for focal in (0.0, 1.0, 2.0):
        expected = np.mean((1 - right) ** focal * -np.log(right))
        found = float(dice_and_cross_entropy(truth, predicted, 0.0, focal))
        assert found == pytest.approx(expected, rel=1e-5)
    easy, hard = np.full_like(truth, 0.9), np.full_like(truth, 0.4)
    ones = np.ones_like(truth)
    ratios = [
        float(dice_and_cross_entropy(ones, hard, 0.0, focal))
        / float(dice_and_cross_entropy(ones, easy, 0.0, focal))
        for focal in (0.0, 2.0)
    ]
    assert ratios[1] > 30 * ratios[0]


@given(st.integers(0, 500))
def test_overlap_figures_follow_their_definitions(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = (random.random((3, 6, 6, 2)) < 0.3).astype(np.uint8)
    predicted = random.random((3, 6, 6, 2)).astype(np.float32)
    found = mask_summary(truth, predicted, ("a", "b"))
    for index, name in enumerate("ab"):
        real, said = truth[..., index] == 1, predicted[..., index] >= 0.5
        each = found["per_class"][name]
        iou = (real & said).sum() / (real | said).sum()
        assert each["iou"] == pytest.approx(iou)
        assert each["dice"] == pytest.approx(2 * iou / (1 + iou))
    perfect = mask_summary(truth, truth.astype(np.float32), ("a", "b"))
    assert perfect["mean_iou"] in (1.0, None)


def test_the_best_constant_mask_finds_what_is_always_in_one_place() -> None:
    masks = np.zeros((5, 10, 10, 1), np.uint8)
    masks[:, 3:6, 3:6] = 1
    assert best_constant_iou(masks, masks, ("a",)) == {"a": 1.0}
