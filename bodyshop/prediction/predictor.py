"""Gate, classifier and detector kept open: is it a car, and which class."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop.prediction.gate import gate_of
from bodyshop.prediction.inputs import as_list, decoded, name_of
from bodyshop.prediction.records import CarBox, PicturePrediction
from bodyshop_core.errors import BodyshopError, UnreadableImageError, UsageError
from bodyshop_core.imaging import fit_square
from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop.prediction.inputs import Picture
    from curate import Detector, Gate
    from train import Classifier

CARS = ("car", "truck", "bus")
"""What a detector looks for, unless told otherwise."""

CHUNK = 16
"""Pictures that are decoded before the networks run: bounds the memory of a long list."""


class Predictor:
    """The gate, the classifier and perhaps a detector of a run, kept open; use `Predictor.open`.

    May be shared by threads.

    Parameters
    ----------
    classifier : Classifier
        The run.
    gate : Gate or None
        Asked first whether a picture shows a car.
    detector : Detector or None
        Finds the cars, each of which is classified by itself.
    """

    def __init__(
        self, classifier: Classifier, gate: Gate | None, detector: Detector | None = None
    ) -> None:
        self.classifier = classifier
        self.gate = gate
        self.detector = detector
        self._detecting = threading.Lock()

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
        import train

        if run is None:
            if detector is not None:
                raise UsageError(
                    "the shipped model looks at whole pictures; a detector needs a run",
                    hint="train one: bodyshop train",
                )
            from bodyshop.prediction.shipped import ShippedPredictor, shipped_model

            return ShippedPredictor(shipped_model())
        classifier = train.load_run(run)
        if detector is None and classifier.record.recipe.get("data", {}).get("crop") == "car":
            raise UsageError(
                f"run {classifier.record.run} was trained on cropped cars, so a detector must find "
                "the cars first",
                hint="add --detector FILE.tflite, the model that bodyshop detect was given",
            )
        gate = gate_of(classifier)
        try:
            if not classifier.use_litert(convert=False):
                progress.log(
                    f"run {classifier.record.run}: the network is converted for LiteRT, once on "
                    "this machine"
                )
                classifier.use_litert()
        except BodyshopError as error:
            _ = classifier.model  # a damaged file is an error in either way
            progress.log(f"run {classifier.record.run} stays on TensorFlow: {error.message}")
        if gate is not None:
            _ = gate.scorer
        found = None
        if detector is not None:
            from curate import Detector

            found = Detector(Path(detector), objects)
        return cls(classifier, gate, found)

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
                found += self._answers(list(pool.map(self._prepare, given[part], names[part])))
        return found

    def _prepare(self, picture: Picture, name: str) -> Prepared | PicturePrediction:
        """Decode a picture and cut what the networks look at; with a detector, perhaps answer."""
        try:
            rgb = decoded(picture, at_least=self._decoded_at)
        except UnreadableImageError as error:
            return self.without_answer(name, error.message)
        if self.detector is not None:
            boxes = self._boxes(rgb, self.detector)
            if boxes:
                first = boxes[0]
                return PicturePrediction(
                    name, True, first.score, first.label, first.probability, None, self._run, None,
                    boxes,
                )  # fmt: skip
        square = fit_square(rgb, self.gate.input_size) if self.gate is not None else None
        return Prepared(name, square, self.classifier.views_of(rgb))

    def _answers(
        self, prepared: Sequence[Prepared | PicturePrediction]
    ) -> Iterator[PicturePrediction]:
        """Yield the predictions of a chunk: the gate's verdicts, then the classes of the cars."""
        import numpy as np

        asked = [each for each in prepared if isinstance(each, Prepared)]
        scores = {}
        if self.gate is not None and asked:
            squares = np.stack([each.square for each in asked if each.square is not None])
            scores = dict(zip(map(id, asked), self.gate.judge_squares(squares), strict=True))
        passed = [each for each in asked if id(each) not in scores or scores[id(each)].is_car]
        said = {}
        if passed:
            views = np.stack([each.views for each in passed])
            said = dict(zip(map(id, passed), self.classifier.classify_views(views), strict=True))
        for each in prepared:
            if isinstance(each, PicturePrediction):
                yield each
                continue
            score, answer = scores.get(id(each)), said.get(id(each))
            yield PicturePrediction(
                picture=each.name,
                is_car=score.is_car if score is not None else None,
                p_car=score.p_car if score is not None else None,
                label=answer.label if answer is not None else None,
                probability=answer.probability if answer is not None else None,
                mask=None,
                run=self._run,
                error=None,
                boxes=() if self.detector is not None else None,
            )

    def _boxes(self, rgb: NDArray[np.uint8], detector: Detector) -> tuple[CarBox, ...]:
        """Classify each car that the detector finds, the largest first."""
        from curate.detection.detector import classify_boxes

        with self._detecting:  # its interpreter has memory for one picture
            found = classify_boxes(rgb, detector, self.classifier.classify)
        return tuple(
            CarBox(
                object=box.label,
                score=round(box.score, 4),
                left=round(box.left, 4),
                top=round(box.top, 4),
                right=round(box.right, 4),
                bottom=round(box.bottom, 4),
                label=str(answer.label),
                probability=float(answer.probability or 0.0),
            )
            for box, answer in found
        )

    def without_answer(self, name: str, why: str) -> PicturePrediction:
        """Return the prediction for a picture that can't be had or read."""
        boxes = () if self.detector is not None else None
        return PicturePrediction(name, None, None, None, None, None, self._run, why, boxes)

    @property
    def _run(self) -> str:
        return self.classifier.folder.name

    @property
    def _decoded_at(self) -> int | None:
        """What both networks need; None, the whole picture, for crops of small cars."""
        if self.detector is not None:
            return None
        return max(self.classifier.decoded_at, self.gate.decoded_at if self.gate else 0)


@dataclass(frozen=True, eq=False)
class Prepared:
    """The pixels that the networks look at: the gate's square and the classifier's views."""

    name: str
    square: NDArray[np.uint8] | None
    views: NDArray[np.uint8]
