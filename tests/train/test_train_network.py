from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from training_cases import Told, tiny_recipe

from bodyshop_core.errors import UsageError
from bodyshop_core.workspace import Workspace
from train.data.pixels import View
from train.data.samples import load_samples
from train.fit.features import cache_name, cut_features
from train.fit.labels import LabelObjective, Rows
from train.fit.loop import fit
from train.metrics.finite import NotFiniteError
from train.models.head import set_output
from train.models.inference import as_distribution, predict
from train.models.linear_probe import STRENGTHS, fit_linear_probe
from train.models.network import (
    assert_frozen,
    build_network,
    find_cut,
    parameters,
    set_trainable,
    split_at,
)
from train.recipes.recipe import AfterLayers, FromBlock, Optimizer, Recipe, Stage


def _recipe(backbone: str, *stages: Stage, **more: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "x",
            "description": "x",
            "backbone": backbone,
            "weights": "none",
            "stages": stages,
            "input_size": 64,
            **more,
        }
    )


HEAD = Stage(name="head", epochs=1)
FINETUNE = Stage(name="tune", epochs=1, trainable=FromBlock(from_block="b14_"))


def _rows(shape: tuple[int, ...], seed: int = 1) -> Rows:
    random = np.random.default_rng(seed)
    x = random.uniform(0, 255, (12, *shape)).astype(np.float32)
    return Rows(x, np.eye(2, dtype=np.float32)[np.arange(12) % 2], np.ones(12, np.float32))


def test_finetuning_moves_the_unfrozen_weights_and_no_batch_normalisation() -> None:
    # Real weights: through sixteen blocks of random ones hardly any gradient arrives.
    network = build_network(_recipe("efficientnet-lite0", FINETUNE, weights=None), 2)
    learning = set_trainable(network, FINETUNE)
    assert learning
    assert not any("_bn" in name for name in learning)
    before = {layer.name: layer.get_weights() for layer in network.model.layers}
    fit(network.model, LabelObjective(_rows((64, 64, 3)), _rows((64, 64, 3)), FINETUNE), seed=1)
    moved = {
        layer.name
        for layer in network.model.layers
        if any((a != b).any() for a, b in zip(before[layer.name], layer.get_weights(), strict=True))
    }
    assert moved == {*learning, "predictions"}
    assert {"b14_expand", "b15_project", "head_conv"} <= moved
    assert "b13_project" not in moved


def test_batch_normalisation_that_would_train_is_refused() -> None:
    network = build_network(_recipe("efficientnet-lite0", FINETUNE), 2)
    set_trainable(network, FINETUNE)
    network.model.get_layer("b15_project_bn").trainable = True
    with pytest.raises(Exception, match="b15_project_bn"):
        assert_frozen(network, FINETUNE)


def test_the_cut_model_computes_what_the_whole_one_does_and_shares_its_weights() -> None:
    network = build_network(_recipe("efficientnet-lite0", HEAD, FINETUNE), 2)
    pixels = _rows((64, 64, 3)).x
    set_trainable(network, HEAD)
    assert find_cut(network.model) == "pool"
    set_trainable(network, FINETUNE)
    cut = find_cut(network.model)
    assert cut == "b13_add"
    before, after = split_at(network.model, cut)
    whole = predict(network.model, pixels)
    assert predict(after, predict(before, pixels)) == pytest.approx(whole, abs=1e-5)
    fit(
        after,
        LabelObjective(_rows(after.input_shape[1:]), _rows(after.input_shape[1:]), FINETUNE),
        seed=1,
    )
    changed = predict(network.model, pixels)
    assert np.abs(changed - whole).max() > 1e-4
    assert predict(after, predict(before, pixels)) == pytest.approx(changed, abs=1e-5)


def test_a_network_that_learns_from_its_first_layer_has_no_cut() -> None:
    stage = Stage(name="all", epochs=1, trainable="all")
    network = build_network(_recipe("mobilenet", stage), 3)
    set_trainable(network, stage)
    assert find_cut(network.model) is None


