"""A finished run, ready to classify pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bodyshop_core.catalog import BlobRef
from bodyshop_core.errors import TransientError, UnreadableImageError
from bodyshop_core.progress import SILENT, Progress
from train.data.pixels import Cut, decoded_at, load_all_tta_views, load_tta_views
from train.data.samples import SPLITS
from train.models.load import load_model
from train.models.run_folder import RunRecord, pictures_seen

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from train.models.lite import Forward
    from train.windows.classifier import Place

    Picture = Path | str | bytes | BlobRef | Cut | NDArray[np.uint8]

BATCH = 64


@dataclass(frozen=True)
class Prediction:
    """What a classifier says about one picture.

    Parameters
    ----------
    label : str or None
        The chosen class; None when the picture could not be read.
    probability : float or None
        Of that class, after temperature scaling, 0 to 1.
    probabilities : dict
        Class -> probability; empty when the picture could not be read.
    error : str or None
        Why it could not be read.
    place : Place or None
        Where the evidence is, of a damage model by windows; None of other classifiers.
    """

    label: str | None
    probability: float | None
    probabilities: dict[str, float]
    error: str | None = None
    place: Place | None = field(default=None, compare=False)


class Classifier:
    """A run's model with everything needed to use it.

    Parameters
    ----------
    folder : Path
        The run's folder; see `load_run`.
    record : RunRecord
        Its ``run.json``.
    """

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder = folder
        self.record = record
        self._lite: Forward | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the columns of `probabilities`."""
        return self.record.classes

    @property
    def gate(self) -> dict[str, Any] | None:
        """Name and rule of the gate that goes first, as given when the run was trained."""
        return dict(self.record.gate) if self.record.gate else None

    @cached_property
    def model(self) -> keras.Model:
        """The network, loaded when first asked for; raw probabilities, before the temperature."""
        return load_model(self.folder, self.record)

    def use_litert(self, *, convert: bool = True) -> bool:
        """Run the network on LiteRT from now on: no TensorFlow, and half the time per picture.

        Probabilities differ from those of Keras by 1e-3 at most.

        Parameters
        ----------
        convert : bool
            Convert the network if that has not been done on this machine, with TensorFlow; takes
            seconds, once per content of ``model.keras``.

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
            from train.models.lite import lite_forward

            self._lite = lite_forward(self.folder, self.record, convert=convert)
        return self._lite is not None

    @property
    def network_file(self) -> Path | None:
        """The converted network that `use_litert` opened."""
        return self._lite.file if self._lite is not None else None

    @property
    def backbone(self) -> str | None:
        """Fingerprint of the pretrained backbone that `look` runs; None of any other network."""
        return self._lite.backbone if self._lite is not None else None

    def look(self, rows: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the pretrained backbone of a run on LiteRT, where `backbone` names one.

        Parameters
        ----------
        rows : ndarray of uint8, shape (n, side, side, 3)
            Views as `views_of` makes them.

        Returns
        -------
        ndarray of float32, shape (n, features)
            What `classify_looked` takes.
        """
        assert self._lite is not None
        return self._lite.look(rows)

    def averages(self, looked: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the averages of the backbone's last map out of what `look` returned."""
        assert self._lite is not None
        return looked[:, -self._lite.averages :]

    def classify_looked(self, looked: NDArray[np.float32]) -> list[Prediction]:
        """Classify pictures by what `look` returned for all their views, (n, views, features).

        Raises
        ------
        NotFiniteError
            The network's probabilities are NaN or infinite.
        """
        assert self._lite is not None
        outputs = self._lite.conclude(looked.reshape(-1, looked.shape[2]))
        return [self._read(row) for row in self._temper(self._mean(outputs, looked.shape[1]))]

    def pictures_seen(self, splits: Sequence[str] = SPLITS) -> frozenset[str]:
        """Return the SHA-256 of the pictures that were in some splits when the run was trained.

        Raises
        ------
        BodyshopError
            ``samples.csv`` is missing from the folder, or belongs to another run.
        """
        return pictures_seen(self.folder, self.record, splits)

    def classify(
        self,
        pictures: Sequence[Picture],
        *,
        on_error: Literal["raise", "record"] = "raise",
        progress: Progress = SILENT,
    ) -> list[Prediction]:
        """Classify pictures.

        Parameters
        ----------
        pictures : Sequence of Path, str, bytes or ndarray
            Files, their content, or decoded RGB (uint8, shape (height, width, 3)).
        on_error : str
            ``raise``, or ``record`` an unreadable picture in its `Prediction`.
        progress : Progress
            Told of each batch.

        Returns
        -------
        list of Prediction
            In the order of `pictures`.

        Raises
        ------
        UnreadableImageError
            A picture can't be decoded, and `on_error` is ``raise``.
        NotFiniteError
            The network's probabilities are NaN or infinite.
        """
        import numpy as np

        found: list[Prediction] = []
        with progress.task("classify", total=len(pictures)) as tick:
            for start in range(0, len(pictures), BATCH):
                batch = pictures[start : start + BATCH]
                pixels, errors = self._load(batch, on_error)
                said = iter(self.classify_views(np.stack(pixels)) if pixels else ())
                found += [
                    Prediction(None, None, {}, error) if error else next(said) for error in errors
                ]
                tick(len(batch))
        return found

    @property
    def decoded_at(self) -> int:
        """Pixels that both sides of a picture should keep when it is decoded for `views_of`."""
        return decoded_at(self.record.view)

    def views_of(self, picture: Picture) -> NDArray[np.uint8]:
        """Return a picture as the network sees it, shape (views, side, side, 3).

        Parameters
        ----------
        picture : Path, str, bytes or ndarray
            A file, its content, or RGB decoded at `decoded_at` or more.

        Raises
        ------
        UnreadableImageError
            It can't be decoded.
        """
        return load_tta_views(picture, self.record.view, self.record.tta_views)

    def classify_views(self, views: NDArray[np.uint8]) -> list[Prediction]:
        """Classify pictures that `views_of` prepared, shape (n, views, side, side, 3).

        Raises
        ------
        NotFiniteError
            The network's probabilities are NaN or infinite.
        """
        return [self._read(row) for row in self._temper(self._run(views))] if len(views) else []

    def probabilities(
        self, pictures: Sequence[Picture], *, progress: Progress = SILENT
    ) -> NDArray[np.float32]:
        """Return class probabilities after temperature scaling, shape (n, classes).

        Raises
        ------
        UnreadableImageError
            A picture can't be decoded.
        """
        return self._temper(self.raw_probabilities(pictures, progress=progress))

    def raw_probabilities(
        self, pictures: Sequence[Picture], *, progress: Progress = SILENT
    ) -> NDArray[np.float32]:
        """Return class probabilities as the network gives them, shape (n, classes).

        Raises
        ------
        UnreadableImageError
            A picture can't be decoded.
        """
        import numpy as np

        parts: list[NDArray[np.float32]] = [np.empty((0, len(self.classes)), np.float32)]
        with progress.task("classify", total=len(pictures)) as tick:
            for batch in self.batches(pictures):
                parts.append(self._run(batch))
                tick(len(batch))
        return np.concatenate(parts)

    def batches(self, pictures: Sequence[Picture]) -> Iterator[NDArray[np.uint8]]:
        """Yield the pictures as the network sees them, uint8, (batch, views, side, side, 3)."""
        import numpy as np

        for start in range(0, len(pictures), BATCH):
            batch = pictures[start : start + BATCH]
            yield np.stack(list(load_all_tta_views(batch, self.record.view, self.record.tta_views)))

    def _run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        from train.models.inference import predict

        rows = pixels.reshape(-1, *pixels.shape[2:])
        outputs = self._lite(rows) if self._lite else predict(self.model, rows, batch=BATCH)
        return self._mean(outputs, pixels.shape[1])

    def _mean(self, outputs: NDArray[np.float32], views: int) -> NDArray[np.float32]:
        from train.metrics.finite import require_finite
        from train.models.inference import as_distribution, mean_over_views

        found = mean_over_views(as_distribution(outputs), views)
        require_finite(found, "probabilities")
        return found

    def _temper(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        from train.metrics.classification import temper

        return temper(raw, self.record.temperature).astype(np.float32)

    def _read(self, row: NDArray[np.float32]) -> Prediction:
        from train.metrics.classification import decide

        positive = self.record.positive
        index = int(
            decide(
                row[None],
                threshold=self.record.threshold,
                positive=self.classes.index(positive) if positive else None,
            )[0]
        )
        each = {name: float(value) for name, value in zip(self.classes, row, strict=True)}
        return Prediction(self.classes[index], float(row[index]), each)

    def _load(
        self, batch: Sequence[Picture], on_error: str
    ) -> tuple[list[NDArray[np.uint8]], list[str | None]]:
        if on_error == "raise":
            loaded = list(load_all_tta_views(batch, self.record.view, self.record.tta_views))
            return loaded, [None] * len(batch)
        pixels: list[NDArray[np.uint8]] = []
        errors: list[str | None] = []
        for picture in batch:
            try:
                pixels.append(load_tta_views(picture, self.record.view, self.record.tta_views))
                errors.append(None)
            except (UnreadableImageError, TransientError) as error:
                errors.append(str(error))
        return pixels, errors
