"""The forward pass of a network: compiled once per model, run in batches."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.quiet_tensorflow import import_tensorflow

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from train.data.pictures import Pictures

PREDICT_BATCH = 64

_COMPILED: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""Model -> compiled forward pass, for as long as the model is alive: tracing costs seconds."""


def predict(model: keras.Model, x: NDArray[Any] | Pictures, *, batch: int = PREDICT_BATCH) -> Any:
    """Run a model over rows.

    Parameters
    ----------
    model : keras.Model
        With one input.
    x : ndarray or Pictures, shape (n, ...)
        Its input, of any number type; the next batch is read while the network runs.
    batch : int
        Rows at a time.

    Returns
    -------
    ndarray of float32, shape (n, ...)
        The outputs, with dropout off and batch normalisation in inference mode.
    """
    step = _forward(model)
    parts = [step(rows.astype(np.float32)).numpy() for rows in _read_ahead(x, batch)]
    return np.concatenate(parts) if parts else np.empty((0, *model.output_shape[1:]), np.float32)


def as_distribution(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return class probabilities, shape (n, classes): a sigmoid column becomes two."""
    if outputs.shape[1] == 1:
        return np.concatenate([1 - outputs, outputs], axis=1)
    return outputs


def mean_over_views(probabilities: NDArray[np.float32], views: int) -> NDArray[np.float32]:
    """Average the rows of each picture, which are consecutive; returns (n / views, classes)."""
    return probabilities.reshape(-1, views, probabilities.shape[1]).mean(axis=1)


def _read_ahead(x: NDArray[Any] | Pictures, batch: int) -> Iterator[NDArray[Any]]:
    parts = [slice(start, start + batch) for start in range(0, len(x), batch)]
    if isinstance(x, np.ndarray) or not parts:
        yield from (x[part] for part in parts)
        return
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(x.__getitem__, parts[0])
        for part in [*parts[1:], None]:
            rows = coming.result()
            if part is not None:
                coming = reader.submit(x.__getitem__, part)
            yield rows


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
