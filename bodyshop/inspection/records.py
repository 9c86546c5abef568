"""What an inspection finds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bodyshop_core.summary import Summary

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, 0 to 1 of width and height."""


@dataclass(frozen=True)
class NewDamage(Summary):
    """A place that looks damaged after, and did not before.

    Parameters
    ----------
    box : (left, top, right, bottom)
        In the picture after, 0 to 1 of width and height.
    before_box : (left, top, right, bottom) or None
        The same place in the picture before; None where the two could not be laid over each other.
    score : float
        Without a segmenter by how much the log-odds of damage rose; with one the probability of
        the likeliest pixel.
    kind : str or None
        The segmenter's damage class.
    """

    box: Box
    before_box: Box | None
    score: float
    kind: str | None = None


@dataclass(frozen=True)
class PictureAnswer(Summary):
    """What the classifier says about one picture, as in `PicturePrediction`."""

    picture: str
    is_car: bool | None
    label: str | None
    probability: float | None


@dataclass(frozen=True)
class InspectedPair(Summary):
    """Two pictures of one view.

    Parameters
    ----------
    before, after : PictureAnswer
        The two pictures.
    similarity : float
        Of their features, window by window, -1 to 1.
    matches : int
        Local features of the two that agree on how one lies on the other.
    new_damage : tuple of NewDamage
        The strongest first; empty where nothing is new, or nothing was judged.
    not_judged : str or None
        Why nobody knows whether something is new; None where both pictures were compared.
    """

    before: PictureAnswer
    after: PictureAnswer
    similarity: float
    matches: int
    new_damage: tuple[NewDamage, ...] = ()
    not_judged: str | None = None


@dataclass(frozen=True)
class UnreadablePicture(Summary):
    """A picture that can't be decoded, and why."""

    picture: str
    error: str


@dataclass(frozen=True)
class InspectionSummary(Summary):
    """Two inspections of one car, compared.

    Parameters
    ----------
    run, segmenter : str or None
        What looked for damage; `run` is ``shipped`` for the model that comes with the package.
    pairs : tuple of InspectedPair
        Those with new damage first, then those that were not judged.
    unpaired_before, unpaired_after : tuple of str
        Pictures without a partner of the same view: what they show was not compared.
    unreadable : tuple of UnreadablePicture
        Pictures that could not be read.
    page, file : Path or None
        The report as a page and as JSON; None when nothing was written.
    """

    run: str
    segmenter: str | None
    pairs: tuple[InspectedPair, ...]
    unpaired_before: tuple[str, ...]
    unpaired_after: tuple[str, ...]
    unreadable: tuple[UnreadablePicture, ...]
    page: Path | None = None
    file: Path | None = None

    derived: ClassVar[tuple[str, ...]] = ("new_damage", "not_judged")

    @property
    def new_damage(self) -> int:
        """Pairs with new damage."""
        return sum(bool(pair.new_damage) for pair in self.pairs)

    @property
    def not_judged(self) -> int:
        """Pairs of which nobody knows whether something is new."""
        return sum(pair.not_judged is not None for pair in self.pairs)
