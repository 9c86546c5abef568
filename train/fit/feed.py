"""Batches of a stage: loaded beside the training step, ahead of it, always in the same order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bodyshop_core.quiet_tensorflow import import_tensorflow

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    Batch = tuple[NDArray[Any], NDArray[Any], NDArray[np.float32]]

LOADED_AT_ONCE = 2
"""Batches being loaded at a time: pictures of the second keep the cores busy as the first ends."""

LOADED_AHEAD = 2
"""Finished batches that wait for the step."""


class Source(Protocol):
    """Where batches come from."""

    @property
    def types(self) -> tuple[DTypeLike, DTypeLike]:
        """Number types of inputs and targets, as `load` returns them."""

    @property
    def quick(self) -> bool:
        """Whether `load` costs less than handing its result from one thread to another."""

    def __len__(self) -> int:
        """Return the number of rows of an epoch."""

    def draw(self, random: np.random.Generator, epoch: int) -> NDArray[np.int64]:
        """Return what `load` needs to know of each row of an epoch, in order, shape (n, ...)."""

    def load(self, rows: NDArray[np.int64]) -> Batch:
        """Return inputs, targets and weights of some drawn rows; called by several threads."""


class Feed:
    """The batches of a source, epoch by epoch.

    A ``tf.data`` pipeline: its threads load batches while the step runs, unless loading is quick.
    What an epoch consists of depends on the seed and the number of the epoch alone.

    Parameters
    ----------
    source : Source
        Where they come from.
    size : int
        Rows of a batch; the last one may have fewer.
    seed : int
        Of the order of the rows.
    """

    def __init__(self, source: Source, size: int, seed: int) -> None:
        self._source, self.size, self._seed = source, size, seed
        self._rows: NDArray[np.int64] = np.empty((0,), np.int64)
        self._failure: BaseException | None = None
        self.steps = math.ceil(len(source) / size)
        self._batches = None if source.quick else self._pipeline()

    def epoch(self, number: int) -> Iterator[tuple[Any, Any, Any]]:
        """Yield the inputs, targets and weights of one epoch; finish it before the next.

        Raises
        ------
        Exception
            What `Source.load` raised.
        """
        errors = import_tensorflow().errors
        self._rows = self._source.draw(np.random.default_rng([self._seed, number]), number)
        if self._batches is None:
            yield from map(self._load, range(self.steps))
            return
        try:
            yield from self._batches
        except errors.OpError:
            # tf.data makes text of an exception; the caller is told the exception itself.
            if self._failure is None:
                raise
            failure, self._failure = self._failure, None
            raise failure from None

    def _load(self, step: int) -> Batch:
        start = step * self.size
        return self._source.load(self._rows[start : start + self.size])

    def _pipeline(self) -> Any:
        tf = import_tensorflow()
        x_type, y_type = (tf.as_dtype(each) for each in self._source.types)

        def load(step: Any) -> Batch:
            try:
                return self._load(int(step))
            except BaseException as error:
                self._failure = self._failure or error
                raise

        def batch(step: Any) -> Any:
            return tf.numpy_function(load, [step], (x_type, y_type, tf.float32))

        options = tf.data.Options()
        options.deterministic = True
        # The step's own operations never wait behind a thread that is busy in Python.
        options.threading.private_threadpool_size = LOADED_AT_ONCE + 1
        return (
            tf.data.Dataset.range(self.steps)
            .map(tf.autograph.experimental.do_not_convert(batch), num_parallel_calls=LOADED_AT_ONCE)
            .prefetch(LOADED_AHEAD)
            .with_options(options)
        )
