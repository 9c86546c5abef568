"""Pictures as an array that is never in memory as a whole: each is decoded when it is read."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.processes import cpu_count
from train.data.pixels import View, squares
from train.data.samples import Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Pictures:
    """Samples as uint8 pixels, shape (n, side, side, 3), read by slices and lists of places.

    Several threads may read at once: they share the threads that decode, one per core.

    Parameters
    ----------
    samples : Sequence of Sample
        The pictures.
    view : View
        How they are converted to the network's input.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, samples: Sequence[Sample], view: View) -> None:
        self.samples, self.view = samples, view
        self.shape = (len(samples), view.side, view.side, 3)
        self.ndim = len(self.shape)
        self._pool = ThreadPoolExecutor(cpu_count(), "decode")

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, places: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Decode some pictures.

        Raises
        ------
        UnreadableImageError
            One can't be decoded.
        """
        chosen: Sequence[Any]
        if isinstance(places, slice):
            chosen = self.samples[places]
        else:
            chosen = [self.samples[int(place)] for place in places]
        pixels = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        for place, square in enumerate(
            squares(
                [sample.source for sample in chosen],
                self.view,
                numbers=[sample.view for sample in chosen],
                keys=[sample.sha256 + sample.variant for sample in chosen],
                pool=self._pool,
            )
        ):
            pixels[place] = square
        return pixels