@pytest.mark.parametrize(
    ("backbone", "frozen", "first"),
    [
        ("resnet50", 143, "conv5_block1_1_conv"),
        ("densenet121", 143, "conv4_block1_1_conv"),
        ("mobilenet", 46, "conv_pw_7"),
    ],
)
def test_frozen_layers_are_counted_as_keras_applications_does(
    backbone: str, frozen: int, first: str
) -> None:
    stage = Stage(
        name="tune", epochs=1, trainable=AfterLayers(after_layers=frozen), batch_norm="with_layers"
    )
    network = build_network(_recipe(backbone, stage), 2)
    learning = set_trainable(network, stage)
    assert learning[0] == first
    assert network.body[frozen] == first


def test_unknown_block_and_too_many_layers_are_refused_with_the_choices() -> None:
    network = build_network(_recipe("mobilenet_v2", HEAD), 2)
    with pytest.raises(UsageError, match="block_16_"):
        set_trainable(network, HEAD.model_copy(update={"trainable": FromBlock(from_block="b9")}))
    with pytest.raises(UsageError, match="154 layers"):
        set_trainable(network, HEAD.model_copy(update={"trainable": AfterLayers(after_layers=155)}))


def test_head_l2_of_a_stage_goes_into_the_loss() -> None:
    recipe = tiny_recipe(
        head={"pooling": "average", "layers": [{"dense": 8, "l2": 0.001}]},
    )
    network = build_network(recipe, 2)
    stage = recipe.stages[0]
    set_trainable(network, stage)
    kernel = network.model.get_layer("dense").kernel.numpy()
    penalty = float(sum(network.model.losses))
    assert penalty == pytest.approx(0.001 * (kernel**2).sum(), rel=1e-4)
    set_trainable(network, stage.model_copy(update={"head_l2": 0.01}))
    assert float(sum(network.model.losses)) == pytest.approx(10 * penalty, rel=1e-4)


def test_a_sigmoid_for_three_classes_is_refused() -> None:
    with pytest.raises(UsageError, match="softmax"):
        build_network(tiny_recipe(head={"activation": "sigmoid"}), 3)


def test_parameters_counts_what_learns() -> None:
    network = build_network(_recipe("efficientnet-lite0", HEAD), 2)
    set_trainable(network, HEAD)
    assert parameters(network.model)["trainable"] == 1280 * 2 + 2


def test_mixed_precision_computes_in_bfloat16_and_answers_in_float32() -> None:
    recipe = tiny_recipe(mixed_precision=True)
    network = build_network(recipe, 2)
    assert network.model.get_layer("conv1").compute_dtype == "bfloat16"
    assert predict(network.model, np.zeros((2, 32, 32, 3), np.uint8)).dtype == np.float32
    assert build_network(tiny_recipe(), 2).model.get_layer("conv1").compute_dtype == "float32"
    fit(
        network.model,
        LabelObjective(
            _rows((32, 32, 3)),
            _rows((32, 32, 3)),
            Stage(name="a", epochs=1, optimizer=Optimizer(learning_rate=0.01)),
        ),
        seed=1,
    )


def test_features_by_way_of_an_earlier_cut_are_the_same_within_half_precision(
    small: Workspace,
) -> None:
    network = build_network(_recipe("efficientnet-lite0", HEAD, weights=None), 2)
    samples = load_samples(small).of("train")
    view = View(network.side)
    direct = cut_features(network.model, "pool", samples, view, small.features)
    told = Told()
    by_way = cut_features(
        network.model, "pool", samples, view, small.features, via="b14_add", progress=told
    )
    assert np.abs(by_way - direct).max() < 0.02 * np.abs(direct).max()
    assert (
        cut_features(network.model, "b14_add", samples, view, small.features, progress=Told()).dtype
        == np.float16
    )


