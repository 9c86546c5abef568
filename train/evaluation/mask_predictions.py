"""A segmenter tested on whole pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from train.data.mask_samples import MaskedSample, load_picture
from train.data.tiles import Tiling, scale_maps, scale_mask
from train.models.segmenter import damage_maps

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray


@dataclass(frozen=True)
class MaskPrediction:
    """What a segmenter says about one picture, at the scale at which it saw it.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        The picture.
    truth : ndarray of uint8, shape (height, width, classes)
        0 or 1.
    predicted : ndarray of float32, same shape
        Probabilities.
    """

    rgb: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    predicted: NDArray[np.float32]

    def squeezed(self, side: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return truth and prediction in a square: every picture then counts the same."""
        shape = (side, side)
        truth = [scale_mask(self.truth[..., i] > 0, shape) for i in range(self.truth.shape[-1])]
        return np.stack(truth, axis=-1), scale_maps(self.predicted, shape)


def predict_masks(
    model: keras.Model, samples: Sequence[MaskedSample], classes: Sequence[str], *, rows: int
) -> Iterator[MaskPrediction]:
    """Yield what a segmenter says about each picture.

    Parameters
    ----------
    model : keras.Model
        Of a segmenter.
    samples : Sequence of MaskedSample
        The pictures with their true masks.
    classes : Sequence of str
        Order of the channels.
    rows : int
        As `train.data.tiles.Tiling`.

    Raises
    ------
    BodyshopError
        A mask does not fit its picture.
    UnreadableImageError
        A picture can't be decoded, or needs more than `train.data.tiles.MAX_SQUARES` squares.
    NotFiniteError
        The network's probabilities are NaN or infinite.
    """
    side = int(model.input_shape[1])
    for sample in samples:
        rgb, whole = load_picture(sample, classes)
        tiling = Tiling.of(rgb.shape, side, rows, name=str(sample.path))
        truth = [scale_mask(whole[..., i], tiling.canvas) for i in range(len(classes))]
        yield MaskPrediction(
            tiling.scale(rgb), np.stack(truth, axis=-1), damage_maps(model, rgb, tiling)
        )


def squeeze_all(
    predictions: Sequence[MaskPrediction], side: int
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Return truth and predictions of pictures, each of shape (n, side, side, classes)."""
    each = [prediction.squeezed(side) for prediction in predictions]
    return np.stack([truth for truth, _ in each]), np.stack([found for _, found in each])
