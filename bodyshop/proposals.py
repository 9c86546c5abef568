"""Trained models for annotators: proposals for each picture, and the order of the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.errors import UnreadableImageError, UsageError
from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from labeling.records.pictures import CatalogPicture, PreAnnotation, PreAnnotator
    from train import Classifier, Segmenter

DAMAGED = "damaged"

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
        its Grad-CAM.
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
    classifier = train.resolve_run(run, workspace)
    return grad_cam_regions_of(classifier, progress=progress), f"{classifier.record.run} Grad-CAM"


def masks_of(segmenter: Segmenter, *, progress: Progress = SILENT) -> PreAnnotator:
    """Return a predictor that proposes a segmenter's masks.

    Parameters
    ----------
    segmenter : Segmenter
        A loaded run; its classes must be classes of the labelling project.
    progress : Progress
        Receives a message for each unreadable picture, which gets no proposal.
    """

    def propose(pictures: Sequence[CatalogPicture]) -> Iterator[PreAnnotation]:
        from labeling.records.pictures import PreAnnotation

        for picture in pictures:
            try:
                (seen,) = segmenter.segment([picture.path])
            except UnreadableImageError as error:
                progress.log(f"no proposal for {picture.path.name}: {error}")
                continue
            score = max(seen.scores.values(), default=0.0)
            choices = {"state": DAMAGED} if seen.masks else {}
            yield PreAnnotation(picture.sha256, seen.masks, choices, round(score, 4))

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
