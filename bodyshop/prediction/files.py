"""Predictions on files and folders, with masks and annotated pictures as files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop.prediction.predictor import CHUNK, Predictor
from bodyshop.prediction.records import PicturePrediction
from bodyshop.prediction.run_answers import CARS, open_segmenter
from bodyshop.prediction.sources import PictureFile, list_pictures
from bodyshop_core import atomic
from bodyshop_core.catalog.labels import means_whole
from bodyshop_core.errors import UnreadableImageError, UsageError
from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    from train import Segmenter


def predict(
    run: Path | None,
    pictures: Sequence[Path],
    *,
    segmenter: Path | None = None,
    detector: Path | None = None,
    objects: Sequence[str] = CARS,
    out: Path | None = None,
    annotate: bool = False,
    progress: Progress = SILENT,
) -> list[PicturePrediction]:
    """Decide whether pictures show cars, classify these, and mark the damage.

    Parameters
    ----------
    run : Path or None
        Folder of a classifier run; it is self-contained and may come from another machine. None:
        the damage model that comes with the package.
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
    files = [PictureFile(str(file), file) for file in list_pictures(pictures)]
    batches = (files[start : start + CHUNK] for start in range(0, len(files), CHUNK))
    found = []
    with progress.task("predict", total=len(files)) as tick:
        for one in predict_batches(
            run, batches, segmenter=segmenter, detector=detector, objects=objects, out=out,
            annotate=annotate, progress=progress,
        ):  # fmt: skip
            found.append(one)
            tick(1)
    return found


def predict_batches(
    run: Path | None,
    batches: Iterable[Sequence[PictureFile]],
    *,
    segmenter: Path | None = None,
    detector: Path | None = None,
    objects: Sequence[str] = CARS,
    out: Path | None = None,
    annotate: bool = False,
    progress: Progress = SILENT,
) -> Iterator[PicturePrediction]:
    """Yield predictions as soon as a batch of files is done; the parameters are those of `predict`.

    Raises
    ------
    UsageError
        As `predict`.
    """
    if out is None and (segmenter is not None or annotate):
        raise UsageError("masks and annotated pictures need a folder", hint="add --out FOLDER")
    if out is not None and (segmenter is not None or annotate):
        atomic.require_folder(out)
    predictor = Predictor.open(run, detector=detector, objects=objects, progress=progress)
    masks = open_segmenter(segmenter, progress=progress) if segmenter is not None else None
    number = 0
    for batch in batches:
        said = iter(predictor.predict([each.file for each in batch if each.file is not None]))
        for each in batch:
            if each.file is None:
                yield predictor.without_answer(each.name, str(each.error))
            else:
                one = next(said)
                if out is not None and one.error is None:
                    name = f"{number:05d}-{Path(each.name).stem}"
                    one = _with_files(one, each.file, masks, out / name, annotate)
                yield replace(one, picture=each.name)
            number += 1


def _with_files(
    one: PicturePrediction, file: Path, segmenter: Segmenter | None, stem: Path, annotate: bool
) -> PicturePrediction:
    """Write the mask and the annotated picture of one prediction; return it with its mask."""
    from bodyshop.prediction.drawing import draw, save_masks

    masks, problem = {}, None
    if segmenter is not None and one.label is not None and not means_whole(one.label):
        try:
            found = segmenter.segment([file])[0]
            masks, one = found.masks, replace(one, regions=found.regions)
        except UnreadableImageError as error:
            problem = f"no damage mask: {error.message}"
        if masks:
            mask = save_masks(masks, stem.parent, stem.name, split=len(segmenter.classes) > 1)
            one = replace(one, mask=str(mask))
    if annotate:
        draw(one, file, masks, stem.with_name(f"{stem.name}.jpg"))
    return replace(one, error=problem)
