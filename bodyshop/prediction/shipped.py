"""The damage model that comes with the package, answering like a run's predictor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from bodyshop.prediction.inputs import decoded
from bodyshop.prediction.records import PicturePrediction
from bodyshop.prediction.run_answers import Prepared
from bodyshop_core.errors import TransientError, UnreadableImageError

if TYPE_CHECKING:
    from bodyshop.prediction.inputs import Picture
    from train.windows.classifier import DamageAnswer, DamageClassifier

NAME = "shipped"
"""Stands where the name of a run would."""


class ShippedAnswers:
    """Gate and damage model in one network, with the place that decided; no run, no TensorFlow.

    Parameters
    ----------
    model : DamageClassifier
        The model.
    """

    def __init__(self, model: DamageClassifier) -> None:
        self.model = model

    def prepare(self, picture: Picture, name: str) -> Prepared | PicturePrediction:
        """Decode a picture and squeeze it into the network's square."""
        from train.windows.grid import SIDE, squeeze

        try:
            rgb = decoded(picture, at_least=SIDE)
        except (UnreadableImageError, TransientError) as error:
            return self.without_answer(name, error.message)
        return Prepared(name, None, squeeze(rgb)[None])

    def answers(
        self, prepared: Sequence[Prepared | PicturePrediction]
    ) -> Iterator[PicturePrediction]:
        """Yield the predictions of what `prepare` returned, in order."""
        import numpy as np

        asked = [each.views[0] for each in prepared if isinstance(each, Prepared)]
        said = iter(self.model.answer(np.stack(asked)) if asked else ())
        for each in prepared:
            if isinstance(each, Prepared):
                yield prediction_of(each.name, next(said))
            else:
                yield each

    def without_answer(self, name: str, why: str) -> PicturePrediction:
        """Return the prediction for a picture that can't be had or read."""
        return PicturePrediction(name, None, None, None, None, None, NAME, why)


@lru_cache(maxsize=1)
def shipped_model() -> DamageClassifier:
    """Open the shipped damage model, once per process.

    Raises
    ------
    BodyshopError
        Its files are missing from the installation, or damaged.
    """
    from train.windows.classifier import DamageClassifier, shipped_folder

    return DamageClassifier(shipped_folder())


def prediction_of(name: str, answer: DamageAnswer) -> PicturePrediction:
    """Return the answer of a damage model by windows as a prediction."""
    from train.windows.classifier import DAMAGED, UNSURE

    labelled = answer.is_car and answer.label != UNSURE
    probability = answer.probability if answer.label == DAMAGED else 1 - answer.probability
    damaged = answer.is_car and answer.label == DAMAGED
    return PicturePrediction(
        picture=name,
        is_car=answer.is_car,
        p_car=round(answer.p_car, 4),
        label=answer.label if answer.is_car else None,
        probability=round(probability, 4) if labelled else None,
        mask=None,
        run=NAME,
        error=None,
        where=answer.place.box if damaged else None,
        regions=answer.place.regions if damaged else None,
        heat=answer.place.heat if damaged else None,
    )
