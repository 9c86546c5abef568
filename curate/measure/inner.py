"""A picture that is shown inside of another: in a screenshot, on a screen, in a frame.

What lies around it is of one colour or a few (a page, a bezel), so what is left when these are
taken away is solid and has four corners. That is also true of some photos that show no other
picture, such as a car before a plain wall: only a comparison of pixels tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from curate.measure.hashes import short_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 320
"""Longest side, in pixels, at which inner pictures are looked for."""

TOLERANCES = (6.0, 16.0)
"""Grey levels, in any channel, within which a pixel has a colour of the surroundings: on a screen,
and on a photo of one."""

MIN_COLOUR = 0.04
"""Share of all pixels from which a colour may be one of the surroundings."""

MIN_SHARE, MAX_SHARE = 0.05, 0.92
"""Of the picture that the inner one may fill."""

MIN_SOLID = 0.85
"""Share of its four-sided outline that the inner picture must fill."""

MIN_SIDE = 24
"""Pixels, of `SIDE`, of the inner picture's shorter side."""

MIN_ENERGY = 30.0
"""Mean AC energy from which a hash is not decided by noise."""

MAX_BEZEL = 14.0
"""Grey levels, of four fifths of the outermost pixels, from their median: a bezel with noise and
moiré has 5 to 7."""

BEZEL_SOLID = (0.8, 1.12)
"""Area of what lies within a bezel over that of its four corners."""

_RING = 3
_COLOURS = 3
_STRAIGHT = 3.0


def inner_pictures(rgb: Image.Image) -> list[tuple[Image.Image, float]]:
    """Find what may be pictures inside of a picture.

    Parameters
    ----------
    rgb : PIL.Image.Image
        Upright, mode RGB.

    Returns
    -------
    list of (PIL.Image.Image, float)
        Up to one per tolerance and one within the bezel, straightened, at the scale of `rgb`; and
        the share of `rgb` that it fills, 0 to 1.
    """
    import cv2

    scale = min(1.0, SIDE / max(rgb.size))
    size = (max(1, round(rgb.width * scale)), max(1, round(rgb.height * scale)))
    if min(size) < MIN_SIDE:
        return []
    small = np.asarray(rgb.resize(size, Image.Resampling.BOX, reducing_gap=2.0))
    found: list[tuple[Image.Image, float]] = []
    corners: list[NDArray[np.float32]] = []
    for quad in _quads(small):
        if any(np.abs(quad - other).max() <= _STRAIGHT for other in corners):
            continue
        corners.append(quad)
        share = float(cv2.contourArea(quad)) / (size[0] * size[1])
        found.append((_straightened(rgb, quad, scale), share))
    return found


def inner_hashes(rgb: Image.Image) -> str:
    """Return the 64-bit hashes of the pictures inside of a picture, hexadecimal, with blanks."""
    hashes = [short_hash(inner.convert("L")) for inner, _ in inner_pictures(rgb)]
    return " ".join(phash for phash, energy in hashes if energy >= MIN_ENERGY)


