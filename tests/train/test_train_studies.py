"""Each system of the studies is built as the study states it."""

from __future__ import annotations

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from training_cases import tiny_recipe

from bodyshop_core import backbones
from bodyshop_core.errors import UsageError
from bodyshop_core.workspace import Workspace
from train import load_run, train
from train.models.network import Network, build_network, find_cut, parameters, set_trainable
from train.recipes.recipe import Recipe, load_recipe, recipe_names


def _built(name: str, classes: int = 2) -> tuple[Recipe, Network]:
    recipe = load_recipe(name)
    return recipe, build_network(recipe, classes, weights="none")


def _kinds(network: Network, names: tuple[str, ...]) -> list[str]:
    return [type(network.model.get_layer(name)).__name__ for name in names]


def test_gate2_bottleneck_is_a_dense_layer_of_256_on_the_maps_of_the_padded_stack() -> None:
    recipe, network = _built("gate2-bottleneck")
    stage = recipe.stages[0]
    assert set_trainable(network, stage) == ()
    assert network.model.get_layer("pool").input.shape[1:] == (10, 10, 512)
    assert _kinds(network, network.head) == ["Flatten", "Dense", "Dropout", "Dense"]
    dense = network.model.get_layer("dense")
    assert (dense.units, float(dense.kernel_regularizer.l2)) == (256, pytest.approx(0.001))
    assert network.model.get_layer("dropout").rate == 0.5
    assert network.model.output_shape == (None, 1)
    assert find_cut(network.model) == "pool"
    optimizer = stage.optimizer
    assert (optimizer.name, optimizer.learning_rate, optimizer.momentum) == ("sgd", 1e-4, 0.9)
    assert (stage.monitor, stage.keep) == ("accuracy", "best")
    assert recipe.data.equalise == "never"


def test_gate2_finetune_freezes_25_of_31_padded_layers_and_trains_block_5() -> None:
    recipe, network = _built("gate2-finetune")
    assert len(network.body) - 1 == 31  # the study's Sequential does not count its input
    assert _kinds(network, network.body[1:6]) == [
        "ZeroPadding2D",
        "Conv2D",
        "ZeroPadding2D",
        "Conv2D",
        "MaxPooling2D",
    ]
    top, finetune = recipe.stages
    assert set_trainable(network, top) == ()
    learning = set_trainable(network, finetune)
    assert learning == ("block5_conv1", "block5_conv2", "block5_conv3")
    frozen = network.body[1:26]
    assert not any(network.model.get_layer(name).trainable for name in frozen)
    assert float(network.model.get_layer("dense").kernel.regularizer.l2) == pytest.approx(0.01)
    assert finetune.optimizer.learning_rate == 1e-5
    affine = finetune.affine
    assert affine is not None
    assert (affine.rotation, affine.shift, affine.shear, affine.zoom) == (40, 0.2, 0.2, 0.2)
    assert affine.flip
    assert network.model.get_layer("rescale").scale == pytest.approx(1 / 255)


@pytest.mark.slow
def test_the_top_of_gate2_bottleneck_loads_into_gate2_finetune(real_weights: Path) -> None:
    file = real_weights / "vgg16_notop.weights.h5"
    bottleneck, finetune = (
        build_network(load_recipe(name), 2, weights=file)
        for name in ("gate2-bottleneck", "gate2-finetune")
    )
    assert bottleneck.body == finetune.body
    for name in bottleneck.head:
        finetune.model.get_layer(name).set_weights(bottleneck.model.get_layer(name).get_weights())
    pictures = np.random.default_rng(7).integers(0, 256, (2, 150, 150, 3)).astype(np.float32)
    found = [np.asarray(each.model(pictures, training=False)) for each in (bottleneck, finetune)]
    assert (found[0] == found[1]).all()
    assert len(set(found[0].ravel().tolist())) == 2


CONV, POOL, DENSE, DROP = "Conv2D", "MaxPooling2D", "Dense", "Dropout"
PADDED = [layer for depth in (2, 2, 3, 3, 3) for layer in (*["ZeroPadding2D", CONV] * depth, POOL)]
"""Blocks of VGG16 as load_vgg16 adds them, a padding before every convolution."""

TOPS = {
    "gate2-bottleneck": ["Flatten", "Dense 256", "Dropout 0.5", "Dense 1"],
    "gate2-finetune": ["Flatten", "Dense 256", "Dropout 0.5", "Dense 1"],
    "resnet50-143": [
        "GlobalAveragePooling2D",
        "Dropout 0.5",
        "BatchNormalization",
        "Dense 256",
        "Dense 128",
        "Dense 1",
    ],
    "mobilenet-47": ["GlobalAveragePooling2D", "Dense 256", "Dense 128", "Dense 2"],
    "densenet121-144": ["GlobalAveragePooling2D", "Dense 256", "Dense 128", "Dense 2"],
    "base-cnn": ["Flatten", "Dense 256", "Dense 128", "Dense 2"],
    "mobilenetv2-3class-first": ["GlobalAveragePooling2D", "Dropout 0.2", "Dense 2"],
    "mobilenetv2-3class": ["GlobalAveragePooling2D", "Dropout 0.2", "Dense 2"],
    "xray-150": [
        "Flatten",
        "Dense 256",
        "Dropout 0.5",
        "Dense 128",
        "Dropout 0.3",
        "Dense 1",
    ],
    "grayscale-64": ["Flatten", "Dense 128", "Dropout 0.5", "Dense 1"],
}
"""Recipe -> layers above its body. Where a study shows its top in a figure only, its recipe says
that it is a reconstruction."""

