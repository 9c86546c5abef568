"""A finished segmenter run, ready to mark damage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.catalog import BlobRef
from bodyshop_core.errors import UsageError
from bodyshop_core.imaging import load_rgb
from bodyshop_core.progress import SILENT, Progress
from train.data.tiles import Tiling, scale_maps
from train.metrics.finite import require_finite
from train.models.inference import predict
from train.models.lite import Forward, lite_forward
from train.models.load import load_model
from train.models.run_folder import RunRecord, load_record
from train.recipes.segment_recipe import SegmentRecipe
from train.windows.regions import DamageRegion, mask_regions

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray


PREDICT_BATCH = 8
"""Squares at a time: a U-Net's maps are as large as its input."""


@dataclass(frozen=True)
class SegmentPrediction:
    """Damage found in one picture.

    Parameters
    ----------
    masks : dict
        Class -> ndarray of bool, shape (height, width) of the picture; only classes that were
        found.
    scores : dict
        Class -> highest probability of any pixel.
    regions : tuple of DamageRegion
        Connected parts of the masks with class, outline and mean probability, the surest first.
    """

    masks: dict[str, NDArray[np.bool_]]
    scores: dict[str, float]
    regions: tuple[DamageRegion, ...] = ()


class Segmenter:
    """A segmenter run's model with everything needed to use it (see `load_segmenter`)."""

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder = folder
        self.record = record
        self._lite: Forward | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The damage classes."""
        return self.record.classes

    @cached_property
    def recipe(self) -> SegmentRecipe:
        """What it was trained by."""
        return SegmentRecipe.model_validate(self.record.recipe)

    @cached_property
    def model(self) -> keras.Model:
        """The network, loaded when first asked for."""
        return load_model(self.folder, self.record)

    def use_litert(self, *, convert: bool = True) -> bool:
        """Run the network on LiteRT from now on: no TensorFlow; see `Classifier.use_litert`.

        Parameters
        ----------
        convert : bool
            Convert the network if that has not been done on this machine and the run does not bring
            its conversion along; takes TensorFlow and some ten seconds.

        Returns
        -------
        bool
            Whether it does; False when there is no conversion and `convert` is False.

        Raises
        ------
        BodyshopError
            ``model.keras`` is damaged, or LiteRT gives other probabilities than Keras.
        """
        if self._lite is None:
            self._lite = lite_forward(self.folder, self.record, convert=convert)
        return self._lite is not None

    @property
    def network_file(self) -> Path | None:
        """The converted network that `use_litert` opened."""
        return self._lite.file if self._lite is not None else None

    def segment(
        self, pictures: Sequence[Any], *, progress: Progress = SILENT
    ) -> list[SegmentPrediction]:
        """Mark the damage in pictures.

        Parameters
        ----------
        pictures : Sequence of Path, str, bytes or ndarray
            Files, their content, or RGB (uint8, shape (height, width, 3)).
        progress : Progress
            Told of each picture.

        Raises
        ------
        UnreadableImageError
            A picture can't be decoded, or needs more than `train.data.tiles.MAX_SQUARES` squares.
        NotFiniteError
            The network's probabilities are NaN or infinite.
        """
        found = []
        with progress.task("segment", total=len(pictures)) as tick:
            for picture in pictures:
                rgb = picture if isinstance(picture, np.ndarray) else load_rgb(picture)
                name = str(picture) if isinstance(picture, Path | str | BlobRef) else "the picture"
                tiling = Tiling.of(rgb.shape, self.record.side, self.recipe.rows, name=name)
                maps = damage_maps(self._lite or self.model, rgb, tiling)
                found.append(self._read(scale_maps(maps, (rgb.shape[0], rgb.shape[1]))))
                tick(1)
        return found

    def _read(self, maps: NDArray[np.float32]) -> SegmentPrediction:
        masks: dict[str, NDArray[np.bool_]] = {}
        scores: dict[str, float] = {}
        for index, name in enumerate(self.classes):
            scores[name] = float(maps[..., index].max())
            found = maps[..., index] >= self.record.threshold
            if found.any():
                masks[name] = found
        by_class = {name: maps[..., index] for index, name in enumerate(self.classes)}
        return SegmentPrediction(masks, scores, mask_regions(masks, by_class))


def damage_maps(
    model: keras.Model | Forward, rgb: NDArray[np.uint8], tiling: Tiling
) -> NDArray[np.float32]:
    """Return the probability of each damage class everywhere in a picture.

    Parameters
    ----------
    model : keras.Model or Forward
        Of a segmenter; a `Forward` is its network on LiteRT.
    rgb : ndarray of uint8, shape (height, width, 3)
        The picture.
    tiling : Tiling
        Squares of the network's input size that cover the picture.

    Returns
    -------
    ndarray of float32, shape (canvas height, canvas width, classes)
        At the scale at which the network saw the picture.

    Raises
    ------
    NotFiniteError
        The network's probabilities are NaN or infinite.
    """
    squares = tiling.cut(rgb)
    if isinstance(model, Forward):
        maps = model(squares)
    else:
        maps = predict(model, squares, batch=PREDICT_BATCH)
    require_finite(maps, "mask probabilities")
    return tiling.merge(maps)


def load_segmenter(folder: Path | str) -> Segmenter:
    """Open a finished segmenter run.

    Raises
    ------
    UsageError
        The folder is absent, holds no finished run, or the run is no segmenter.
    BodyshopError
        A file of the run is missing or damaged.
    """
    record = load_record(folder)
    if record.kind != "segmenter":
        raise UsageError(f"{folder} holds a {record.kind}, not a segmenter")
    return Segmenter(Path(folder), record)
