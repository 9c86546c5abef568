"""From the log-odds of cells to outlines of damage; pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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

MOST = 20
"""Regions of one picture at most, those with the highest score."""


@dataclass(frozen=True)
class DamageRegion:
    """A connected part of a picture that shows damage.

    Parameters
    ----------
    score : float
        Mean probability of damage over the region, 2/3 to 1; not calibrated.
    polygon : tuple of (x, y)
        Its outer outline, as shares of width and height.
    """

    score: float
    polygon: tuple[tuple[float, float], ...]


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
    likely = (fine > LIKELY).astype(np.uint8)
    outlines, _ = cv2.findContours(likely, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = []
    for outline in outlines:
        inside = np.zeros_like(likely)
        cv2.drawContours(inside, [outline], -1, 1, cv2.FILLED)
        part = (inside > 0) & (likely > 0)
        if part.sum() < SMALLEST * FINER**2:
            continue
        score = (1 / (1 + np.exp(-fine[part]))).mean()
        points = cv2.approxPolyDP(outline, TOLERANCE * FINER, True)[:, 0].astype(float)
        if len(points) < 3:
            continue
        shares = ((points + 0.5) / side).round(4)
        found.append(
            DamageRegion(
                round(float(score), 3),
                tuple((float(x), float(y)) for x, y in shares),
            )
        )
    return tuple(sorted(found, key=lambda region: -region.score)[:MOST])
