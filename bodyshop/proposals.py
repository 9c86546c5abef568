"""Trained models for annotators: proposals for each picture, and the order of the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.errors import NothingFoundError, TransientError, UnreadableImageError, UsageError
from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop.prediction.records import PicturePrediction
    from bodyshop_core.workspace import Workspace
    from labeling.records.pictures import CatalogPicture, PreAnnotation, PreAnnotator
    from train import Classifier, Segmenter

DAMAGED, WHOLE = "damaged", "whole"

SHIPPED, SHIPPED_NAME = "shipped", "bodyshop's damage model"

REGION = "damage"
"""The labelling class of a region whose kind of damage the model does not know."""


def proposals_of(
    run: str, workspace: Workspace, *, progress: Progress = SILENT
) -> tuple[PreAnnotator, str]:
    """Return what a run can propose to annotators, and the name that they see with it.

    Parameters
    ----------
    run : str
        Name or folder of a run. A segmenter proposes its masks, a damage classifier the regions of
        its Grad-CAM, or its strongest window.
    workspace : Workspace
        Its runs are searched.
    progress : Progress
        Receives a message for each unreadable picture.

    Raises
    ------
    NothingFoundError
        There is no such run.
    UsageError
        The run does not classify damage.
    """
    import train
    from train.models.run_folder import load_record

    folder = Path(run) if Path(run).is_dir() else workspace.runs / run
    if folder.is_dir() and load_record(folder).kind == "segmenter":
        return masks_of(train.load_segmenter(folder), progress=progress), folder.name
    if folder.is_dir() and load_record(folder).by_windows:
        return windows_of(folder, progress=progress), folder.name
    classifier = train.resolve_run(run, workspace)
    return grad_cam_regions_of(classifier, progress=progress), f"{classifier.record.run} Grad-CAM"


def live_proposals_of(
    run: str | None, workspace: Workspace, *, progress: Progress = SILENT
) -> tuple[PreAnnotator, str]:
    """Return what can be proposed while people label, and the name that they see with it.

    Parameters
    ----------
    run : str or None
        As in `proposals_of`; ``shipped``; or None for the newest segmenter of the workspace, else
        the newest damage classifier, else the shipped damage model.
    workspace : Workspace
        Its runs are searched.
    progress : Progress
        Receives a message for each unreadable picture.

    Raises
    ------
    NothingFoundError
        There is no such run.
    UsageError
        The run does not classify damage.
    """
    if run == SHIPPED:
        return windows_of(None, progress=progress), SHIPPED_NAME
    if run is not None:
        return proposals_of(run, workspace, progress=progress)
    newest = _newest_segmenter(workspace) or _newest_damage_classifier(workspace)
    if newest is None:
        return windows_of(None, progress=progress), SHIPPED_NAME
    return proposals_of(newest, workspace, progress=progress)


def windows_of(run: Path | None, *, progress: Progress = SILENT) -> PreAnnotator:
    """Return a predictor of a damage model by windows.

    It proposes damaged or whole, and for damaged pictures the outlines of what looks damaged, or
    without any the window with the strongest evidence, as regions of the class `REGION`; nothing
    where it is unsure or sees no car.

    Parameters
    ----------
    run : Path or None
        Folder of the run; None: the damage model that comes with the package.
    progress : Progress
        Receives a message for each picture without a proposal.
    """
    from bodyshop.prediction import Predictor

    predictor = Predictor.open(run)

    def propose(pictures: Sequence[CatalogPicture]) -> Iterator[PreAnnotation]:
        from labeling.records.pictures import PreAnnotation

        answers = predictor.predict([picture.path for picture in pictures])
        for picture, answer in zip(pictures, answers, strict=True):
            if answer.error or answer.label not in (DAMAGED, WHOLE):
                progress.log(f"no proposal for {picture.path.name}: {answer.error or answer.label}")
                continue
            masks = {}
            if answer.where is not None:
                masks[REGION] = _drawn(answer, picture.width, picture.height)
            yield PreAnnotation(picture.sha256, masks, {"state": answer.label}, answer.probability)

    return propose


def _drawn(answer: PicturePrediction, width: int, height: int) -> NDArray[np.bool_]:
    """Return the outlines of a prediction filled, or its window; shape (height, width)."""
    import numpy as np
    from PIL import Image, ImageDraw

    left, top, right, bottom = answer.where or (0.0, 0.0, 1.0, 1.0)
    window = ((left, top), (right, top), (right, bottom), (left, bottom))
    canvas = Image.new("1", (width, height))
    pen = ImageDraw.Draw(canvas)
    for polygon in [region.polygon for region in answer.regions or ()] or [window]:
        # the centres of pixels inside
        pen.polygon([(x * width - 0.5, y * height - 0.5) for x, y in polygon], fill=1)
    return np.asarray(canvas, np.bool_)


def _newest_segmenter(workspace: Workspace) -> str | None:
    from train.runs.lookup import newest_run

    try:
        return newest_run(workspace, command="segment")
    except NothingFoundError:
        return None


def _newest_damage_classifier(workspace: Workspace) -> str | None:
    from train.models.run_folder import load_record
    from train.runs.lookup import newest_run

    try:
        name = newest_run(workspace)
    except NothingFoundError:
        return None
    return name if DAMAGED in load_record(workspace.runs / name).classes else None


def masks_of(segmenter: Segmenter, *, progress: Progress = SILENT) -> PreAnnotator:
    """Return a predictor that proposes a segmenter's masks.

    Parameters
    ----------
    segmenter : Segmenter
        A loaded run; its classes must be classes of the labelling project. Of one whose classes are
        severities or parts, the masks are united to the class `REGION`.
    progress : Progress
        Receives a message for each unreadable picture, which gets no proposal.
    """
    import numpy as np

    def propose(pictures: Sequence[CatalogPicture]) -> Iterator[PreAnnotation]:
        from labeling.records.pictures import PreAnnotation

        for picture in pictures:
            try:
                (seen,) = segmenter.segment([picture.path])
            except (UnreadableImageError, TransientError) as error:
                progress.log(f"no proposal for {picture.path.name}: {error}")
                continue
            score = max(seen.scores.values(), default=0.0)
            masks = seen.masks
            if masks and segmenter.recipe.classes_by != "damage":
                masks = {REGION: np.any(list(masks.values()), axis=0)}
            choices = {"state": DAMAGED} if masks else {}
            yield PreAnnotation(picture.sha256, masks, choices, round(score, 4))

    return propose


def grad_cam_regions_of(
    run: Classifier, *, level: float = 0.5, progress: Progress = SILENT
) -> PreAnnotator:
    """Return a predictor that proposes the Grad-CAM regions of a damage classifier.

    It proposes damaged or whole for every picture, and for damaged ones a region of the class
    `REGION`: a classifier knows neither the kind of damage nor its outline.

    Parameters
    ----------
    run : Classifier
        A loaded run with the class ``damaged``.
    level : float
        0 to 1: the region is where the heat map reaches this share of its maximum.
    progress : Progress
        Receives a message for each unreadable picture, which gets no proposal.

    Raises
    ------
    UsageError
        The run has no class ``damaged``.
    """
    import train

    if DAMAGED not in run.classes:
        raise UsageError(
            f"run {run.record.run} classifies {', '.join(run.classes)} and not damage, so it "
            "has no regions to propose",
            hint="choose a run that was trained with --target damage, or a segmenter",
        )

    def propose(pictures: Sequence[CatalogPicture]) -> Iterator[PreAnnotation]:
        from labeling.records.pictures import PreAnnotation

        answers = run.classify([picture.path for picture in pictures], on_error="record")
        for picture, answer in zip(pictures, answers, strict=True):
            if answer.label is None:
                progress.log(f"no proposal for {picture.path.name}: {answer.error}")
                continue
            masks = {}
            if answer.label == DAMAGED:
                seen = train.grad_cam(run, picture.path, label=DAMAGED)
                masks[REGION] = seen.mask(level=level)
            score = round(answer.probabilities[DAMAGED], 4)
            yield PreAnnotation(picture.sha256, masks, {"state": answer.label}, score)

    return propose


def uncertainty_of(
    run: Classifier, *, progress: Progress = SILENT
) -> Callable[[Sequence[CatalogPicture]], dict[str, float]]:
    """Return a function from pictures to sha256 -> 1 minus the largest class probability.

    Least confidence: Settles 2009, Active Learning Literature Survey, section 3.1. Pictures that
    can't be read have no value.
    """

    def uncertainties(pictures: Sequence[CatalogPicture]) -> dict[str, float]:
        here = [picture for picture in pictures if picture.path.exists()]
        answers = run.classify(
            [picture.path for picture in here], on_error="record", progress=progress
        )
        return {
            picture.sha256: 1.0 - max(answer.probabilities.values())
            for picture, answer in zip(here, answers, strict=True)
            if answer.probabilities
        }

    return uncertainties
