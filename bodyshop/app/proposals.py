"""Trained models serving labelers: proposed masks, and which pictures to ask about first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bodyshop.progress import Progress
    from curate.labeling.tasks import Picture, Prediction, Predictor
    from train import Classifier, Segmenter


def masks_of(segmenter: Segmenter) -> Predictor:
    """Return a predictor that proposes a segmenter's masks.

    Parameters
    ----------
    segmenter : Segmenter
        A loaded run; its classes must be classes of the labelling project.
    """

    def propose(pictures: Sequence[Picture]) -> Iterator[Prediction]:
        from curate.labeling.tasks import Prediction

        found = segmenter.segment([picture.path for picture in pictures])
        for picture, seen in zip(pictures, found, strict=True):
            score = max(seen.scores.values(), default=0.0)
            choices = {"state": "damaged"} if seen.masks else {}
            yield Prediction(picture.sha256, seen.masks, choices, round(score, 4))

    return propose


def uncertainty_of(
    run: Classifier, pictures: Sequence[Picture], *, progress: Progress
) -> dict[str, float]:
    """Return sha256 -> 1 minus the probability of the likeliest class (least confidence).

    Settles 2009, Active Learning Literature Survey, section 3.1.
    """
    answers = run.classify(
        [picture.path for picture in pictures], on_error="record", progress=progress
    )
    return {
        picture.sha256: 1.0 - answer.probability
        for picture, answer in zip(pictures, answers, strict=True)
        if answer.probability is not None
    }
