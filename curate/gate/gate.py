"""A gate: a backbone and the rule that turns its output into a score; saved as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.backbones import fingerprint, get
from bodyshop_core.errors import MissingPartError
from bodyshop_core.progress import SILENT, Progress
from curate.gate.categories import top
from curate.gate.extract import Picture, decoded_at, extract_features, score_squares
from curate.gate.feature_store import FeatureBatch
from curate.gate.framing import Framing
from curate.gate.probe import Probe
from curate.gate.rules import NONE, Rule, needs_top

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.backbones import Scorer


@dataclass(frozen=True)
class GateScore:
    """A gate's answer for one picture.

    Parameters
    ----------
    is_car : bool
        Whether `p_car` reaches the threshold; False when the picture can't be read.
    p_car : float
        0 to 1; what it means depends on the rule.
    framing : str or None
        ``full``, ``part`` or ``interior``.
    top5 : list of (name, probability)
        The likeliest ImageNet categories; empty when the weights have no top.
    error : str or None
        Why the picture could not be read.
    """

    is_car: bool
    p_car: float
    framing: str | None
    top5: list[tuple[str, float]]
    error: str | None = None


@dataclass(frozen=True)
class Gate:
    """A backbone with the rules that decide whether a picture shows a car.

    Parameters
    ----------
    backbone, fingerprint : str
        The network, and its name with weights and preprocessing.
    rule : Rule
        How its output becomes ``p_car``.
    framing : Framing
        How its output becomes full, part or interior.
    weights : Path, optional
        The weights file; None for the backbone's own.
    carried : Path, optional
        Folder with the converted network, as for `bodyshop_core.inference.cached_network`.
    """

    backbone: str
    fingerprint: str
    rule: Rule
    framing: Framing
    weights: Path | str | None = None
    carried: Path | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """Key of `gate_scores`."""
        return f"{self.fingerprint}:{self.rule.id}:{self.framing.id}"

    def load(self) -> Scorer:
        """Build the network.

        Raises
        ------
        MissingPartError
            The weights are not there, or have no top although the rule needs it.
        """
        from bodyshop_core.backbones import Scorer

        scorer = Scorer(self.backbone, self.weights, carried=self.carried)
        if not scorer.has_top and self.rule.probe is None and self.rule.name != NONE:
            raise needs_top(self.rule.name)
        return scorer

    def read(self, batch: FeatureBatch) -> list[GateScore]:
        """Return the gate's answers to a batch of features, in its order."""
        p_car = self.rule.p_car(batch).tolist()
        framing: list[str | None] = [None] * len(batch)
        if self.rule.name != NONE:  # of other things than cars there is no framing
            framing = self.framing.classify(batch)
        classes = batch.probabilities
        return [
            GateScore(
                value >= self.rule.threshold,
                round(value, 6),
                framing[index],
                [] if classes is None else top(classes[index]),
            )
            for index, value in enumerate(p_car)
        ]

    def judge(self, pictures: Sequence[Picture], *, progress: Progress = SILENT) -> list[GateScore]:
        """Judge pictures that need not be in a workspace.

        Parameters
        ----------
        pictures : sequence of Path, bytes or BlobRef
            Files, their contents, or pictures of a workspace's store.
        progress : Progress
            Told how many pictures are done.

        Returns
        -------
        list of GateScore
            One per picture, in order; an unreadable one carries its error.
        """
        files = [(str(number), picture) for number, picture in enumerate(pictures)]
        answers: dict[str, GateScore] = {}
        for batch in extract_features(self.scorer, files, progress=progress):
            answers.update(zip(batch.keys, self.read(batch), strict=True))
            for key, why in batch.errors.items():
                answers[key] = GateScore(False, 0.0, None, [], why)
        return [answers[key] for key, _ in files]

    def judge_squares(self, squares: NDArray[np.uint8]) -> list[GateScore]:
        """Judge pictures that are decoded already.

        Parameters
        ----------
        squares : ndarray of uint8, shape (n, input_size, input_size, 3)
            Of pictures decoded at `decoded_at` or more, by `bodyshop_core.imaging.fit_square`.
        """
        return self.read(score_squares(self.scorer, [""] * len(squares), list(squares)))

    def judge_features(self, features: NDArray[np.float32]) -> list[GateScore]:
        """Judge pictures that a run of the same backbone has seen, where the rule is a probe.

        Parameters
        ----------
        features : ndarray of float32, shape (n, feature_dim)
            Averages of the backbone's last map, of squares as for `judge_squares`.
        """
        return self.read(FeatureBatch(("",) * len(features), features.astype("float16"), None, {}))

    @property
    def input_size(self) -> int:
        """Side of the square that the network takes, in pixels."""
        return get(self.backbone).input_size

    @property
    def decoded_at(self) -> int:
        """Pixels that both sides of a picture should keep when it is decoded for the network."""
        return decoded_at(self.input_size)

    @cached_property
    def scorer(self) -> Scorer:
        """The network, loaded when first asked for (see `load`)."""
        return self.load()

    def as_dict(self) -> dict[str, Any]:
        """Return everything that `from_dict` needs, as JSON-able values."""
        return {
            "backbone": self.backbone,
            "fingerprint": self.fingerprint,
            "rule": self.rule.name,
            "threshold": self.rule.threshold,
            "categories": list(self.rule.categories),
            "probe": None if self.rule.probe is None else self.rule.probe.as_dict(),
            "framing": None if self.framing.probe is None else self.framing.probe.as_dict(),
            "weights": None if self.weights is None else str(self.weights),
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any], weights: Path | str | None = None) -> Gate:
        """Rebuild a gate.

        Parameters
        ----------
        facts : Mapping
            As `as_dict` returned it.
        weights : Path, optional
            Where the weights file is now.

        Raises
        ------
        MissingPartError
            The weights can't be had, or are others than the gate was made with.
        """
        weights = weights or facts["weights"]
        present = fingerprint(facts["backbone"], weights)
        if present != facts["fingerprint"]:
            raise MissingPartError(
                f"the gate was made with {facts['fingerprint']}, the weights here are {present}",
                hint="give the same weights (--weights FILE), or curate and train again",
            )
        probe = None if facts["probe"] is None else Probe.from_dict(facts["probe"])
        framing = None if facts["framing"] is None else Probe.from_dict(facts["framing"])
        rule = Rule(facts["rule"], facts["threshold"], tuple(facts["categories"]), probe)
        return cls(facts["backbone"], present, rule, Framing(framing), weights)
