"""A finished run of a damage model by windows; it answers like any classifier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.errors import TransientError, UnreadableImageError, UsageError
from bodyshop_core.imaging import crop_to, load_rgb
from train.data.pixels import Cut
from train.metrics.finite import require_finite
from train.models.classifier import BATCH, Classifier, Prediction
from train.windows import evidence
from train.windows.classifier import DamageClassifier
from train.windows.grid import SIDE, squeeze

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from train.models.classifier import Picture


class WindowClassifier(Classifier):
    """A run whose folder holds ``network.tflite`` and ``damage.npz`` instead of a Keras model."""

    @cached_property
    def windows(self) -> DamageClassifier:
        """The network and its weights.

        Raises
        ------
        BodyshopError
            A file is missing or damaged, or they do not belong together.
        """
        return DamageClassifier(Path(self.folder))

    @property
    def model(self) -> keras.Model:
        """There is none.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError(
            f"run '{self.record.run}' is a damage model by windows and has no Keras network",
            hint="bodyshop predict --annotate shows where it sees damage; its network.tflite and "
            "damage.npz are the model",
        )

    def use_litert(self, *, convert: bool = True) -> bool:
        """Return True: it never runs on anything else."""
        _ = self.windows
        return True

    def views_of(self, picture: Picture) -> NDArray[np.uint8]:
        """Return a picture squeezed into the network's square, shape (1, side, side, 3)."""
        if isinstance(picture, Cut):
            rgb = crop_to(load_rgb(picture.file), picture.box)
        elif isinstance(picture, np.ndarray):
            rgb = picture
        else:
            rgb = load_rgb(picture, at_least=SIDE)
        return squeeze(rgb)[None]

    def batches(self, pictures: Sequence[Picture]) -> Iterator[NDArray[np.uint8]]:
        """Yield the pictures as the network sees them, uint8, (batch, 1, side, side, 3)."""
        for start in range(0, len(pictures), BATCH):
            yield np.stack([self.views_of(each) for each in pictures[start : start + BATCH]])

    def _load(
        self, batch: Sequence[Picture], on_error: str
    ) -> tuple[list[NDArray[np.uint8]], list[str | None]]:
        pixels: list[NDArray[np.uint8]] = []
        errors: list[str | None] = []
        for picture in batch:
            try:
                pixels.append(self.views_of(picture))
                errors.append(None)
            except (UnreadableImageError, TransientError) as error:
                if on_error == "raise":
                    raise
                errors.append(str(error))
        return pixels, errors

    def classify_views(self, views: NDArray[np.uint8]) -> list[Prediction]:
        """Classify pictures that `views_of` prepared, with the place that decided.

        Raises
        ------
        NotFiniteError
            The network's features are NaN or infinite.
        """
        if not len(views):
            return []
        windows, cells = self.windows.look(views[:, 0])
        rows = self._temper(self._columns(windows))
        return [
            replace(self._read(row), place=place)
            for row, place in zip(rows, self.windows.place(windows, cells), strict=True)
        ]

    def _run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._columns(self.windows.features(pixels[:, 0]))

    def _columns(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        model = self.windows.model
        log_odds = evidence.log_odds(windows, model.weights, model.bias)
        damage = evidence.probability(evidence.pool(log_odds), model.slope, model.offset)
        found = np.stack([1 - damage, damage], axis=1)
        require_finite(found, "probabilities")
        return found.astype(np.float32)
