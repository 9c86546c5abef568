"""The network of a damage model, built with Keras to be converted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from train.windows.grid import CELL, FINE, SIDE, SIZES

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from train.windows.cells import CellHead

BLOCKS = tuple(range(6, 16))
"""Blocks of EfficientNet-Lite0 whose output is looked at, besides the last layer."""

STRIDES = ("b2", "b4", "b10", "b15")
"""Last block of each stride of EfficientNet-Lite0, 4 to 32 pixels: what a `CellHead` looks at."""


def build_window_network(
    projection: NDArray[np.float32] | None = None,
    offset: NDArray[np.float32] | None = None,
    head: CellHead | None = None,
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
    head : CellHead, optional
        Judges each part of the picture by itself; the largest log-odds of damage in a window,
        standardised, becomes its last feature.

    Returns
    -------
    keras.Model
        float32 RGB 0 to 255, shape (n, SIDE, SIDE, 3) -> ``windows``, (n, windows, features), and
        with a head ``cells``, (n, FINE, FINE): its log-odds.
    """
    import keras
    from keras import layers, ops

    from bodyshop_core.backbones.lite import build_lite0, lite0_weights

    body = build_lite0(input_size=SIDE, include_top=False, weights=lite0_weights())
    cells = None if head is None else judged_cells(fine_maps(body), head)
    means, squares = _cells(body)
    channels = [each.shape[-1] for each in means]
    mean_map, square_map = layers.Concatenate()(means), layers.Concatenate()(squares)
    project: tuple[Any, Any] | None = None
    if projection is not None:
        count = projection.shape[1]
        project = (
            layers.Dense(count, name="project_means"),
            layers.Dense(count, use_bias=False, name="project_deviations"),
        )
    parts = []
    for size, step in SIZES:
        of_cells = [] if cells is None or head is None else [_largest(cells, head, size, step)]
        mean = layers.AveragePooling2D(size, step, "valid")(mean_map)
        square = layers.AveragePooling2D(size, step, "valid")(square_map)
        flat = layers.Reshape((mean.shape[1] * mean.shape[2], sum(channels)))
        mean, square = flat(mean), flat(square)
        deviation = ops.sqrt(ops.maximum(square - mean * mean, 0.0))
        if project is None:
            features = [mean, deviation]
        else:
            features = [project[0](mean) + project[1](deviation)]
        parts.append(ops.concatenate([*features, *of_cells], axis=-1))
    outputs = {"windows": layers.Concatenate(axis=1)(parts)}
    if cells is not None:
        outputs["cells"] = layers.Reshape((FINE, FINE))(cells)
    model = keras.Model(body.input, outputs)
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


def fine_maps(body: keras.Model) -> dict[str, Any]:
    """Return the outputs of the blocks that a `CellHead` looks at, at most FINE cells wide."""
    from keras import layers

    found = {}
    for block in STRIDES:
        output = [layer for layer in body.layers if layer.name.startswith(f"{block}_")][-1].output
        ratio = output.shape[1] // FINE
        found[block] = layers.AveragePooling2D(ratio)(output) if ratio > 1 else output
    return found


def judged_cells(maps: dict[str, Any], head: CellHead) -> Any:
    """Return the log-odds of a head, shape (n, FINE, FINE, 1).

    A linear layer and the enlarging can change places, so that the first layer runs on each block
    at its own size.
    """
    from keras import layers, ops

    total: Any = None
    for block, weights in head.first.items():
        seen = maps[block]
        seen = seen - ops.mean(seen, axis=(1, 2), keepdims=True)
        seen = _linear(seen, weights)
        ratio = FINE // seen.shape[1]
        if ratio > 1:
            seen = layers.UpSampling2D(ratio, interpolation="bilinear")(seen)
        total = seen if total is None else total + seen
    hidden = ops.relu(total + head.first_bias)
    hidden = ops.relu(_linear(hidden, head.second, head.second_bias))
    return _linear(hidden, head.last, head.last_bias)


def _linear(
    value: Any, weights: NDArray[np.float32], bias: NDArray[np.float32] | None = None
) -> Any:
    from keras import layers

    layer = layers.Conv2D(weights.shape[1], 1, use_bias=bias is not None)
    answer = layer(value)
    layer.set_weights([weights[None, None], *([] if bias is None else [bias])])
    return answer


def _largest(cells: Any, head: CellHead, size: int, step: int) -> Any:
    """Return the largest log-odds of damage in each window, standardised; (n, windows, 1)."""
    from keras import layers

    ratio = FINE * CELL // SIDE
    largest = layers.MaxPooling2D(size * ratio, step * ratio, "valid")(cells)
    flat = layers.Reshape((largest.shape[1] * largest.shape[2], 1))(largest)
    return (flat - head.mean) / head.scale