@pytest.mark.parametrize(
    ("classes", "activation"), [(2, "softmax"), (2, "sigmoid"), (3, "softmax")]
)
def test_a_solved_output_layer_says_what_the_regression_says(classes: int, activation: str) -> None:
    random = np.random.default_rng(3)
    head = {"feature_blocks": ["b3_", "b8_"], "std_pooling": True, "activation": activation}
    network = build_network(_recipe("efficientnet-lite0", HEAD, head=head), classes)
    set_trainable(network, HEAD)
    assert find_cut(network.model) == "pool"
    _, after = split_at(network.model, "pool")
    labels = np.arange(60) % classes
    x = random.normal(5, 3, (60, after.input_shape[1])).astype(np.float32)
    x[:, 0] += labels
    linear_probe = fit_linear_probe(x, labels, x, labels)
    set_output(network.model.layers[-1], linear_probe)
    said = as_distribution(predict(after, x))
    np.testing.assert_allclose(said, linear_probe.predict_proba(x), atol=1e-4)


def test_averages_and_standard_deviations_are_those_of_the_feature_blocks() -> None:
    head = {"feature_blocks": ["b3_", "b8_"], "std_pooling": True}
    network = build_network(_recipe("efficientnet-lite0", HEAD, head=head), 2)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)

    def maps(name: str) -> np.ndarray:
        part = keras.Model(network.model.input, network.model.get_layer(name).output)
        return np.asarray(predict(part, pixels))

    feature_blocks = [maps("b3_project_bn"), maps("b8_project_bn")]
    last = maps("top_activation").mean(axis=(1, 2))
    std_pooling = [np.sqrt(each.var(axis=(1, 2)) + 1e-6) for each in feature_blocks]
    expected = np.concatenate(
        [*std_pooling, *(each.mean(axis=(1, 2)) for each in feature_blocks), last], axis=1
    )
    np.testing.assert_allclose(
        predict(split_at(network.model, "pool")[0], pixels), expected, atol=1e-4
    )


def test_a_weaker_strength_stops_where_validation_no_longer_gains() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 30)).astype(np.float32)
    labels = (x[:, 0] + random.normal(size=400) > 0).astype(int)
    found = fit_linear_probe(x[:200], labels[:200], x[200:], labels[200:])
    losses = {}
    for strength in STRENGTHS:
        cold = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))
        cold.fit(x[:200], labels[:200])
        losses[strength] = log_loss(labels[200:], cold.predict_proba(x[200:]))
    assert found.chosen == min(losses, key=losses.__getitem__)
    found_loss = log_loss(labels[200:], found.predict_proba(x[200:]))
    assert found_loss == pytest.approx(min(losses.values()), rel=0.01)


def test_a_tap_that_is_no_block_is_named() -> None:
    with pytest.raises(UsageError, match="b99_"):
        build_network(_recipe("efficientnet-lite0", HEAD, head={"feature_blocks": ["b99_"]}), 2)


def test_features_that_are_no_numbers_are_an_error_and_are_not_cached(
    small: Workspace, tmp_path: Path
) -> None:
    network = build_network(_recipe("efficientnet-lite0", HEAD), 2)
    set_trainable(network, HEAD)
    stem = next(layer for layer in network.model.layers if layer.weights)
    stem.set_weights([np.full_like(each, np.nan) for each in stem.get_weights()])
    part = load_samples(small).of("test")
    with pytest.raises(NotFiniteError, match="features of 8 of 8 pictures"):
        cut_features(network.model, "pool", part, View(64), tmp_path)
    assert not list(tmp_path.rglob("*.npz"))


def test_other_feature_blocks_have_another_cache() -> None:
    names = set()
    for blocks in ([], ["b3_"], ["b4_"], ["b3_", "b8_"]):
        keras.utils.set_random_seed(1)  # the same weights in all of them
        network = build_network(
            _recipe("efficientnet-lite0", HEAD, head={"feature_blocks": blocks}), 2
        )
        before, _ = split_at(network.model, "pool")
        names.add(cache_name(before, "pool", View(64)))
    assert len(names) == 4