BODIES = {
    "gate2-bottleneck": PADDED,
    "gate2-finetune": PADDED,
    "base-cnn": [CONV, POOL] * 3,
    "xray-150": [CONV, POOL] * 5,
    "grayscale-64": [CONV, POOL] * 2,
}
"""Recipe -> layers of the bodies that are no network of keras.applications."""

APPLICATIONS = {
    "resnet50-143": "ResNet50",
    "mobilenet-47": "MobileNet",
    "densenet121-144": "DenseNet121",
    "mobilenetv2-3class-first": "MobileNetV2",
    "mobilenetv2-3class": "MobileNetV2",
}

SETTINGS = {
    # side of the input; of each stage: epochs, batch, optimiser, learning rate, kept weights
    "gate2-bottleneck": (150, [(50, 16, "sgd", 1e-4, "best")]),
    "gate2-finetune": (150, [(50, 16, "sgd", 1e-4, "best"), (50, 16, "sgd", 1e-5, "best")]),
    "resnet50-143": (224, [(20, 32, "adam", 1e-4, "last")]),
    "mobilenet-47": (224, [(30, 64, "adam", 1e-4, "last")]),
    "densenet121-144": (224, [(30, 64, "adam", 1e-4, "last")]),
    "base-cnn": (224, [(30, 64, "adam", 1e-3, "last")]),
    "mobilenetv2-3class-first": (224, [(100, 32, "adam", 1e-4, "last")]),
    "mobilenetv2-3class": (224, [(30, 32, "adam", 1e-5, "last")]),
    "xray-150": (150, [(25, 32, "adam", 1e-3, "last")]),
    "grayscale-64": (64, [(15, 32, "adam", 1e-3, "best")]),
}


@pytest.mark.parametrize(
    "name", [*BODIES, *(pytest.param(name, marks=pytest.mark.slow) for name in APPLICATIONS)]
)
def test_a_study_is_built_layer_by_layer(name: str) -> None:
    recipe, network = _built(name)
    assert [_described(network, layer) for layer in network.head] == TOPS[name]
    if name in BODIES:
        assert _kinds(network, network.body[-len(BODIES[name]) :]) == BODIES[name]
    else:
        plain = getattr(keras.applications, APPLICATIONS[name])(
            include_top=False, weights=None, input_shape=(224, 224, 3)
        )
        ours = [network.model.get_layer(layer) for layer in network.body]
        assert [(type(a), a.output.shape) for a in ours] == [
            (type(b), b.output.shape) for b in plain.layers
        ]
    side, stages = SETTINGS[name]
    assert network.side == side
    assert [
        (s.epochs, s.batch_size, s.optimizer.name, s.optimizer.learning_rate, s.keep)
        for s in recipe.stages
    ] == stages
    assert recipe.data.equalise == "never"
    assert recipe.data.degradation_views == 0


def test_every_recipe_of_a_study_is_among_them() -> None:
    assert set(TOPS) == {*BODIES, *APPLICATIONS}
    own = {"default", "bottleneck", "finetune", "head-swap"}  # head-swap has a test of its own
    assert set(recipe_names()) - own == set(TOPS) == set(SETTINGS)


def _described(network: Network, name: str) -> str:
    layer = network.model.get_layer(name)
    size = getattr(layer, "units", getattr(layer, "rate", None))
    return type(layer).__name__ + ("" if size is None else f" {size}")


def test_padded_stack_carries_vgg16s_own_convolutions(real_weights: Path) -> None:
    file = real_weights / "vgg16_notop.weights.h5"
    network = build_network(load_recipe("gate2-finetune"), 2, weights=file)
    plain = backbones.build("vgg16", weights=file)
    convolutions = [layer for layer in plain.layers if "_conv" in layer.name]
    assert len(convolutions) == 13
    for layer in convolutions:
        ours = network.model.get_layer(layer.name).kernel
        assert (ours.numpy() == layer.kernel.numpy()).all()


def test_resnet50_143_has_the_parameters_the_study_printed() -> None:
    recipe, network = _built("resnet50-143")
    learning = set_trainable(network, recipe.stages[0])
    assert learning[0] == "conv5_block1_1_conv"
    assert parameters(network.model) == {"total": 24_153_473, "trainable": 15_537_665}
    assert _kinds(network, network.head)[:3] == [
        "GlobalAveragePooling2D",
        "Dropout",
        "BatchNormalization",
    ]
    assert network.model.output_shape == (None, 1)


