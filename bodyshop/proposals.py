"""Trained models serving labelers: a head start on each picture, and which ones come first."""

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

SPOT = "damage"
"""The labelling class of a spot that a model points at without saying what it is."""


def proposals_of(
    run: str, workspace: Workspace, *, progress: Progress = SILENT
) -> tuple[PreAnnotator, str]:
    """Return what a run can propose to labelers, and the name they see beside it.

    Parameters
    ----------
    run : str
        A run's name or folder. A segmenter proposes its masks, a damage classifier the spots its
        Grad-CAM points at.
    workspace : Workspace
        Where runs of that name are.
    progress : Progress
        Told about pictures that a model can't read.

    Raises
    ------
    NothingFoundError
        There is no such run.
    UsageError
        The run is a classifier of something else than damage.
    """
    import train
    from train.models.run_folder import load_record

    folder = Path(run) if Path(run).is_dir() else workspace.runs / run
    if folder.is_dir() and load_record(folder).kind == "segmenter":
        return masks_of(train.load_segmenter(folder), progress=progress), folder.name
    classifier = train.resolve_run(run, workspace)
    return spots_of(classifier, progress=progress), f"{classifier.record.run} Grad-CAM"


def masks_of(segmenter: Segmenter, *, progress: Progress = SILENT) -> PreAnnotator:
    """Return a predictor that proposes a segmenter's masks.

    Parameters
    ----------
    segmenter : Segmenter
        A loaded run; its classes must be classes of the labelling project.
    progress : Progress
        Told about pictures that can't be read; nothing is proposed for them.
    """

    def propose(pictures: Sequence[CatalogPicture]) -> Iterator[PreAnnotation]:
        from labeling.records.pictures import PreAnnotation

        for picture in pictures:
            try:
                (seen,) = segmenter.segment([picture.path])
            except UnreadableImageError as error:
                progress.log(f"nothing is proposed for {picture.path.name}: {error}")
                continue
            score = max(seen.scores.values(), default=0.0)
            choices = {"state": DAMAGED} if seen.masks else {}
            yield PreAnnotation(picture.sha256, seen.masks, choices, round(score, 4))

    return propose


def spots_of(run: Classifier, *, level: float = 0.5, progress: Progress = SILENT) -> PreAnnotator:
    """Return a predictor that proposes the spots a damage classifier's Grad-CAM points at.

    It says damaged or whole for every picture, and paints a spot of the class `SPOT` where the
    picture is damaged: a classifier does not know which kind of damage it sees, nor its outline.

    Parameters
    ----------
    run : Classifier
        A loaded run that tells damaged pictures from whole ones.
    level : float
        0 to 1: a spot is where the heat reaches this part of its maximum.
    progress : Progress
        Told about pictures that can't be read; nothing is proposed for them.

    Raises
    ------
    UsageError
        The run does not know ``damaged``.
    """
    import train

    if DAMAGED not in run.classes:
        raise UsageError(
            f"run {run.record.run} tells {', '.join(run.classes)} apart, not damage: it has no "
            "spots to propose",
            hint="name a run that was trained with --target damage, or a segmenter",
        )

    def propose(pictures: Sequence[CatalogPicture]) -> Iterator[PreAnnotation]:
        from labeling.records.pictures import PreAnnotation

        answers = run.classify([picture.path for picture in pictures], on_error="record")
        for picture, answer in zip(pictures, answers, strict=True):
            if answer.label is None:
                progress.log(f"nothing is proposed for {picture.path.name}: {answer.error}")
                continue
            masks = {}
            if answer.label == DAMAGED:
                seen = train.grad_cam(run, picture.path, label=DAMAGED)
                masks[SPOT] = seen.mask(level=level)
            score = round(answer.probabilities[DAMAGED], 4)
            yield PreAnnotation(picture.sha256, masks, {"state": answer.label}, score)

    return propose


def uncertainty_of(
    run: Classifier, *, progress: Progress = SILENT
) -> Callable[[Sequence[CatalogPicture]], dict[str, float]]:
    """Return a function from pictures to sha256 -> 1 minus the likeliest class's probability.

    Least confidence: Settles 2009, Active Learning Literature Survey, section 3.1. Pictures that
    can't be read have no value.
    """

    def doubts(pictures: Sequence[CatalogPicture]) -> dict[str, float]:
        here = [picture for picture in pictures if picture.path.exists()]
        answers = run.classify(
            [picture.path for picture in here], on_error="record", progress=progress
        )
        return {
            picture.sha256: 1.0 - max(answer.probabilities.values())
            for picture, answer in zip(here, answers, strict=True)
            if answer.probabilities
        }

    return doubts
