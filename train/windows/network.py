"""The network of a damage model, built with Keras to be converted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from train.windows.grid import CELL, SIDE, SIZES

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

BLOCKS = tuple(range(6, 16))
"""Blocks of EfficientNet-Lite0 whose output is looked at, besides the last layer."""


def build_window_network(
    projection: NDArray[np.float32] | None = None, offset: NDArray[np.float32] | None = None
) -> keras.Model:
    """Build EfficientNet-Lite0 with the features of every window as its output.

    The features of a window are means and standard deviations of each channel of `BLOCKS` and of
    the last layer over the window, and optionally a linear projection of them.

    Parameters
    ----------
    projection : ndarray of float32, shape (channels of all, features), optional
        Means of all channels come first, then their standard deviations.
    offset : ndarray of float32, shape (features,), optional
        Subtracted after the projection.

    Returns
    -------
    keras.Model
        float32 RGB 0 to 255, shape (n, SIDE, SIDE, 3) -> ``windows``, (n, windows, features).
    """
    import keras
    from keras import layers, ops

    from bodyshop_core.backbones.lite import build_lite0, lite0_weights

    body = build_lite0(input_size=SIDE, include_top=False, weights=lite0_weights())
    means, squares = _cells(body)
    channels = [each.shape[-1] for each in means]
    mean_map, square_map = layers.Concatenate()(means), layers.Concatenate()(squares)
    project: tuple[Any, Any] | None = None
    if projection is not None:
        features = projection.shape[1]
        project = (
            layers.Dense(features, name="project_means"),
            layers.Dense(features, use_bias=False, name="project_deviations"),
        )
    parts = []
    for size, step in SIZES:
        mean = layers.AveragePooling2D(size, step, "valid")(mean_map)
        square = layers.AveragePooling2D(size, step, "valid")(square_map)
        flat = layers.Reshape((mean.shape[1] * mean.shape[2], sum(channels)))
        mean, square = flat(mean), flat(square)
        deviation = ops.sqrt(ops.maximum(square - mean * mean, 0.0))
        if project is None:
            parts.append(layers.Concatenate()([mean, deviation]))
        else:
            parts.append(project[0](mean) + project[1](deviation))
    model = keras.Model(body.input, {"windows": layers.Concatenate(axis=1)(parts)})
    if project is not None and projection is not None:
        count = sum(channels)
        shift = np.zeros(projection.shape[1], np.float32) if offset is None else -offset
        project[0].set_weights([projection[:count], shift])
        project[1].set_weights([projection[count:]])
    return model


def _cells(body: keras.Model) -> tuple[list[Any], list[Any]]:
    """Return the means and mean squares over each cell, of each block and the last layer."""
    from keras import layers

    means, squares = [], []
    for block in (*(f"b{index}_" for index in BLOCKS), "top_activation"):
        output = [layer for layer in body.layers if layer.name.startswith(block)][-1].output
        square = layers.Multiply()([output, output])
        ratio = output.shape[1] // (SIDE // CELL)
        if ratio > 1:
            output = layers.AveragePooling2D(ratio)(output)
            square = layers.AveragePooling2D(ratio)(square)
        means.append(output)
        squares.append(square)
    return means, squares
