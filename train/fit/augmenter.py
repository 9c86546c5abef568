"""Augmentation inside training: new variants of the pictures in every epoch."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from train.data.samples import Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

Distort: TypeAlias = "Callable[[NDArray[Any], NDArray[np.int64], int], NDArray[Any]]"


class Augmenter(Protocol):
    """Draws a new variant of a training picture in every epoch, as `augment.online` does."""

    def __call__(self, rgb: NDArray[np.uint8], /, *, sha256: str, copy: int) -> NDArray[np.uint8]:
        """Return a variant of the same size; `copy` is the epoch, and decides with `sha256`."""


def in_every_epoch(augmenter: Augmenter, samples: tuple[Sample, ...]) -> Distort:
    """Return a function (pictures, their places in `samples`, epoch) -> variants of them."""
    alone = Lock()  # batches are loaded by several threads; a pipeline's random state is its own

    def distort(pictures: NDArray[Any], places: NDArray[np.int64], epoch: int) -> NDArray[Any]:
        with alone:
            made = [
                augmenter(picture, sha256=samples[int(place)].sha256, copy=epoch)
                for picture, place in zip(pictures, places, strict=True)
            ]
        return np.stack(made)

    return distort
