"""A finished segmenter run, ready to mark damage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bodyshop_core.errors import UsageError
from bodyshop_core.imaging import fit_square, load_rgb
from bodyshop_core.progress import SILENT, Progress
from train.metrics.finite import require_finite
from train.models.inference import predict
from train.models.load import load_model
from train.models.run_folder import RunRecord, load_record

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray


@dataclass(frozen=True)
class SegmentPrediction:
    """Damage found in one picture.

    Parameters
    ----------
    masks : dict
        Class -> ndarray of bool, shape (height, width) of the picture; only classes that were
        found. Outside the centre square, which the network does not see, nothing is marked.
    scores : dict
        Class -> highest probability of any pixel.
    """

    masks: dict[str, NDArray[np.bool_]]
    scores: dict[str, float]


class Segmenter:
    """A segmenter run's model with everything needed to use it (see `load_segmenter`)."""

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder = folder
        self.record = record

    @property
    def classes(self) -> tuple[str, ...]:
        """The damage classes."""
        return self.record.classes

    @cached_property
    def model(self) -> keras.Model:
        """The network, loaded when first asked for."""
        return load_model(self.folder, self.record)

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
            A picture can't be decoded.
        NotFiniteError
            The network's probabilities are NaN or infinite.
        """
        found = []
        with progress.task("segment", total=len(pictures)) as tick:
            for picture in pictures:
                rgb = picture if isinstance(picture, np.ndarray) else load_rgb(picture)
                square = fit_square(rgb, self.record.side)[None]
                maps = predict(self.model, square)
                require_finite(maps, "mask probabilities")
                found.append(self._read(maps[0], rgb.shape))
                tick(1)
        return found

    def _read(self, maps: NDArray[np.float32], shape: tuple[int, ...]) -> SegmentPrediction:
        height, width = shape[:2]
        short = min(height, width)
        top, left = (height - short) // 2, (width - short) // 2
        masks: dict[str, NDArray[np.bool_]] = {}
        scores: dict[str, float] = {}
        for index, name in enumerate(self.classes):
            scores[name] = float(maps[..., index].max())
            if scores[name] < self.record.threshold:
                continue
            image = Image.fromarray(maps[..., index]).resize(
                (short, short), Image.Resampling.BILINEAR
            )
            whole = np.zeros((height, width), bool)
            whole[top : top + short, left : left + short] = (
                np.asarray(image) >= self.record.threshold
            )
            if whole.any():
                masks[name] = whole
        return SegmentPrediction(masks, scores)


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
