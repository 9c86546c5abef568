"""Two models in a row: is it a car, and which class; with a segmenter, where the damage is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop.prediction.gate import gate_of
from bodyshop.prediction.records import CarBox, PicturePrediction
from bodyshop.prediction.sources import list_pictures
from bodyshop_core.catalog.labels import means_whole
from bodyshop_core.errors import UnreadableImageError, UsageError
from bodyshop_core.imaging import load_rgb
from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    from curate import Detector, Gate
    from train import Classifier, Segmenter

BATCH = 64
"""Pictures per round; bounds the memory for large folders."""


def predict(
    run: Path,
    pictures: Sequence[Path],
    *,
    segmenter: Path | None = None,
    detector: Path | None = None,
    objects: Sequence[str] = ("car", "truck", "bus"),
    out: Path | None = None,
    annotate: bool = False,
    progress: Progress = SILENT,
) -> list[PicturePrediction]:
    """Decide whether pictures show cars, classify these, and mark the damage.

    Parameters
    ----------
    run : Path
        Folder of a classifier run; it is self-contained and may come from another machine.
    pictures : sequence of Path
        Picture files, and folders that are searched for pictures.
    segmenter : Path, optional
        Folder of a segmenter run: writes a mask for every car that is not predicted whole.
    detector : Path, optional
        A COCO SSD ``.tflite`` file: each car is found, cropped and classified separately. A
        picture without a detected car, such as a close-up of damage, is gated and classified as a
        whole.
    objects : sequence of str
        What the detector looks for, by its labels; give those that ``bodyshop detect`` was given.
    out : Path, optional
        Folder for masks and annotated pictures.
    annotate : bool
        Write every picture with its prediction drawn in.
    progress : Progress
        Receives the progress.

    Returns
    -------
    list of PicturePrediction
        One per picture, in order; an unreadable picture has its error.

    Raises
    ------
    NothingFoundError
        There is no picture.
    UsageError
        Masks or annotated pictures need a folder, the run was trained on cropped cars and there is
        no detector, or a file has the wrong format.
    """
    import train
    from curate import Detector

    if out is None and (segmenter is not None or annotate):
        raise UsageError("masks and annotated pictures need a folder", hint="add --out FOLDER")
    files = list_pictures(pictures)
    classifier = train.load_run(run)
    if detector is None and classifier.record.recipe.get("data", {}).get("crop") == "car":
        raise UsageError(
            f"run {classifier.record.run} was trained on cropped cars, so a detector must find the "
            "cars first",
            hint="add --detector FILE.tflite, the model that bodyshop detect was given",
        )
    models = _Models(
        classifier,
        gate_of(classifier),
        Detector(detector, objects) if detector is not None else None,
        train.load_segmenter(segmenter) if segmenter is not None else None,
    )
    predictions: list[PicturePrediction] = []
    with progress.task("predict", total=len(files)) as tick:
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            found = models.predict(batch)
            if out is not None:
                found = [
                    _with_files(models, one, out, start + place, annotate)
                    for place, one in enumerate(found)
                ]
            predictions += found
            tick(len(batch))
    return predictions


@dataclass(frozen=True)
class _Models:
    """The networks that a prediction takes."""

    classifier: Classifier
    gate: Gate | None
    detector: Detector | None
    segmenter: Segmenter | None

    def predict(self, files: Sequence[Path]) -> list[PicturePrediction]:
        """Predict by cropped cars where a detector finds some, else by whole pictures."""
        if self.detector is None:
            return self._whole(files)
        by_crops = [self._crops(file, self.detector) for file in files]
        left = [file for file, found in zip(files, by_crops, strict=True) if found is None]
        whole = iter(self._whole(left))
        found = [one or next(whole) for one in by_crops]
        return [replace(one, boxes=one.boxes or ()) for one in found]

    def _whole(self, files: Sequence[Path]) -> list[PicturePrediction]:
        """Gate whole pictures and classify those that pass."""
        scores = self.gate.judge(files) if self.gate is not None else [None] * len(files)
        passed = [
            file for file, score in zip(files, scores, strict=True) if score is None or score.is_car
        ]
        said = self.classifier.classify(passed, on_error="record")
        answers = dict(zip(passed, said, strict=True))
        found = []
        for file, score in zip(files, scores, strict=True):
            answer = answers.get(file)
            error = (score.error if score is not None else None) or (
                answer.error if answer else None
            )
            known = score is not None and not score.error
            found.append(
                PicturePrediction(
                    picture=str(file),
                    is_car=score.is_car if score is not None and known else None,
                    p_car=score.p_car if score is not None and known else None,
                    label=answer.label if answer is not None else None,
                    probability=answer.probability if answer is not None else None,
                    mask=None,
                    run=self.classifier.folder.name,
                    error=error,
                )
            )
        return found

    def _crops(self, file: Path, detector: Detector) -> PicturePrediction | None:
        """Classify each car that the detector finds; None for a picture without one."""
        from curate.detection.detector import classify_boxes

        run = self.classifier.folder.name
        try:
            rgb = load_rgb(file)
        except UnreadableImageError as error:
            return PicturePrediction(str(file), None, None, None, None, None, run, str(error))
        boxes = tuple(
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
            for box, answer in classify_boxes(rgb, detector, self.classifier.classify)
        )
        if not boxes:
            return None
        first = boxes[0]
        return PicturePrediction(
            str(file), True, first.score, first.label, first.probability, None, run, None, boxes
        )


def _with_files(
    models: _Models, one: PicturePrediction, out: Path, number: int, annotate: bool
) -> PicturePrediction:
    """Write the mask and the annotated picture of one prediction; return it with its mask."""
    from bodyshop.prediction.drawing import draw, save_masks

    if one.error is not None:
        return one
    name = f"{number:05d}-{Path(one.picture).stem}"
    masks = {}
    if models.segmenter is not None and one.label is not None and not means_whole(one.label):
        masks = models.segmenter.segment([Path(one.picture)])[0].masks
        if masks:
            mask = save_masks(masks, out, name, split=len(models.segmenter.classes) > 1)
            one = replace(one, mask=str(mask))
    if annotate:
        draw(one, masks, out / f"{name}.jpg")
    return one
