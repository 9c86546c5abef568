"""What a run answers: its gate, its classifier and perhaps a detector, kept open."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop.prediction.gate import gate_of
from bodyshop.prediction.inputs import decoded
from bodyshop.prediction.records import CarBox, PicturePrediction
from bodyshop.prediction.shared_look import shared_look
from bodyshop_core.errors import BodyshopError, TransientError, UnreadableImageError, UsageError
from bodyshop_core.imaging import fit_square
from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop.prediction.inputs import Picture
    from curate import Detector, Gate, GateScore
    from train import Classifier, Prediction, Segmenter

UNSURE = "unsure"
"""Label of a picture unlike all that a damage model by windows has learned from."""

CARS = ("car", "truck", "bus")
"""What a detector looks for, unless told otherwise."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the networks look at: the classifier's views, and the gate's square if it is none."""

    name: str
    square: NDArray[np.uint8] | None
    views: NDArray[np.uint8]


class RunAnswers:
    """The networks of a run; may be shared by threads.

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
        self.shared = shared_look(classifier, gate)
        self._detecting = threading.Lock()

    def prepare(self, picture: Picture, name: str) -> Prepared | PicturePrediction:
        """Decode a picture and cut what the networks look at; with a detector, perhaps answer."""
        try:
            rgb = decoded(picture, at_least=self._decoded_at)
        except (UnreadableImageError, TransientError) as error:
            return self.without_answer(name, error.message)
        if self.detector is not None:
            boxes = self._boxes(rgb, self.detector)
            if boxes:
                first = boxes[0]
                return PicturePrediction(
                    name, True, first.score, first.label, first.probability, None, self._run, None,
                    boxes,
                )  # fmt: skip
        square = None
        if self.gate is not None and self.shared is None:
            square = fit_square(rgb, self.gate.input_size)
        return Prepared(name, square, self.classifier.views_of(rgb))

    def answers(
        self, prepared: Sequence[Prepared | PicturePrediction]
    ) -> Iterator[PicturePrediction]:
        """Yield the predictions of a chunk: the gate's verdicts, then the classes of the cars."""
        asked = [each for each in prepared if isinstance(each, Prepared)]
        found: Iterator[tuple[GateScore | None, Prediction | None]] = iter(
            self._ask_in_turn(asked)
            if self.shared is None
            else self.shared.answers([each.views for each in asked])
        )
        for each in prepared:
            if isinstance(each, PicturePrediction):
                yield each
                continue
            score, answer = next(found)
            place = answer.place if answer is not None else None
            lost = place is not None and place.out_of_depth
            shown = place if answer and answer.label == self.classifier.record.positive else None
            yield PicturePrediction(
                picture=each.name,
                is_car=score.is_car if score is not None else None,
                p_car=score.p_car if score is not None else None,
                label=UNSURE if lost else answer.label if answer is not None else None,
                probability=answer.probability if answer is not None and not lost else None,
                mask=None,
                run=self._run,
                error=None,
                boxes=() if self.detector is not None else None,
                where=shown.box if shown is not None and not lost else None,
                regions=shown.regions if shown is not None and not lost else None,
                heat=shown.heat if shown is not None and not lost else None,
            )

    def _ask_in_turn(
        self, asked: Sequence[Prepared]
    ) -> list[tuple[GateScore | None, Prediction | None]]:
        """Ask the gate, then the classifier about what the gate lets through."""
        import numpy as np

        scores: list[GateScore | None] = [None] * len(asked)
        if self.gate is not None and asked:
            squares = np.stack([each.square for each in asked if each.square is not None])
            scores = list(self.gate.judge_squares(squares))
        passed = [score is None or score.is_car for score in scores]
        cars = [each.views for each, car in zip(asked, passed, strict=True) if car]
        classes = iter(self.classifier.classify_views(np.stack(cars)) if cars else ())
        return [
            (score, next(classes) if car else None)
            for score, car in zip(scores, passed, strict=True)
        ]

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


def open_run(
    run: Path | str, *, detector: Path | str | None, objects: Sequence[str], progress: Progress
) -> RunAnswers:
    """Open a finished run; parameters and errors are those of `Predictor.open`."""
    import train

    classifier = train.load_run(run)
    if detector is None and classifier.record.recipe.get("data", {}).get("crop") == "car":
        raise UsageError(
            f"run {classifier.record.run} was trained on cropped cars, so a detector must find "
            "the cars first",
            hint="add --detector FILE.tflite, the model that bodyshop detect was given",
        )
    gate = gate_of(classifier)
    prefer_litert(classifier, progress)
    if gate is not None and shared_look(classifier, gate) is None:
        _ = gate.scorer
    found = None
    if detector is not None:
        from curate import Detector

        found = Detector(Path(detector), objects)
    return RunAnswers(classifier, gate, found)


def open_segmenter(folder: Path | str, *, progress: Progress = SILENT) -> Segmenter:
    """Open a finished segmenter run on LiteRT.

    Raises
    ------
    UsageError
        The folder is absent, holds no finished run, or the run is no segmenter.
    BodyshopError
        A file of the run is missing or damaged.
    """
    import train

    segmenter = train.load_segmenter(folder)
    prefer_litert(segmenter, progress)
    return segmenter


def prefer_litert(run: Classifier | Segmenter, progress: Progress) -> None:
    """Have a run's network on LiteRT; one that can't be converted stays on TensorFlow, said so."""
    try:
        if not run.use_litert(convert=False):
            progress.log(
                f"run {run.record.run}: the network is converted for LiteRT, once on this machine"
            )
            run.use_litert()
    except BodyshopError as error:
        _ = run.model  # a damaged file is an error in either way
        progress.log(f"run {run.record.run} stays on TensorFlow: {error.message}")