def _quads(small: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
    """Yield four corners each, clockwise from the upper left."""
    import cv2

    whole = small.shape[0] * small.shape[1]
    smooth = np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), dtype=np.uint8)
    framed = _within_bezel(small)
    if framed is not None:
        yield framed
    around = _colours(smooth)
    if not len(around):
        return  # everything else is content
    for tolerance, picture in zip(TOLERANCES, (small, smooth), strict=True):
        content = np.full(small.shape[:2], 255, np.uint8)
        for colour in around:
            near = cv2.inRange(picture, colour - tolerance, colour + tolerance)
            content = np.asarray(cv2.subtract(content, near))
        content = np.asarray(cv2.morphologyEx(content, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))
        content = np.asarray(cv2.morphologyEx(content, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)))
        outlines, _ = cv2.findContours(content, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        if not outlines:
            continue
        outline = max(outlines, key=cv2.contourArea)
        quad = _corners(outline)
        area = float(cv2.contourArea(quad))
        if (
            MIN_SHARE * whole <= area <= MAX_SHARE * whole
            and cv2.contourArea(outline) >= MIN_SOLID * area
            and min(_sides(quad)) >= MIN_SIDE
        ):
            yield quad


def _within_bezel(small: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Return the corners of what is left without the colour that lies along all edges.

    Only what is connected with the edges goes: a dark car on a screen is no part of its bezel.
    """
    import cv2

    smooth = np.asarray(cv2.GaussianBlur(small, (0, 0), 2.0), dtype=np.uint8)
    bands = smooth[:_RING], smooth[-_RING:], smooth[:, :_RING], smooth[:, -_RING:]
    ring = np.concatenate([band.reshape(-1, 3) for band in bands])
    colour = np.median(ring, axis=0)
    spread = float(np.quantile(np.abs(ring - colour).max(axis=1), 0.8))
    if spread > MAX_BEZEL:
        return None
    tolerance = max(10.0, 1.5 * spread)
    near = cv2.inRange(smooth, colour - tolerance, colour + tolerance)
    parts = np.asarray(cv2.connectedComponents(near, connectivity=4)[1])
    outer = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    content = np.where(np.isin(parts, outer[outer > 0]), 0, 255).astype(np.uint8)
    content = np.asarray(cv2.morphologyEx(content, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8)))
    outlines, _ = cv2.findContours(content, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    hull = cv2.convexHull(max(outlines, key=cv2.contourArea))
    quad = _four_corners(hull)
    if quad is None:
        return None
    area, whole = float(cv2.contourArea(quad)), small.shape[0] * small.shape[1]
    least, most = BEZEL_SOLID
    fits = least * area <= cv2.contourArea(hull) <= most * area
    inside = MIN_SHARE * whole <= area <= MAX_SHARE * whole
    return quad if fits and inside and min(_sides(quad)) >= MIN_SIDE else None


def _colours(smooth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the commonest colours, shape (up to 3, 3)."""
    import cv2

    bins, step = [32, 32, 32], 8
    tally = cv2.calcHist([smooth], [0, 1, 2], None, bins, [0, 256] * 3).ravel()
    counts = tally.astype(np.int64)  # exact: there are fewer pixels than 2 ** 24
    common = np.flatnonzero(counts >= MIN_COLOUR * (smooth.shape[0] * smooth.shape[1]))
    if len(common) > _COLOURS:
        common = np.argpartition(-counts, _COLOURS)[:_COLOURS]
    means = []
    for code in common.tolist():
        lowest = np.array(np.unravel_index(code, bins), dtype=np.float64) * step
        members = cv2.inRange(smooth, lowest, lowest + (step - 1))
        mean = np.asarray(cv2.mean(smooth, members))[:3]
        # Levels are whole, and so is their sum: the quotient is exact to the last bit.
        means.append(np.rint(mean * counts[code]) / counts[code])
    return np.array(means).reshape(-1, 3)


def _corners(outline: NDArray[Any]) -> NDArray[np.float32]:
    """Return the four corners around an outline, as a box where they nearly are one."""
    import cv2

    left, top, width, height = cv2.boundingRect(outline)
    right, bottom = left + width, top + height
    box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float32)
    if cv2.contourArea(outline) >= 0.93 * width * height:
        return box
    quad = _four_corners(cv2.convexHull(outline))
    return box if quad is None else quad


def _four_corners(hull: NDArray[Any]) -> NDArray[np.float32] | None:
    """Return the four corners of a convex outline, None where it has not about four."""
    import cv2

    length = cv2.arcLength(hull, True)
    for slack in (0.01, 0.02, 0.03, 0.05):
        shape = cv2.approxPolyDP(hull, slack * length, True)
        if len(shape) == 4:
            points = np.asarray(shape, dtype=np.float32).reshape(4, 2)
            order = np.argsort(np.arctan2(*(points - points.mean(axis=0)).T[::-1]))
            first = int(points[order].sum(axis=1).argmin())  # clockwise, as y points down
            return np.ascontiguousarray(np.roll(points[order], -first, axis=0))
        if len(shape) < 4:
            break
    return None


def _sides(quad: NDArray[np.float32]) -> tuple[float, float]:
    """Return width and height of four corners: the mean of opposite sides."""
    lengths = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    return float(lengths[0] + lengths[2]) / 2, float(lengths[1] + lengths[3]) / 2


def _straightened(rgb: Image.Image, quad: NDArray[np.float32], scale: float) -> Image.Image:
    width, height = (max(8, round(side / scale)) for side in _sides(quad))
    upper_left, upper_right, lower_right, lower_left = (quad / scale).tolist()
    corners = (*upper_left, *lower_left, *lower_right, *upper_right)
    return rgb.transform((width, height), Image.Transform.QUAD, corners, Image.Resampling.BILINEAR)