@pytest.mark.parametrize(
    ("name", "layer", "first", "layers"),
    [
        ("mobilenet-47", 47, "conv_pw_7", 86),
        ("densenet121-144", 144, "conv4_block1_1_conv", 427),
    ],
)
def test_the_33_model_study_starts_training_at_its_numbered_layer(
    name: str, layer: int, first: str, layers: int
) -> None:
    recipe, network = _built(name, 33)
    learning = set_trainable(network, recipe.stages[0])
    assert len(network.body) == layers
    assert network.body[layer - 1] == first == learning[0]
    assert network.model.output_shape == (None, 33)
    assert recipe.stages[0].optimizer.learning_rate == 1e-4
    norms = [name for name in network.body[layer - 1 :] if "bn" in name]
    assert norms
    assert all(network.model.get_layer(norm).trainable for norm in norms)


def test_every_layer_learns_at_a_thousandth_when_asked() -> None:
    recipe = load_recipe(
        "mobilenet-47",
        overrides={"stages.0.trainable": "all", "stages.0.optimizer.learning_rate": 1e-3},
    )
    network = build_network(recipe, 33, weights="none")
    set_trainable(network, recipe.stages[0])
    model = network.model
    statistics = [weight for weight in model.weights if "moving_" in weight.path]
    assert len(model.trainable_weights) == len(model.weights) - len(statistics)


def test_base_cnn_and_the_xray_network_learn_everything_from_nothing() -> None:
    for name, side in (("base-cnn", 224), ("grayscale-64", 64)):
        recipe, network = _built(name)
        set_trainable(network, recipe.stages[0])
        assert network.model.input_shape == (None, side, side, 3)
        assert find_cut(network.model) is None
        assert len(network.model.trainable_weights) == len(network.model.weights)
    assert network.model.get_layer("conv1").kernel.shape[2] == 1
    assert recipe.stages[0].patience is not None


def test_both_tries_of_the_glass_study() -> None:
    first, final = load_recipe("mobilenetv2-3class-first"), load_recipe("mobilenetv2-3class")
    assert [r.stages[0].epochs for r in (first, final)] == [100, 30]
    assert [r.stages[0].optimizer.learning_rate for r in (first, final)] == [1e-4, 1e-5]
    network = build_network(final, 3, weights="none")
    assert network.model.output_shape == (None, 3)


def test_head_swap_keeps_the_trained_layers_and_learns_all_of_them(small: Workspace, fill) -> None:
    stem = tiny_recipe(head={"pooling": "average", "layers": [{"dense": 16}, {"dense": 8}]})
    earlier = train(small, stem)
    fill({"red": (4, 2, 2), "green": (4, 2, 2), "파손": (4, 2, 2)}, name="other")
    recipe = load_recipe("head-swap", overrides={"start.run": str(earlier.folder)})
    network = build_network(recipe, 3)
    set_trainable(network, recipe.stages[0])
    source = load_run(earlier.folder).model
    for name in ("conv1", "dense_1"):
        assert (
            network.model.get_layer(name).kernel.numpy() == source.get_layer(name).kernel.numpy()
        ).all()
        assert network.model.get_layer(name).trainable
    units = [network.model.get_layer(n).units for n in network.head if "dense" in n]
    assert units == [1024, 512, 256, 128]
    assert network.model.output_shape == (None, 3)

    short = {"start.run": str(earlier.folder), "stages.0.epochs": 1}
    swapped = train(small, "head-swap", split_set="other", overrides=short)
    assert load_run(swapped.folder).classes == ("green", "red", "파손")

    with pytest.raises(UsageError, match=r"start\.run"):
        build_network(load_recipe("head-swap"), 3)
    with pytest.raises(UsageError, match="no layer 'nowhere'"):
        build_network(load_recipe("head-swap", overrides={**short, "start.layer": "nowhere"}), 3)


@pytest.mark.parametrize(
    "name",
    [
        name if name == "grayscale-64" else pytest.param(name, marks=pytest.mark.slow)
        for name in recipe_names()
        if name != "head-swap"  # trained by its own test
    ],
)
def test_one_epoch_of_every_recipe_on_sixty_pictures_runs_to_its_report(
    fill, name: str, tmp_path: Path
) -> None:
    workspace = fill({"damaged": (20, 5, 5), "whole": (20, 5, 5)})
    recipe = load_recipe(name)
    overrides: dict[str, object] = {
        f"stages.{index}.epochs": 1 for index in range(len(recipe.stages))
    }
    overrides["input_size"] = 64
    summary = train(workspace, name, weights="none", overrides=overrides)
    assert summary.metrics["n"] == 10
    moved = shutil.copytree(summary.folder, tmp_path / "moved")
    picture = next((workspace.root / "blobs").rglob("*.png"))
    prediction = load_run(moved).classify([picture])[0]
    assert prediction.label in {"damaged", "whole"}
    assert summary.report.exists()
