"""Out of memory: the same work again with smaller batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bodyshop.backbones.quiet import import_tensorflow
from bodyshop.errors import BodyshopError
from bodyshop.progress import Progress

SMALLEST_BATCH = 2

Result = TypeVar("Result")


def with_room(
    attempt: Callable[[int], Result],
    size: int,
    *,
    stage: str,
    reset: Callable[[], None],
    progress: Progress,
) -> Result:
    """Do something with batches of `size`; when they do not fit, with half as many, and so on.

    Parameters
    ----------
    attempt : callable
        Batch size -> result.
    size : int
        The batch size to begin with.
    stage : str
        What the messages call it.
    reset : callable
        Puts everything back to where it was before the first attempt.
    progress : Progress
        Told of each smaller batch.

    Raises
    ------
    BodyshopError
        Not even `SMALLEST_BATCH` pictures fit.
    """
    tf = import_tensorflow()
    while True:
        try:
            return attempt(size)
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            if size // 2 < SMALLEST_BATCH:
                raise BodyshopError(
                    f"stage '{stage}' does not fit into memory, not even {size} pictures at a time",
                    hint="use a smaller backbone, a smaller input_size, or freeze more layers",
                ) from error
        size //= 2
        progress.log(f"out of memory: stage '{stage}' again with batches of {size}")
        reset()
