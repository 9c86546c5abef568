"""Out of memory: the same work again with smaller batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bodyshop_core.errors import BodyshopError
from bodyshop_core.progress import Progress
from bodyshop_core.quiet_tensorflow import import_tensorflow
from train.fit.state import restore, snapshot

if TYPE_CHECKING:
    import keras

SMALLEST_BATCH = 2

Result = TypeVar("Result")


def with_room(
    attempt: Callable[[int], Result],
    size: int,
    *,
    stage: str,
    model: keras.Model,
    state: Path | None,
    progress: Progress,
) -> Result:
    """Train with batches of `size`; when they do not fit, again with half as many, and so on.

    Parameters
    ----------
    attempt : callable
        Batch size -> result.
    size : int
        The batch size to begin with.
    stage : str
        What the messages call it.
    model : keras.Model
        What is trained; each attempt begins with the weights that it has now.
    state : Path or None
        State of the attempt on disk, dropped before the next one.
    progress : Progress
        Told of each smaller batch.

    Raises
    ------
    BodyshopError
        Not even `SMALLEST_BATCH` pictures fit.
    """
    tf = import_tensorflow()
    start = snapshot(model)
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
        restore(model, start)
        if state is not None:
            state.unlink(missing_ok=True)
