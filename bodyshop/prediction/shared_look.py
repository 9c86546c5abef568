"""One run of the network for gate and classifier, where both look at the same square."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from curate import Gate, GateScore
    from train import Classifier, Prediction

CENTRE = "centre"


class SharedLook:
    """A gate and a classifier on one backbone; use `shared_look`.

    Parameters
    ----------
    classifier : Classifier
        Its network runs on LiteRT.
    gate : Gate
        Its rule is a probe on the same backbone.
    """

    def __init__(self, classifier: Classifier, gate: Gate) -> None:
        self.classifier = classifier
        self.gate = gate
        self._centre = classifier.record.tta_views.index(CENTRE)

    def answers(
        self, views: Sequence[NDArray[np.uint8]]
    ) -> list[tuple[GateScore, Prediction | None]]:
        """Return the gate's answer to each picture, and the class of one that it lets through.

        Parameters
        ----------
        views : sequence of ndarray of uint8, shape (views, side, side, 3)
            As `Classifier.views_of` makes them, for each picture.
        """
        import numpy as np

        if not views:
            return []
        centre = self.classifier.look(np.stack([each[self._centre] for each in views]))
        scores = self.gate.judge_features(self.classifier.averages(centre))
        passed = [place for place, score in enumerate(scores) if score.is_car]
        found: list[Prediction | None] = [None] * len(views)
        if not passed:
            return [(score, None) for score in scores]
        count = len(views[0])
        others = [place for place in range(count) if place != self._centre]
        looked = np.empty((len(passed), count, centre.shape[1]), np.float32)
        looked[:, self._centre] = centre[passed]
        if others:
            rest = self.classifier.look(np.concatenate([views[place][others] for place in passed]))
            looked[:, others] = rest.reshape(len(passed), len(others), -1)
        for place, answer in zip(passed, self.classifier.classify_looked(looked), strict=True):
            found[place] = answer
        return list(zip(scores, found, strict=True))


def shared_look(classifier: Classifier, gate: Gate | None) -> SharedLook | None:
    """Return how both are asked at once; None where they look at different pixels or networks."""
    record = classifier.record
    shares = (
        gate is not None
        and gate.rule.probe is not None
        and classifier.backbone == gate.fingerprint
        and record.side == gate.input_size
        and record.equalise is None
        and not record.grey
        and CENTRE in record.tta_views
    )
    return SharedLook(classifier, gate) if gate is not None and shares else None
