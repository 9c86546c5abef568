"""Whether two pictures show the same scene, by the places of their corners. Workers import this.

ORB (Rublee et al., ICCV 2011) finds corners; those that agree must lie where a plane seen from
elsewhere would have them in the other picture: a homography fitted by RANSAC.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bodyshop_core.engine.task import Item, Row, answer_each

if TYPE_CHECKING:
    from bodyshop_core.catalog import BlobRef

SIDE = 320
"""Longest side, in pixels, at which corners are looked for."""

CORNERS = 600
"""Corners per picture, the strongest."""

RATIO = 0.8
"""A match must be this much nearer than the second nearest (Lowe's ratio test)."""

MIN_AGREEING = 25
"""Corners that must agree on one homography."""

MIN_SHARE = 0.4
"""Share of all matches that must agree on it."""

MIN_AREA = 0.15
"""Share of either picture that those corners must surround: a number plate or a logo is less."""

_CACHE = 256


def compare_scenes(items: list[Item]) -> list[Row]:
    """Compare pairs of pictures by the places of their corners; a shard function.

    Parameters
    ----------
    items : list of dict
        ``key``, ``first`` and ``second`` (each a `BlobRef`).

    Returns
    -------
    list of dict
        ``key`` and ``overlap`` (share of the smaller area that agreeing corners surround, 0 when
        it is not the same scene), or ``error``.
    """
    import cv2

    cv2.setNumThreads(1)

    def compared(item: Item) -> Row:
        return {"overlap": same_scene(_corners(item["first"]), _corners(item["second"]))}

    return answer_each(items, compared)


@dataclass(frozen=True)
class Corners:
    """Where the corners of a picture are, n of them, and what surrounds them."""

    area: float
    points: Any
    descriptors: Any


def corners_of(rgb: Image.Image) -> Corners:
    """Return the corners of an upright picture."""
    import cv2

    scale = min(1.0, SIDE / max(rgb.size))
    size = (max(8, round(rgb.width * scale)), max(8, round(rgb.height * scale)))
    grey = np.asarray(rgb.resize(size, Image.Resampling.BOX, reducing_gap=2.0).convert("L"))
    orb = cv2.ORB_create(nfeatures=CORNERS, fastThreshold=10)  # type: ignore[attr-defined]
    found, descriptors = orb.detectAndCompute(grey, None)
    points = np.array([each.pt for each in found], dtype=np.float32).reshape(-1, 2)
    return Corners(float(size[0] * size[1]), points, descriptors)


def same_scene(first: Corners, second: Corners) -> float:
    """Return the share of the picture in which corners agree, 0 when they are not of one scene."""
    import cv2

    if min(len(first.points), len(second.points)) < MIN_AGREEING:
        return 0.0
    matches = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(first.descriptors, second.descriptors, k=2)
    kept = [a for a, *b in matches if b and a.distance < RATIO * b[0].distance]
    if len(kept) < MIN_AGREEING:
        return 0.0
    here = first.points[[each.queryIdx for each in kept]]
    there = second.points[[each.trainIdx for each in kept]]
    cv2.setRNGSeed(0)
    place, agree = cv2.findHomography(here, there, cv2.RANSAC, 4.0, maxIters=1000)
    if place is None:
        return 0.0
    inside = np.asarray(agree).ravel() > 0
    if inside.sum() < MIN_AGREEING or inside.mean() < MIN_SHARE:
        return 0.0
    areas = [
        cv2.contourArea(cv2.convexHull(points[inside])) / picture.area
        for points, picture in ((here, first), (there, second))
    ]
    return float(min(areas)) if min(areas) >= MIN_AREA else 0.0


@lru_cache(maxsize=_CACHE)
def _corners(blob: BlobRef) -> Corners:
    from curate.measure.picture import decode_again

    return corners_of(decode_again(blob.read()))
