"""A run, or the shipped damage model, kept open for many pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bodyshop.prediction.inputs import as_list, name_of
from bodyshop.prediction.records import PicturePrediction
from bodyshop.prediction.run_answers import CARS, open_run
from bodyshop.prediction.shipped import ShippedAnswers, shipped_model
from bodyshop_core.errors import UsageError
from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    from bodyshop.prediction.inputs import Picture

CHUNK = 16
"""Pictures that are decoded before the networks run: bounds the memory of a long list."""


class Answers(Protocol):
    """What a predictor asks: decodes a picture, then answers for several at once."""

    def prepare(self, picture: Picture, name: str) -> Any:
        """Decode a picture; return it for `answers`, or its prediction when that is all."""

    def answers(self, prepared: Sequence[Any]) -> Iterator[PicturePrediction]:
        """Yield the predictions of what `prepare` returned, in order."""

    def without_answer(self, name: str, why: str) -> PicturePrediction:
        """Return the prediction for a picture that can't be had or read."""


class Predictor:
    """A model kept open; use `Predictor.open`. May be shared by threads.

    Parameters
    ----------
    model : Answers
        A run's networks, or the shipped model.
    """

    def __init__(self, model: Answers) -> None:
        self.model = model

    @classmethod
    def open(
        cls,
        run: Path | str | None = None,
        *,
        detector: Path | str | None = None,
        objects: Sequence[str] = CARS,
        progress: Progress = SILENT,
    ) -> Predictor:
        """Open a finished run.

        The first time on a machine, its networks are converted for LiteRT, which takes some
        seconds and TensorFlow. From then on TensorFlow is not imported.

        Parameters
        ----------
        run : Path or str, optional
            The folder of a classifier run; it is self-contained and may come from another machine.
            Without one, the damage model that comes with the package answers.
        detector : Path or str, optional
            A COCO SSD ``.tflite`` file: each car is found, cropped and classified separately.
        objects : sequence of str
            What the detector looks for, by its labels; those that ``bodyshop detect`` was given.
        progress : Progress
            Told when the network is converted, or can't be and stays on TensorFlow.

        Raises
        ------
        UsageError
            The folder holds no finished classifier, the run was trained on cropped cars and there
            is no detector, or the detector is of another kind.
        BodyshopError
            A file of the run is missing or damaged.
        MissingPartError
            The weights of its gate are not available.
        """
        if run is not None:
            return cls(open_run(run, detector=detector, objects=objects, progress=progress))
        if detector is not None:
            raise UsageError(
                "the shipped model looks at whole pictures; a detector needs a run",
                hint="train one: bodyshop train",
            )
        return cls(ShippedAnswers(shipped_model()))

    def predict(self, pictures: Picture | Iterable[Picture]) -> list[PicturePrediction]:
        """Predict whether pictures show a car, and its class.

        Each picture is decoded once; a JPEG at a reduced size, if it is large.

        Parameters
        ----------
        pictures : Path, str, bytes, ndarray, PIL.Image.Image, or an iterable of these
            Files, their contents, or decoded pictures (uint8 RGB, shape (height, width, 3)).

        Returns
        -------
        list of PicturePrediction
            One per picture, in order; an unreadable picture has its error, and so has an array of
            another type or shape. A picture without a file is named by its place in the list.

        Raises
        ------
        UsageError
            A picture is of none of these types.
        NotFiniteError
            The network's probabilities are NaN or infinite.
        """
        given = as_list(pictures)
        names = [name_of(picture, place) for place, picture in enumerate(given)]
        found: list[PicturePrediction] = []
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for start in range(0, len(given), CHUNK):
                part = slice(start, start + CHUNK)
                found += self.model.answers(
                    list(pool.map(self.model.prepare, given[part], names[part]))
                )
        return found

    def without_answer(self, name: str, why: str) -> PicturePrediction:
        """Return the prediction for a picture that can't be had or read."""
        return self.model.without_answer(name, why)
