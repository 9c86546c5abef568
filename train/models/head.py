"""The layers on top of a backbone, and the closed way of finding the last one's weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import UsageError
from train.recipes.recipe import BatchNorm, Dense, Dropout, Head

if TYPE_CHECKING:
    import keras

OUTPUT = "predictions"

BLOCK_POOL = "pool_"
"""How the names of layers begin that pool one block's map."""


def build_head(
    head: Head, base: keras.Model, blocks: Sequence[str], classes: int, *, prefix: str = ""
) -> Any:
    """Put pooling, the recipe's layers and the output layer on a body.

    Parameters
    ----------
    head : Head
        What to build.
    base : keras.Model
        The body.
    blocks : Sequence of str
        Its blocks, of which `head.feature_blocks` names some.
    classes : int
        Of the output.
    prefix : str
        Of the names of the new layers.

    Returns
    -------
    keras tensor, shape (n, classes), or (n, 1) with a sigmoid
        Probabilities.

    Raises
    ------
    UsageError
        The body has no such block.
    """
    from keras import layers, regularizers

    x = base.output
    if head.feature_blocks:
        # The names say which blocks feed the head: they are part of a cache's name.
        maps = {block: _block_output(base, blocks, block) for block in head.feature_blocks}
        pooled = [
            layers.GlobalAveragePooling2D(name=f"{prefix}{BLOCK_POOL}{block}")(each)
            for block, each in (maps | {"last": x}).items()
        ]
        if head.std_pooling:
            # The last layer's averages must come last (see `train.fit.learn`).
            pooled = [_std_pooled(maps[block]) for block in head.feature_blocks] + pooled
        x = layers.Concatenate(name=f"{prefix}pool")(pooled)
    elif len(x.shape) == 4:
        pooling: dict[str, type[Any]] = {
            "average": layers.GlobalAveragePooling2D,
            "max": layers.GlobalMaxPooling2D,
            "flatten": layers.Flatten,
        }
        x = pooling[head.pooling](name=f"{prefix}pool")(x)
    elif head.pooling == "flatten":
        x = layers.Flatten(name=f"{prefix}pool")(x)
    counts: dict[str, int] = {}

    def named(kind: str) -> str:
        count = counts[kind] = counts.get(kind, -1) + 1
        return f"{prefix}{kind}_{count}" if count else f"{prefix}{kind}"

    for part in head.layers:
        if isinstance(part, Dense):
            x = layers.Dense(
                part.dense,
                activation=part.activation,
                kernel_regularizer=regularizers.L2(part.l2) if part.l2 else None,
                name=named("dense"),
            )(x)
        elif isinstance(part, Dropout):
            x = layers.Dropout(part.dropout, name=named("dropout"))(x)
        else:
            assert isinstance(part, BatchNorm)
            x = layers.BatchNormalization(name=named("batch_norm"))(x)
    return layers.Dense(
        1 if head.activation == "sigmoid" else classes,
        activation=head.activation,
        kernel_regularizer=regularizers.L2(head.l2) if head.l2 else None,
        # Probabilities stay float32 even where the body computes in bfloat16.
        dtype="float32",
        name=f"{prefix}{OUTPUT}",
    )(x)


def set_output(layer: keras.layers.Dense, linear_probe: Any) -> None:
    """Give an output layer the weights of a logistic regression.

    The regression comes from `train.models.linear_probe.fit_linear_probe`.

    The regression's standardisation is folded into the weights: w / s and b - m w / s.
    """
    import numpy as np

    scaler, regression = linear_probe[0], linear_probe[-1]
    weights = regression.coef_.T / scaler.scale_[:, None]
    bias = regression.intercept_ - scaler.mean_ @ weights
    if weights.shape[1] < layer.units:  # two classes have one difference: half to each side
        weights, bias = np.hstack([-weights, weights]) / 2, np.hstack([-bias, bias]) / 2
    layer.set_weights([weights.astype(np.float32), bias.astype(np.float32)])


def _std_pooled(maps: Any) -> Any:
    """Return the standard deviation of each channel; its gradient is finite for a constant one."""
    from keras import ops

    return ops.sqrt(ops.var(maps, axis=(1, 2)) + 1e-6)


def _block_output(base: keras.Model, blocks: Sequence[str], block: str) -> Any:
    """Return what a block of the body puts out."""
    if block not in blocks:
        raise UsageError(
            f"there is no block '{block}' to take features from",
            hint=f"choose some of: {', '.join(blocks) or '(this body has none)'}",
        )
    return [layer for layer in base.layers if layer.name.startswith(block)][-1].output
