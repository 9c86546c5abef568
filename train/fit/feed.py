"""Batches of a stage: loaded beside the training step, ahead of it, always in the same order."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bodyshop_core.quiet_tensorflow import import_tensorflow

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    Batch = tuple[NDArray[Any], NDArray[Any], NDArray[np.float32]]

LOADED_AT_ONCE = 2
"""Batches being loaded at a time: pictures of the second keep the cores busy as the first ends."""

LOADED_AHEAD = 2
"""Batches that wait for the step, besides."""


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

    Threads load batches while the step runs, unless loading is quick. What an epoch consists of
    depends on the seed and the number of the epoch alone.

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
        self.steps = math.ceil(len(source) / size)

    def epoch(self, number: int) -> Iterator[tuple[Any, Any, Any]]:
        """Yield the inputs, targets and weights of one epoch.

        However it ends, no load still runs then.

        Raises
        ------
        Exception
            What `Source.load` raised for the first batch that can't be loaded.
        """
        rows = self._source.draw(np.random.default_rng([self._seed, number]), number)
        parts = (rows[step * self.size : (step + 1) * self.size] for step in range(self.steps))
        if self._source.quick:
            yield from map(self._source.load, parts)
            return
        pool = ThreadPoolExecutor(LOADED_AT_ONCE, "load")
        waiting: deque[Future[tuple[Any, Any, Any]]] = deque()
        try:
            for part in parts:
                waiting.append(pool.submit(self._load, part))
                if len(waiting) > LOADED_AT_ONCE + LOADED_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _load(self, rows: NDArray[np.int64]) -> tuple[Any, Any, Any]:
        tf = import_tensorflow()
        x, y, weight = self._source.load(rows)
        # In host memory, as the step expects them: a copy to a GPU would wait for the step before.
        with tf.device("CPU:0"):
            return tf.constant(x), tf.constant(y), tf.constant(weight)
