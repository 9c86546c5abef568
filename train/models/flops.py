"""Multiplications and additions of one forward pass, from the layers' shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def count_flops(model: keras.Model) -> int:
    """Return the floating-point operations per picture of a model's convolutions and dense layers.

    A multiplication and an addition are two operations; activations, normalisation and pooling,
    a few per cent together, are not counted.

    Parameters
    ----------
    model : keras.Model
        With a fixed input size.
    """
    return sum(2 * _multiplications(layer) for layer in model.layers)


def _multiplications(layer: Any) -> int:
    from keras import layers

    # Keras derives DepthwiseConv2D and Conv2D from different bases: no order to mind.
    if isinstance(layer, layers.DepthwiseConv2D):
        height, width, channels = layer.output.shape[1:]
        return int(height * width * channels * layer.kernel_size[0] * layer.kernel_size[1])
    if isinstance(layer, layers.Conv2D):
        height, width, channels = layer.output.shape[1:]
        sources = layer.kernel.shape[2]
        area = layer.kernel_size[0] * layer.kernel_size[1]
        return int(height * width * channels * area * sources)
    if isinstance(layer, layers.Dense):
        return int(layer.kernel.shape[0] * layer.kernel.shape[1])
    return 0
