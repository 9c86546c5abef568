"""Regions grown from clicks or a box: GrabCut on a small copy of the surroundings.

Rother, Kolmogorov, Blake 2004, "GrabCut": Interactive Foreground Extraction using Iterated Graph
Cuts; OpenCV's implementation. It needs no weights and no graphics card. It follows edges of colour;
docs/benchmarks/labeling.md says how far that goes on damage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORKING_SIDE = 256
"""Longest side of the copy that is cut, in pixels: 0.1 to 0.2 s on one core."""

ITERATIONS = 4

MARGIN = 0.3
"""The surroundings of a box that are background for certain, as a share of its sides."""

REACH = 0.16
"""A click without a box reaches this far, as a share of the picture's shorter side."""

DOT = 0.03
"""Radius of what a click says for certain, as a share of the sides of what is cut."""


@dataclass(frozen=True)
class Click:
    """A click at pixel (x, y): on the damage, or beside it."""

    x: float
    y: float
    positive: bool = True


Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


def grow_region(
    rgb: NDArray[np.uint8], clicks: Sequence[Click] = (), box: Box | None = None
) -> NDArray[np.bool_]:
    """Return the region that clicks and a box mean.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        The picture, upright.
    clicks : sequence of Click
        At least one that is positive, unless there is a box.
    box : (left, top, right, bottom), optional
        The damage lies in it.

    Returns
    -------
    ndarray of bool, shape (height, width)
        Connected to a positive click where there is one, and inside the box. Empty when there is
        neither a box nor a positive click.
    """
    import cv2

    height, width = rgb.shape[:2]
    found = np.zeros((height, width), np.bool_)
    inner = _reach(clicks, width, height) if box is None else _inside(box, width, height)
    if inner is None:
        return found
    left, top, right, bottom = _widened(inner, width, height)
    scale = min(1.0, WORKING_SIDE / max(right - left, bottom - top))
    size = (max(2, round((right - left) * scale)), max(2, round((bottom - top) * scale)))
    small = cv2.resize(rgb[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    trimap = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    x0, y0, x1, y1 = (
        round((edge - start) * scale)
        for edge, start in zip(inner, (left, top, left, top), strict=True)
    )
    if box is None:
        for click in clicks:
            if click.positive:
                at = (round((click.x - left) * scale), round((click.y - top) * scale))
                cv2.circle(trimap, at, round(REACH * min(width, height) * scale), cv2.GC_PR_FGD, -1)
    else:
        trimap[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = cv2.GC_PR_FGD
    dot = max(1, round(DOT * min(x1 - x0, y1 - y0)))
    for click in clicks:
        at = (round((click.x - left) * scale), round((click.y - top) * scale))
        cv2.circle(trimap, at, dot, cv2.GC_FGD if click.positive else cv2.GC_BGD, -1)
    cut = _cut(small, trimap)
    cut = _reached(cut, [c for c in clicks if c.positive], left, top, scale)
    whole = cv2.resize(
        cut.astype(np.uint8) * 255, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR
    )
    found[top:bottom, left:right] = whole >= 128
    return found


def _cut(small: NDArray[np.uint8], trimap: NDArray[np.uint8]) -> NDArray[np.bool_]:
    import cv2

    wanted = np.isin(trimap, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if wanted.all() or not wanted.any():
        return np.asarray(wanted)  # without any background there is nothing to tell apart
    cv2.setRNGSeed(7)
    models = np.zeros((2, 1, 65), np.float64)
    # OpenCV takes BGR, but only distances between colours count.
    cv2.grabCut(
        small, trimap, (0, 0, 1, 1), models[0], models[1], ITERATIONS, cv2.GC_INIT_WITH_MASK
    )
    return np.asarray((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD))


def _reached(
    cut: NDArray[np.bool_], clicks: Sequence[Click], left: int, top: int, scale: float
) -> NDArray[np.bool_]:
    """Keep the parts that a positive click lies on; all parts when there is no click."""
    import cv2

    if not clicks:
        return cut
    _, parts = cv2.connectedComponents(cut.astype(np.uint8), connectivity=8)
    height, width = cut.shape
    hit = {
        int(
            parts[
                min(height - 1, max(0, round((click.y - top) * scale))),
                min(width - 1, max(0, round((click.x - left) * scale))),
            ]
        )
        for click in clicks
    } - {0}
    return np.isin(parts, sorted(hit)) if hit else cut


def _reach(clicks: Sequence[Click], width: int, height: int) -> Box | None:
    positive = [click for click in clicks if click.positive]
    if not positive:
        return None
    reach = REACH * min(width, height)
    x, y = [click.x for click in positive], [click.y for click in positive]
    box = (min(x) - reach, min(y) - reach, max(x) + reach, max(y) + reach)
    return _inside(box, width, height)


def _inside(box: Box, width: int, height: int) -> Box | None:
    left, right = sorted((min(max(box[0], 0), width), min(max(box[2], 0), width)))
    top, bottom = sorted((min(max(box[1], 0), height), min(max(box[3], 0), height)))
    if right - left < 1 or bottom - top < 1:
        return None
    return left, top, right, bottom


def _widened(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    wide, high = MARGIN * (right - left) + 2, MARGIN * (bottom - top) + 2
    return (
        max(0, int(left - wide)), max(0, int(top - high)),
        min(width, int(right + wide) + 1), min(height, int(bottom + high) + 1),
    )  # fmt: skip
