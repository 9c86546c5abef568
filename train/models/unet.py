"""A U-Net on a pretrained encoder, flat, so that its layers can be frozen by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import backbones
from bodyshop_core.errors import UsageError

if TYPE_CHECKING:
    import keras

STRIDE = 32
"""Of every backbone's last feature map; the input side must be a multiple of it."""


def build_unet(
    backbone: str,
    classes: int,
    *,
    side: int,
    decoder: Sequence[int],
    weights: str | Path | None = None,
    synchronized: bool = False,
) -> tuple[keras.Model, tuple[str, ...]]:
    """Build a U-Net (Ronneberger et al. 2015, arXiv:1505.04597) on a backbone.

    Parameters
    ----------
    backbone : str
        One of `bodyshop_core.backbones.names`.
    classes : int
        Output channels, each a sigmoid of its own.
    side : int
        Of the square input, in pixels; a multiple of 32.
    decoder : Sequence of int
        Channels of the five upsampling steps.
    weights : str, Path or None
        The backbone's weights.
    synchronized : bool
        The decoder's batch normalisation takes its statistics over all devices of a strategy.

    Returns
    -------
    model : keras.Model
        float32 RGB 0 to 255, shape (n, side, side, 3) -> float32, shape (n, side, side, classes).
    encoder : tuple of str
        Names of the backbone's layers, input first.

    Raises
    ------
    UsageError
        `side` is no multiple of 32, or the decoder does not have five steps.
    """
    if side % STRIDE:
        raise UsageError(
            f"input_size is {side}, but a U-Net's must be a multiple of {STRIDE}",
            hint=f"use {max(STRIDE, round(side / STRIDE) * STRIDE)}",
        )
    if len(decoder) != 5:
        raise UsageError(f"decoder has {len(decoder)} steps, but the five scales need five")
    base = backbones.build(backbone, weights=weights, input_size=side)
    import keras
    from keras import layers

    skips = _skips(base, side)
    x = base.output
    for step, channels in enumerate(decoder):
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"up{step}")(x)
        if step < len(skips):
            x = layers.Concatenate(name=f"join{step}")([x, skips[step]])
        for part in ("a", "b") if step < 4 else ("a",):
            x = layers.Conv2D(
                channels, 3, padding="same", use_bias=False, name=f"decode{step}{part}"
            )(x)
            # A few dozen masks make few steps: statistics that lag 0.99 would never arrive.
            x = layers.BatchNormalization(
                momentum=0.9, synchronized=synchronized, name=f"decode{step}{part}_bn"
            )(x)
            x = layers.ReLU(name=f"decode{step}{part}_relu")(x)
    output = layers.Conv2D(
        classes,
        1,
        activation="sigmoid",
        dtype="float32",
        name="masks",
        # Damage covers a few per cent of a picture: start by saying so.
        bias_initializer=keras.initializers.Constant(-2.0),
    )(x)
    encoder = tuple(layer.name for layer in base.layers)
    return keras.Model(base.input, output, name="unet"), encoder


def _skips(base: keras.Model, side: int) -> list[Any]:
    """Return the last map of each scale from 1/16 to 1/2 of the side, the smallest first."""
    found: dict[int, Any] = {}
    for layer in base.layers:
        shape: tuple[int, ...] = tuple(getattr(layer.output, "shape", ()))
        if len(shape) == 4 and shape[1] == shape[2]:
            found[int(shape[1])] = layer.output
    return [found[side // scale] for scale in (16, 8, 4, 2) if side // scale in found]
