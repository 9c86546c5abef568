"""The forward pass of a network: compiled once per model, run in batches."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.quiet_tensorflow import import_tensorflow

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

PREDICT_BATCH = 64

_COMPILED: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""Model -> compiled forward pass, for as long as the model is alive: tracing costs seconds."""


def predict(model: keras.Model, x: NDArray[Any], *, batch: int = PREDICT_BATCH) -> Any:
    """Run a model over rows.

    Parameters
    ----------
    model : keras.Model
        With one input.
    x : ndarray, shape (n, ...)
        Its input, of any number type.
    batch : int
        Rows at a time.

    Returns
    -------
    ndarray of float32, shape (n, ...)
        The outputs, with dropout off and batch normalisation in inference mode.
    """
    step = _forward(model)
    parts = [
        step(x[start : start + batch].astype(np.float32)).numpy()
        for start in range(0, len(x), batch)
    ]
    return np.concatenate(parts) if parts else np.empty((0, *model.output_shape[1:]), np.float32)


def as_distribution(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return class probabilities, shape (n, classes): a sigmoid column becomes two."""
    if outputs.shape[1] == 1:
        return np.concatenate([1 - outputs, outputs], axis=1)
    return outputs


def mean_over_views(probabilities: NDArray[np.float32], views: int) -> NDArray[np.float32]:
    """Average the rows of each picture, which are consecutive; returns (n / views, classes)."""
    return probabilities.reshape(-1, views, probabilities.shape[1]).mean(axis=1)


def _forward(model: keras.Model) -> Any:
    known = _COMPILED.get(model)
    if known is not None:
        return known
    tf = import_tensorflow()
    shape = [None, *model.input_shape[1:]]
    # A strong reference from the cached function to its own key would keep every model alive.
    alive = weakref.ref(model)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
    def step(x: Any) -> Any:
        return alive()(x, training=False)  # type: ignore[misc]

    _COMPILED[model] = step
    return step
