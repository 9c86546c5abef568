"""What a prediction consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from bodyshop_core.summary import Summary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from train.windows.regions import DamageRegion


@dataclass(frozen=True)
class CarBox:
    """A car that a detector found in a picture, and its class.

    Parameters
    ----------
    object : str
        Class of the detector: ``car``, ``truck`` or ``bus``.
    score : float
        Score of the detector, 0 to 1.
    left, top, right, bottom : float
        0 to 1 of the upright picture's width and height.
    label : str
        Class that the classifier predicts for the crop.
    probability : float
        Of that label, 0 to 1, after temperature scaling.
    """

    object: str
    score: float
    left: float
    top: float
    right: float
    bottom: float
    label: str
    probability: float


@dataclass(frozen=True)
class PicturePrediction(Summary):
    """The prediction for one picture.

    Parameters
    ----------
    picture : str
        The file.
    is_car : bool or None
        Decision of the gate, or whether the detector found a car; None without a gate, or when
        the picture can't be read.
    p_car : float or None
        Probability of a car, 0 to 1; with a detector the score of the largest car.
    label : str or None
        Predicted class, with a detector of the largest car; None when it is no car.
    probability : float or None
        Of that label, 0 to 1, after temperature scaling.
    mask : str or None
        File of the damage mask, if a segmenter found damage.
    run : str
        Run of the classifier, or ``shipped`` for the model that comes with the package.
    error : str or None
        Why there is no prediction, or no mask.
    boxes : tuple of CarBox or None
        All cars that a detector found, the largest first; None without a detector.
    where : (left, top, right, bottom) or None
        The part that decided, 0 to 1 of width and height; None unless the shipped model,
        or a run of `train damage`, says that the car is damaged.
    regions : tuple of DamageRegion or None
        Outlines of what looks damaged, with class and score, the surest first: those of the
        segmenter if one was asked, else of the shipped model, or of a run of `train damage`, that
        says that the car is damaged; None if neither.
    heat : ndarray of float32, shape (cells, cells), or None
        Log-odds of damage over the picture, for `where`; not part of the JSON object.
    """

    hidden: ClassVar[tuple[str, ...]] = ("heat",)

    picture: str
    is_car: bool | None
    p_car: float | None
    label: str | None
    probability: float | None
    mask: str | None
    run: str
    error: str | None
    boxes: tuple[CarBox, ...] | None = None
    where: tuple[float, float, float, float] | None = None
    regions: tuple[DamageRegion, ...] | None = None
    heat: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
