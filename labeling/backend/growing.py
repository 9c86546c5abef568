"""Regions grown from clicks or a box, without weights or a graphics card.

The first region comes from GrabCut (Rother, Kolmogorov, Blake 2004; OpenCV's implementation) on a
small copy of the surroundings. Damage often has no colour of its own: where the cut does not reach
the four sides of a box, the box was not drawn around it, and the inscribed ellipse is taken, which
fits drawn damage better than any cut (docs/benchmarks/labeling.md). Every further click then
changes the region around it, by a disc that reaches a little beyond the border of the region: the
middle of what is wrong is as far from the border as the wrong part is wide.
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

BEYOND = 1.3
"""Radius of a further click's disc, in distances from the click to the border of the region."""

TIGHT = 0.15
"""A cut fits its box when it comes this close to each side, as a share of the box's sides ..."""

FILLED = 0.25
"""... and covers this share of the box."""


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
        In their order; at least one that is positive, unless there is a box.
    box : (left, top, right, bottom), optional
        The damage lies in it.

    Returns
    -------
    ndarray of bool, shape (height, width)
        Empty when there is neither a box nor a positive click.
    """
    height, width = rgb.shape[:2]
    later = list(clicks)
    if box is None:
        first = next((click for click in clicks if click.positive), None)
        if first is None:
            return np.zeros((height, width), np.bool_)
        later.remove(first)
        region = _from_click(rgb, first)
    else:
        region = _from_box(rgb, box)
    for click in later:
        region = change_region(region, click)
    return region


def change_region(region: NDArray[np.bool_], click: Click) -> NDArray[np.bool_]:
    """Add a disc around a positive click, or remove one around a negative click."""
    import cv2

    height, width = region.shape
    x, y = pixel_of(click, width, height)
    if bool(region[y, x]) == click.positive or not region.any():
        return region
    other = ~region if click.positive else region
    whole = int(region.all())  # a region without a border ends where the picture ends
    there = np.pad(other.astype(np.uint8), whole)
    distance = cv2.distanceTransform(there, cv2.DIST_L2, 5)[y + whole, x + whole]
    disc = np.zeros((height, width), np.uint8)
    cv2.circle(disc, (x, y), max(1, round(BEYOND * float(distance))), 1, -1)
    return region | (disc > 0) if click.positive else region & (disc == 0)


def pixel_of(click: Click, width: int, height: int) -> tuple[int, int]:
    """Return the column and row of a click; one beside the picture is taken to its edge."""
    x, y = min(width - 1.0, max(0.0, click.x)), min(height - 1.0, max(0.0, click.y))
    return round(x), round(y)


def part_inside(box: Box, width: int, height: int) -> Box | None:
    """Return the part of a box that lies in a picture; None: less than a pixel wide or high."""
    left, right = sorted((min(max(box[0], 0), width), min(max(box[2], 0), width)))
    top, bottom = sorted((min(max(box[1], 0), height), min(max(box[3], 0), height)))
    if right - left < 1 or bottom - top < 1:
        return None
    return left, top, right, bottom


def _from_box(rgb: NDArray[np.uint8], box: Box) -> NDArray[np.bool_]:
    import cv2

    height, width = rgb.shape[:2]
    inner = part_inside(box, width, height)
    if inner is None:
        return np.zeros((height, width), np.bool_)
    left, top, right, bottom = (round(edge) for edge in inner)
    wanted = np.zeros((height, width), np.uint8)
    wanted[top : bottom + 1, left : right + 1] = 1
    found = _largest_part(_cut_around(rgb, wanted, inner)) & (wanted > 0)
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    near_x, near_y = TIGHT * (right - left) + 1, TIGHT * (bottom - top) + 1
    if (
        found.sum() >= FILLED * wanted.sum()
        and rows[0] <= top + near_y
        and rows[-1] >= bottom - near_y
        and columns[0] <= left + near_x
        and columns[-1] >= right - near_x
    ):
        return found
    ellipse = np.zeros((height, width), np.uint8)
    middle = ((left + right) // 2, (top + bottom) // 2)
    axes = (max(1, (right - left) // 2), max(1, (bottom - top) // 2))
    cv2.ellipse(ellipse, middle, axes, 0, 0, 360, 1, -1)
    return ellipse > 0


def _from_click(rgb: NDArray[np.uint8], click: Click) -> NDArray[np.bool_]:
    import cv2

    height, width = rgb.shape[:2]
    x, y = pixel_of(click, width, height)
    reach = max(1, round(REACH * min(width, height)))
    wanted = np.zeros((height, width), np.uint8)
    cv2.circle(wanted, (x, y), reach, 1, -1)
    inner = part_inside((x - reach, y - reach, x + reach, y + reach), width, height)
    if inner is None:
        return wanted > 0
    found = _cut_around(rgb, wanted, inner)
    _, parts = cv2.connectedComponents(found.astype(np.uint8), connectivity=8)
    # A click beside every part of the cut still says where the damage is.
    return np.asarray(parts == parts[y, x]) if parts[y, x] else wanted > 0


def _cut_around(rgb: NDArray[np.uint8], wanted: NDArray[np.uint8], inner: Box) -> NDArray[np.bool_]:
    """Cut a small copy of the surroundings, with what is wanted as the probable foreground."""
    import cv2

    height, width = rgb.shape[:2]
    left, top, right, bottom = _widened(inner, width, height)
    scale = min(1.0, WORKING_SIDE / max(right - left, bottom - top))
    size = (max(2, round((right - left) * scale)), max(2, round((bottom - top) * scale)))
    small = cv2.resize(rgb[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    likely = cv2.resize(wanted[top:bottom, left:right], size, interpolation=cv2.INTER_NEAREST)
    trimap = np.full(likely.shape, cv2.GC_BGD, np.uint8)
    trimap[likely > 0] = cv2.GC_PR_FGD
    cut = _cut(np.asarray(small, np.uint8), trimap)
    whole = cv2.resize(
        cut.astype(np.uint8) * 255, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR
    )
    found = np.zeros((height, width), np.bool_)
    found[top:bottom, left:right] = whole >= 128
    return found


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    import cv2

    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    sizes = np.bincount(parts.ravel())
    return np.asarray(parts == 1 + sizes[1:].argmax()) if len(sizes) > 1 else mask


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


def _widened(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    wide, high = MARGIN * (right - left) + 2, MARGIN * (bottom - top) + 2
    return (
        max(0, int(left - wide)), max(0, int(top - high)),
        min(width, int(right + wide) + 1), min(height, int(bottom + high) + 1),
    )  # fmt: skip
