"""From the log-odds of cells to outlines of damage; pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from train.windows.grid import FINE

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIKELY = math.log(2)
"""Log-odds from which on a cell belongs to a region: damage is twice as likely as none."""

FINER = 4
"""Points per cell in each direction at which the log-odds are looked at between cells."""

SMALLEST = 3.0
"""Cells that a region covers at least: 0.1 % of the picture; smaller ones are mostly noise."""

TOLERANCE = 0.35
"""Cells by which an outline may be off after points were left out (Douglas-Peucker)."""

ENCLOSED = 0.8
"""Intersection over union of an outline and its part at least; else more points are kept."""

MOST = 20
"""Regions of one picture at most, those with the highest score."""


@dataclass(frozen=True)
class DamageRegion:
    """A connected part of a picture that shows damage.

    Parameters
    ----------
    score : float
        Mean probability of damage over the region; not calibrated. 2/3 to 1 from cells, from its
        threshold to 1 from a segmenter.
    polygon : tuple of (x, y)
        Its outer outline, as shares of width and height.
    label : str
        Its class: that of the segmenter, or ``damage`` where no kind is told.
    """

    score: float
    polygon: tuple[tuple[float, float], ...]
    label: str = "damage"


def damage_regions(cells: NDArray[np.floating]) -> tuple[DamageRegion, ...]:
    """Return the parts of a picture where damage is likely, the surest first.

    Parameters
    ----------
    cells : ndarray of float, shape (side, side)
        Log-odds of damage of each cell, as the network puts them out.
    """
    import cv2

    side = cells.shape[0] * FINER
    fine = cv2.resize(cells.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    probability = 1 / (1 + np.exp(-fine))
    return _surest(
        outlined(
            probability, fine > LIKELY, smallest=SMALLEST * FINER**2, tolerance=TOLERANCE * FINER
        )
    )


def mask_regions(
    masks: Mapping[str, NDArray[np.bool_]], maps: Mapping[str, NDArray[np.float32]]
) -> tuple[DamageRegion, ...]:
    """Return the connected parts of a segmenter's masks, the surest first.

    Parameters
    ----------
    masks : Mapping
        Class -> ndarray of bool, shape (height, width).
    maps : Mapping
        Class -> probability of it, of the same shape.
    """
    found = []
    for label, mask in masks.items():
        longest = max(mask.shape)
        found += outlined(
            maps[label], mask, label=label,
            smallest=mask.size * SMALLEST / FINE**2, tolerance=longest * TOLERANCE / FINE,
        )  # fmt: skip
    return _surest(found)


def outlined(
    probability: NDArray[np.floating],
    likely: NDArray[np.bool_],
    *,
    smallest: float,
    tolerance: float,
    label: str = DamageRegion.label,
) -> list[DamageRegion]:
    """Return the connected parts of what is likely, of `smallest` pixels at least.

    Parameters
    ----------
    probability : ndarray of float, shape (height, width)
        Of damage.
    likely : ndarray of bool, shape (height, width)
        Where the parts are.
    smallest : float
        Pixels that a part covers at least.
    tolerance : float
        Pixels by which an outline may be off after points were left out.
    label : str
        Class of the regions.
    """
    import cv2

    height, width = likely.shape
    marked = likely.astype(np.uint8)
    outlines, _ = cv2.findContours(marked, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = []
    for outline in outlines:
        left, top, across, down = cv2.boundingRect(outline)
        box = slice(top, top + down), slice(left, left + across)
        inside = np.zeros((down, across), np.uint8)
        cv2.drawContours(inside, [outline - (left, top)], -1, 1, cv2.FILLED)
        part = (inside > 0) & likely[box]
        if part.sum() < smallest:
            continue
        points = np.add(_outline(inside > 0, tolerance), (left, top))
        shares = ((points + 0.5) / (width, height)).clip(0, 1).round(4)
        found.append(
            DamageRegion(
                round(float(probability[box][part].mean()), 3),
                tuple((float(x), float(y)) for x, y in shares),
                label,
            )
        )
    return found


def _outline(part: NDArray[np.bool_], tolerance: float) -> NDArray[np.float64]:
    """Return few points (n, 2) around a part, so that most of what they enclose is the part."""
    import cv2

    mask = np.pad(part.astype(np.uint8), 1)
    for wider in (False, True):  # a line of one pixel encloses nothing
        if wider:
            mask = cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline, off = max(outlines, key=len), tolerance
        points = cv2.approxPolyDP(outline, off, True)[:, 0]
        while off > 0.5 and _overlap(points, mask) < ENCLOSED:  # bent, or thinner than `tolerance`
            off /= 2
            points = cv2.approxPolyDP(outline, off, True)[:, 0]
        if len(points) > 2 and cv2.contourArea(points) > mask.sum() / 4:
            break
    return points.astype(float) - 1


def _overlap(points: NDArray[Any], mask: NDArray[np.uint8]) -> float:
    """Return the intersection over union of a polygon's pixels and a mask's."""
    import cv2

    drawn = cv2.fillPoly(np.zeros_like(mask), [points], 1).astype(np.uint8)
    return float((drawn & mask).sum() / (drawn | mask).sum())


def _surest(found: list[DamageRegion]) -> tuple[DamageRegion, ...]:
    return tuple(sorted(found, key=lambda region: -region.score)[:MOST])
