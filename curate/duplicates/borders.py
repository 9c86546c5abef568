"""Whether a picture lies in a frame inside of another: a screenshot, a border, a photo of a screen.

Where a picture was cut out of another one, what lies just outside of its edges goes on as inside.
Around a picture on a page or screen lies one colour, and it begins with a jump.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.duplicates.pixels import ComparisonView, lay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Levels = NDArray[np.float32]

MAX_OUTSIDE = 0.4
"""Spread of the levels outside of the edges, without their upper and lower seventh, of that inside:
at most 0.3 for all of 46 borders and 0.35 for 31 of 39 photos of screens from other angles with
reflections. With the jump below, none of 236 crops of 75 to 93 % is taken for a
picture in a frame."""

MIN_INSIDE = 10.0
"""Grey levels, standard deviation along the edges, below which there is nothing to compare."""

MIN_JUMP = 12.0
"""Grey levels, median over the edges: 15 and more in those frames."""

_MIDDLE = (0.15, 0.85)
_DEVIATIONS = 2.07  # between those quantiles of a normal distribution
_SIDE_POINTS = 40
_ENDS = 0.05
_AWAY = 1.75
_VISIBLE = 0.6


def is_framed_in(outer: ComparisonView, inner: ComparisonView) -> bool:
    """Return whether one picture shows the other with a frame around it.

    Parameters
    ----------
    outer, inner : ComparisonView
        Pictures that were found to show the same; either may be the larger one.
    """
    import cv2

    found = lay(outer, inner)
    if found is not None:
        place = found[1]
    else:
        back = lay(inner, outer)
        if back is None:
            return False
        place = np.asarray(cv2.invertAffineTransform(back[1]), dtype=np.float64)
    inside, outside = _edges(outer, place, inner.grey.shape)
    if not len(inside):
        return False
    deviation = float(inside.mean(axis=1).std())
    # Edges that were laid a little askew, and reflections, touch a part of them.
    spread = float(np.ptp(np.quantile(outside.mean(axis=1), _MIDDLE))) / _DEVIATIONS
    jump = float(np.median(np.abs(inside - outside).max(axis=1)))
    return deviation >= MIN_INSIDE and spread <= MAX_OUTSIDE * deviation and jump >= MIN_JUMP


def _edges(
    outer: ComparisonView, place: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[Levels, Levels]:
    """Return the levels a little inside and outside of the visible edges, shape (n, 3) each."""
    import cv2

    picture = np.asarray(cv2.GaussianBlur(outer.rgb, (0, 0), 0.6), dtype=np.float32)
    height, width = shape[:2]
    scale = float(np.sqrt(abs(np.linalg.det(place[:, :2]))))
    away = _AWAY / max(scale, 1e-3)
    along = np.linspace(_ENDS, 1 - _ENDS, _SIDE_POINTS)
    zero = np.zeros_like(along)
    inside, outside = [np.zeros((0, 3), np.float32)], [np.zeros((0, 3), np.float32)]
    for points, normal in (
        (np.stack([along * width, zero]), (0.0, -1.0)),
        (np.stack([along * width, zero + height]), (0.0, 1.0)),
        (np.stack([zero, along * height]), (-1.0, 0.0)),
        (np.stack([zero + width, along * height]), (1.0, 0.0)),
    ):
        step = away * np.array(normal)[:, None]
        within, beyond = (
            place[:, :2] @ (points + sign * step) + place[:, 2:] for sign in (-1.0, 1.0)
        )
        seen = (
            (beyond >= 1).all(axis=0)
            & (beyond[0] <= picture.shape[1] - 2)
            & (beyond[1] <= picture.shape[0] - 2)
        )
        if seen.mean() < _VISIBLE:
            continue
        for levels, spots in ((inside, within), (outside, beyond)):
            x, y = (axis[seen].astype(np.float32)[None] for axis in spots)
            levels.append(cv2.remap(picture, x, y, cv2.INTER_LINEAR)[0])
    return np.concatenate(inside), np.concatenate(outside)
