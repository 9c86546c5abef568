"""The classifier as one flat Keras model: body, pooling, head; and which of its layers learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import backbones
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.quiet_tensorflow import import_tensorflow
from train.models.head import build_head
from train.recipes.recipe import AfterLayers, Conv, FromBlock, Recipe, Stage

if TYPE_CHECKING:
    import keras

PADDED_VGG16 = "vgg16-padded"
OWN_SIZE = 224
"""Input side of a network without a pretrained body, unless the recipe names one."""


@dataclass(frozen=True)
class Network:
    """A built classifier.

    Parameters
    ----------
    model : keras.Model
        float32 RGB 0 to 255, shape (n, side, side, 3) -> probabilities (n, classes), or (n, 1)
        with a sigmoid.
    body : tuple of str
        Names of the body's layers, counted as ``keras.applications`` does: the input is layer 0,
        scaling layers do not count.
    blocks : tuple of str
        Name prefixes of the blocks that training can start from.
    head : tuple of str
        Names of the layers on top of the body.
    """

    model: keras.Model
    body: tuple[str, ...]
    blocks: tuple[str, ...]
    head: tuple[str, ...]

    @property
    def side(self) -> int:
        """Side of the square input, in pixels."""
        return int(self.model.input_shape[1])


def build_network(recipe: Recipe, classes: int, *, weights: str | Path | None = None) -> Network:
    """Build a recipe's classifier for a number of classes.

    Parameters
    ----------
    recipe : Recipe
        What to build.
    classes : int
        At least 2.
    weights : str, Path or None
        Instead of the recipe's own: a file, or ``"none"`` for random weights.

    Raises
    ------
    UsageError
        A sigmoid with more than two classes, or a head swap with no run to start from.
    MissingPartError
        The backbone's weights can't be had.
    """
    if recipe.head.activation == "sigmoid" and classes != 2:
        raise UsageError(
            f"recipe '{recipe.name}' ends in a sigmoid, but there are {classes} classes",
            hint="set head.activation to softmax",
        )
    import_tensorflow()
    with _precision(recipe):
        base, blocks = _body(recipe, weights if weights is not None else recipe.weights)
        prefix = "swap_" if recipe.start else ""
        output = build_head(recipe.head, base, blocks, classes, prefix=prefix)
        import keras

        model = keras.Model(base.input, output, name=recipe.name.replace(".", "_"))
    below = {layer.name for layer in base.layers}
    body = tuple(layer.name for layer in base.layers if layer.name != "rescale")
    head = tuple(layer.name for layer in model.layers if layer.name not in below)
    return Network(model, body, blocks, head)


def set_trainable(network: Network, stage: Stage) -> tuple[str, ...]:
    """Freeze and unfreeze layers as a stage says; returns the names of the body's that learn.

    Keras 3 ignores ``base(x, training=False)`` inside training, so a batch normalisation keeps its
    ImageNet statistics only by ``trainable = False``.

    Raises
    ------
    UsageError
        The body has no such block, or not that many layers.
    """
    learning = set(_learning(network, stage))
    for name in network.body:
        layer = network.model.get_layer(name)
        frozen_norm = stage.batch_norm == "frozen" and _is_norm(layer)
        layer.trainable = name in learning and not frozen_norm
    for name in network.head:
        layer = network.model.get_layer(name)
        layer.trainable = True
        if stage.head_l2 is not None and name != network.head[-1]:
            _set_l2(layer, stage.head_l2)
    assert_frozen(network, stage)
    return tuple(n for n in network.body if network.model.get_layer(n).trainable_weights)


def assert_frozen(network: Network, stage: Stage) -> None:
    """Check that no batch normalisation of the body is trainable, where the stage freezes them."""
    if stage.batch_norm == "frozen":
        moving = [
            name
            for name in network.body
            if _is_norm(network.model.get_layer(name)) and network.model.get_layer(name).trainable
        ]
        if moving:
            raise BodyshopError(f"batch normalisation is not frozen: {', '.join(moving[:3])}")


def find_cut(model: keras.Model) -> str | None:
    """Find the last layer up to which nothing learns or is random, and all flows through it.

    Its output can be computed once per picture instead of once per epoch. None when there is
    nothing worth computing once: the first layer with weights already learns.
    """
    order = list(model.layers)
    place = {layer.name: index for index, layer in enumerate(order)}
    last_use = [0] * len(order)
    for index, layer in enumerate(order):
        for source in _sources(layer, place):
            last_use[source] = max(last_use[source], index)
    cut, furthest, weighs = None, 0, False
    for index, layer in enumerate(order[:-1]):
        if _is_active(layer):
            break
        weighs = weighs or bool(layer.weights)
        # Everything that is computed so far must be needed by later layers only through this one.
        if weighs and furthest <= index:
            cut = layer.name
        furthest = max(furthest, last_use[index])
    return cut


def split_at(model: keras.Model, cut: str) -> tuple[keras.Model, keras.Model]:
    """Return the models before and after a layer; they share the layers with `model`."""
    import keras

    middle = model.get_layer(cut).output
    return keras.Model(model.input, middle), keras.Model(middle, model.output)


def between_cuts(model: keras.Model, first: str, second: str) -> keras.Model:
    """Return the part of a model from one cut's output to a later one's."""
    import keras

    return keras.Model(model.get_layer(first).output, model.get_layer(second).output)


def parameters(model: keras.Model) -> dict[str, int]:
    """Count weights: total and those that learn now."""
    total = sum(_product(weight.shape) for weight in model.weights)
    learning = sum(_product(weight.shape) for weight in model.trainable_weights)
    return {"total": total, "trainable": learning}


def _learning(network: Network, stage: Stage) -> tuple[str, ...]:
    which = stage.trainable
    if which == "head":
        return ()
    if which == "all":
        return network.body
    if isinstance(which, AfterLayers):
        if which.after_layers > len(network.body):
            raise UsageError(
                f"after_layers is {which.after_layers}, but the body has {len(network.body)} layers"
            )
        return network.body[which.after_layers :]
    assert isinstance(which, FromBlock)
    if which.from_block not in network.blocks:
        raise UsageError(
            f"there is no block '{which.from_block}'",
            hint=f"choose one of: {', '.join(network.blocks) or '(this body has none)'}",
        )
    names = [name for name in network.body if name.startswith(which.from_block)]
    return network.body[network.body.index(names[0]) :]


def _body(recipe: Recipe, weights: str | Path | None) -> tuple[keras.Model, tuple[str, ...]]:
    if recipe.start is not None:
        return _from_run(recipe), ()
    if recipe.body is not None:
        return _own_body(recipe), ()
    name = str(recipe.backbone)
    if name == PADDED_VGG16:
        spec = backbones.get("vgg16")
        return _padded_vgg16(recipe, weights), spec.blocks
    spec = backbones.get(name)
    if recipe.preprocessing == "rescale":
        raise UsageError(
            f"backbone '{name}' has its own preprocessing",
            hint=f"preprocessing: rescale is for {PADDED_VGG16} and own bodies",
        )
    return backbones.build(name, weights=weights, input_size=recipe.input_size), spec.blocks


def _from_run(recipe: Recipe) -> keras.Model:
    import keras

    from train.models.open_run import load_run

    start = recipe.start
    assert start is not None
    if start.run is None:
        raise UsageError(
            f"recipe '{recipe.name}' starts from an earlier run, but none is given",
            hint="set start.run to a run's folder, e.g. --set start.run=workspace/runs/ID",
        )
    earlier = load_run(start.run).model
    try:
        cut = earlier.get_layer(start.layer)
    except ValueError:
        names = ", ".join(layer.name for layer in earlier.layers[-6:])
        raise UsageError(
            f"the network of {start.run} has no layer '{start.layer}'",
            hint=f"its last layers are: {names}",
        ) from None
    return keras.Model(earlier.input, cut.output)


def _own_body(recipe: Recipe) -> keras.Model:
    import keras
    from keras import layers

    side = recipe.input_size or OWN_SIZE
    inputs = layers.Input((side, side, 3), name="picture")
    # A grey picture arrives with three equal channels; one of them is all there is to see.
    x = inputs[..., :1] if recipe.data.colour == "grey" else inputs
    x = layers.Rescaling(1 / 255, name="rescale")(x)
    for index, part in enumerate(recipe.body or (), start=1):
        if isinstance(part, Conv):
            x = layers.Conv2D(
                part.conv,
                part.kernel,
                padding="same",
                activation=part.activation,
                name=f"conv{index}",
            )(x)
        else:
            x = layers.MaxPooling2D(part.pool, name=f"pool{index}")(x)
    return keras.Model(inputs, x)


def _padded_vgg16(recipe: Recipe, weights: str | Path | None) -> keras.Model:
    """Build the study's own stack: a zero padding before each "same" convolution of VGG16."""
    import keras
    from keras import layers

    side = recipe.input_size or OWN_SIZE
    inputs = layers.Input((side, side, 3), name="picture")
    if recipe.preprocessing == "rescale":
        x = layers.Rescaling(1 / 255, name="rescale")(inputs)
    else:
        bgr = inputs[..., ::-1]
        x = layers.Rescaling(1.0, offset=[-103.939, -116.779, -123.68], name="rescale")(bgr)
    for block, (channels, depth) in enumerate(
        ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), start=1
    ):
        for index in range(1, depth + 1):
            name = f"block{block}_conv{index}"
            x = layers.ZeroPadding2D(1, name=f"block{block}_pad{index}")(x)
            x = layers.Conv2D(channels, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    model = keras.Model(inputs, x)
    source = backbones.build("vgg16", weights=weights)
    for layer in source.layers:
        if "_conv" in layer.name:
            model.get_layer(layer.name).set_weights(layer.get_weights())
    return model


@contextmanager
def _precision(recipe: Recipe) -> Iterator[None]:
    import keras

    before = keras.config.dtype_policy()
    if recipe.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _is_norm(layer: Any) -> bool:
    from keras import layers

    return isinstance(layer, layers.BatchNormalization)


def _is_active(layer: Any) -> bool:
    """Say whether a layer's output changes from one epoch to the next."""
    from keras import layers

    return bool(layer.trainable_weights) or isinstance(layer, layers.Dropout)


def _sources(layer: Any, place: dict[str, int]) -> list[int]:
    """Return the places of the layers that feed this one, through operations that are no layers."""
    found: list[int] = []
    waiting: list[Any] = list(_tensors(layer.input)) if place[layer.name] else []
    while waiting:
        operation = waiting.pop()._keras_history.operation
        if operation.name in place:
            found.append(place[operation.name])
        else:
            waiting.extend(_tensors(operation.input))
    return found


def _tensors(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _set_l2(layer: Any, value: float) -> None:
    from keras import layers, regularizers

    if isinstance(layer, layers.Dense):
        layer.kernel_regularizer = regularizers.L2(value) if value else None
        # Keras collects the penalty from the variable, not from the layer.
        layer.kernel.regularizer = layer.kernel_regularizer


def _product(shape: Sequence[int]) -> int:
    count = 1
    for side in shape:
        count *= int(side)
    return count
