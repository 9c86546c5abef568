"""How one picture lies on another: local features that agree on one affine map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST = 480
"""Longest side, in pixels, at which local features are looked for."""

KEYPOINTS = 1200
"""SIFT keypoints per picture, the strongest."""

RATIO = 0.8
"""A match must be this much nearer than the second nearest (Lowe, IJCV 60, 2004)."""

TOLERANCE = 8.0
"""Pixels by which a match may miss the common map: a car is no plane."""

SCALES = 0.5, 2.0
STRETCH = 1.6
TURN_DEG = 15.0
"""What two pictures of one view may differ by: scale, stretch of one axis, turn of the camera.
Chance matches agree on maps that collapse, flip or turn a picture."""


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Local features of a picture.

    Parameters
    ----------
    points : ndarray of float32, shape (n, 2)
        0 to 1 of width and height.
    descriptors : ndarray of float32, shape (n, 128)
        SIFT.
    shape : tuple of int
        Height and width at which they were found.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    shape: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Placement:
    """How the picture before lies on the picture after.

    Parameters
    ----------
    matrix : ndarray of float64, shape (2, 3)
        Maps a point before to one after, both 0 to 1 of width and height.
    matches : int
        Local features that agree on it.
    """

    matrix: NDArray[np.float64]
    matches: int

    def forward(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the boxes around mapped boxes, shape (n, 4)."""
        return _map_boxes(boxes, self.matrix)

    def back(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return boxes of the picture after in the one before, shape (n, 4)."""
        import cv2

        inverse = cv2.invertAffineTransform(self.matrix)
        return _map_boxes(boxes, np.asarray(inverse, np.float64))


def landmarks(rgb: NDArray[np.uint8]) -> Landmarks:
    """Find the local features of a picture."""
    import cv2
    from PIL import Image

    image = Image.fromarray(rgb)
    image.thumbnail((LONGEST, LONGEST))
    grey = np.asarray(image.convert("L"))
    sift = cv2.SIFT_create(  # type: ignore[attr-defined]
        nfeatures=KEYPOINTS, contrastThreshold=0.02
    )
    found, descriptors = sift.detectAndCompute(grey, None)
    height, width = grey.shape
    if descriptors is None:
        none = np.empty((0, 2), np.float32), np.empty((0, 128), np.float32)
        return Landmarks(*none, (height, width))
    points = np.array([point.pt for point in found], np.float32) / (width, height)
    return Landmarks(points.astype(np.float32), descriptors, (height, width))


def lay_over(before: Landmarks, after: Landmarks) -> Placement | None:
    """Find how one picture lies on another; None where it does not, plausibly.

    Returns
    -------
    Placement or None
        An affine map fitted by RANSAC, the same each time.
    """
    import cv2

    if min(len(before.points), len(after.points)) < 4:
        return None
    near = cv2.BFMatcher().knnMatch(before.descriptors, after.descriptors, k=2)
    good = [first for first, second in near if first.distance < RATIO * second.distance]
    if len(good) < 4:
        return None
    sizes = [np.array(each.shape[::-1]) for each in (before, after)]
    source = before.points[[match.queryIdx for match in good]] * sizes[0]
    target = after.points[[match.trainIdx for match in good]] * sizes[1]
    cv2.setRNGSeed(1)
    matrix, agree = cv2.estimateAffine2D(
        source, target, ransacReprojThreshold=TOLERANCE, maxIters=3000
    )
    if matrix is None or not _plausible(matrix[:, :2]):
        return None
    scaled = matrix * np.array([*sizes[0], 1]) / sizes[1][:, None]
    return Placement(scaled, int(agree.sum()))


def _plausible(linear: NDArray[np.float64]) -> bool:
    stretches = np.linalg.svd(linear, compute_uv=False)
    turn = np.degrees(np.arctan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    return bool(
        np.linalg.det(linear) > 0
        and stretches[1] >= SCALES[0]
        and stretches[0] <= SCALES[1]
        and stretches[0] <= STRETCH * stretches[1]
        and abs(turn) <= TURN_DEG
    )


def _map_boxes(boxes: NDArray[np.floating], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    corners = np.stack([boxes[:, [0, 1]], boxes[:, [2, 1]], boxes[:, [2, 3]], boxes[:, [0, 3]]], 1)
    mapped = corners @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([mapped.min(axis=1), mapped.max(axis=1)], axis=1)
