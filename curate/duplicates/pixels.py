"""Whether two pictures show the same, decided by laying one over the other.

Local features propose how one lies on the other (SIFT: Lowe, IJCV 60, 2004; an affine map fitted
by RANSAC), or they are laid edge to edge and shifted into place (ECC: Evangelidis and Psarakis,
PAMI 30, 2008). What then counts is the overlap: the same picture agrees nearly everywhere after one
gain and offset per channel, with a logo or watermark as exceptions; another car, colour or angle
does not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from bodyshop_core.imaging import open_image, to_rgb
from curate.duplicates.lighting import SATURATED, hues_turned, relight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    RGB = NDArray[np.uint8]

SIDE = 160
"""Longest side, in pixels, at which pictures are laid over one another."""

FEATURES = 250
"""SIFT keypoints per picture, the strongest."""

RATIO = 0.8
"""A match must be this much nearer than the second nearest (Lowe's ratio test)."""

MIN_INLIERS = 10
"""Matches that must agree on one affine map."""

MIN_RESEMBLANCE = 0.6
"""Correlation at 16 x 16 pixels below which shifting one over the other leads nowhere."""

EDGE = 10
"""Grey levels between neighbours, at comparison size, from which a place has content."""

OUTLIER = 12.0
"""Grey levels, in any channel, by which a pixel counts as not explained by the other picture."""

RECOLOURED = 1.0
"""Outliers of pictures that agree but for their colours, which are another paint's."""

NEAR_COVERED = 0.80
"""Pictures that share at least this much of the larger one are near duplicates, not crops."""


@dataclass(frozen=True)
class OverlapLimits:
    """When an overlap means the same picture.

    Measured on real photos and 135 renderings: crops of 5 to 20 %, mirrored, rotated by 3 degrees,
    grey or with a border have at most 0.01 outliers, a logo box up to 0.06, a watermark across the
    picture up to 0.11; another body from the same angle on the same background has 0.14 and more,
    6 degrees of turn 0.11, white against silver paint 0.10, the mirrored view of the other side of
    a symmetric car 0.14. Of copies brightened by half 298 of 300 have at most 0.095, 295 at most
    0.07; a white car beside a silver one that was brightened has 0.09 and may pass.

    Parameters
    ----------
    min_overlap : float
        Share of the smaller picture that must lie on the other one.
    max_outliers : float
        Share that may disagree in nearly uncropped, upright pictures.
    max_outliers_moved : float
        The same for mirrored and cropped ones, where a logo is not the only explanation.
    min_correlation : float
        Of the grey levels in the part that agrees.
    """

    min_overlap: float = 0.55
    max_outliers: float = 0.095
    max_outliers_moved: float = 0.05
    min_correlation: float = 0.97


@dataclass(frozen=True)
class Overlap:
    """How well one picture lies on the other at the best position found.

    Parameters
    ----------
    mirrored : bool
        Whether the second picture had to be mirrored.
    overlap : float
        Share of the smaller picture that is covered, 0 to 1.
    covered : float
        Share of the larger part, 0 to 1: 1 when neither was cropped.
    outliers : float
        Share of the content of the overlap (edges and their surroundings) that disagrees by
        more than `OUTLIER`.
    correlation : float
        Of the grey levels where they agree, -1 to 1.
    """

    mirrored: bool
    overlap: float
    covered: float
    outliers: float
    correlation: float


@dataclass(frozen=True)
class ComparisonView:
    """A picture prepared for comparison.

    Parameters
    ----------
    rgb, grey : ndarray of uint8, shape (height, width, 3) and (height, width)
        The picture, its longest side `SIDE` pixels or less, and its luma.
    """

    rgb: RGB
    grey: RGB

    @property
    def points(self) -> NDArray[np.float32]:
        """Places of the local features, shape (n, 2): x and y in pixels."""
        return self._features[0]

    @property
    def descriptors(self) -> NDArray[np.float32]:
        """What surrounds them, shape (n, 128)."""
        return self._features[1]

    @cached_property
    def _features(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        # When first asked for: most pairs are refuted by their grey levels, in part.
        return _local_features(self.grey)

    def mirrored(self) -> ComparisonView:
        """Return the view of the picture seen in a mirror."""
        return _of_pixels(np.ascontiguousarray(self.rgb[:, ::-1]))


def view(source: bytes) -> ComparisonView:
    """Decode a picture at comparison size.

    Raises
    ------
    UnreadableImageError
        It can't be decoded.
    """
    with open_image(source) as image:
        scale = min(1.0, SIDE / max(image.size))
        image.draft("RGB", (int(image.width * scale), int(image.height * scale)))
        upright = to_rgb(image)
    return view_of(upright)


def view_of(upright: Image.Image) -> ComparisonView:
    """Prepare a decoded picture, mode RGB, of `SIDE` pixels or more where it has them."""
    scale = min(1.0, SIDE / max(upright.size))
    size = (max(8, round(upright.width * scale)), max(8, round(upright.height * scale)))
    return _of_pixels(np.asarray(upright.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)))


def compare(first: ComparisonView, second: ComparisonView, *, mirrored: bool = False) -> Overlap:
    """Lay one picture over another in the best way found.

    Parameters
    ----------
    first, second : ComparisonView
        The pictures; mirror the second yourself.
    mirrored : bool
        Noted in the result.

    Returns
    -------
    Overlap
        Of the position with the fewest disagreements.
    """
    overlaps = []
    for place in _placements(first, second):
        overlaps.append(_overlap(first.rgb, second.rgb, place, mirrored))
        if says_same(overlaps[-1]):
            break
    nothing = Overlap(mirrored, 0.0, 0.0, 1.0, 0.0)
    return min(
        overlaps, key=lambda at: (at.outliers - at.overlap, -at.correlation), default=nothing
    )


def lay(
    first: ComparisonView, second: ComparisonView
) -> tuple[Overlap, NDArray[np.float64]] | None:
    """Return the first overlap that means the same picture, and its affine map.

    Returns
    -------
    tuple of (Overlap, ndarray of float64, shape (2, 3)), or None
        The map leads from pixels of the second picture to pixels of the first.
    """
    for place in _placements(first, second):
        found = _overlap(first.rgb, second.rgb, place, False)
        if says_same(found):
            return found, place
    return None


def resemblance(first: ComparisonView, second: ComparisonView) -> float:
    """Return the correlation of two pictures' grey levels, laid edge to edge at 16 x 16 pixels."""
    import cv2

    a, b = (
        np.asarray(cv2.resize(side.grey, (16, 16), interpolation=cv2.INTER_AREA), dtype=float)
        for side in (first, second)
    )
    if a.std() < 1 or b.std() < 1:
        return 0.0
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def says_same(found: Overlap, *, limits: OverlapLimits | None = None) -> bool:
    """Whether an overlap means the same picture."""
    limits = limits or OverlapLimits()
    moved = found.mirrored or found.covered < NEAR_COVERED
    return (
        found.overlap >= limits.min_overlap
        and found.outliers <= (limits.max_outliers_moved if moved else limits.max_outliers)
        and found.correlation >= limits.min_correlation
    )


def was_recoloured(found: Overlap) -> bool:
    """Whether two pictures agree but for their hues."""
    return found.outliers >= RECOLOURED and found.overlap >= OverlapLimits().min_overlap


def kind_of(
    found: Overlap, *, limits: OverlapLimits | None = None
) -> Literal["near", "crop", "flip"] | None:
    """Name what two pictures are to one another; None for different ones."""
    if not says_same(found, limits=limits):
        return None
    if found.mirrored:
        return "flip"
    return "near" if found.covered >= NEAR_COVERED else "crop"


def _of_pixels(rgb: RGB) -> ComparisonView:
    import cv2

    return ComparisonView(rgb, np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8))


def _local_features(grey: RGB) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    import cv2

    sift = cv2.SIFT_create(  # type: ignore[attr-defined]
        nfeatures=FEATURES, contrastThreshold=0.02
    )
    keypoints, descriptors = sift.detectAndCompute(grey, None)
    if descriptors is None:
        descriptors = np.zeros((0, 128), dtype=np.float32)
    # RootSIFT (Arandjelovic and Zisserman, CVPR 2012): Hellinger distance between histograms
    descriptors = np.sqrt(descriptors / (descriptors.sum(axis=1, keepdims=True) + 1e-9))
    points = np.array([point.pt for point in keypoints], dtype=np.float32).reshape(-1, 2)
    return points, descriptors


def _placements(first: ComparisonView, second: ComparisonView) -> Iterator[NDArray[np.float64]]:
    """Yield affine maps (2 x 3, second -> first) worth looking at, the likeliest first."""
    matched = _matched(first, second)
    if matched is not None:
        yield matched
    if resemblance(first, second) < MIN_RESEMBLANCE:
        return  # nothing to hold on to when laid edge to edge
    (height, width), other = first.grey.shape, second.grey.shape
    stretched = np.array([[width / other[1], 0.0, 0.0], [0.0, height / other[0], 0.0]])
    shifted = _shifted_into_place(first, second, stretched)
    yield stretched if shifted is None else shifted
    if matched is not None:
        better = _shifted_into_place(first, second, matched)
        if better is not None:
            yield better


def _matched(first: ComparisonView, second: ComparisonView) -> NDArray[np.float64] | None:
    import cv2

    if len(first.points) < MIN_INLIERS or len(second.points) < MIN_INLIERS:
        return None
    likeness = first.descriptors @ second.descriptors.T
    two = np.sort(np.partition(likeness, -2, axis=1)[:, -2:], axis=1)
    far, near = np.sqrt(np.maximum(0, 2 - 2 * two)).T
    distinct = near < RATIO * far
    if distinct.sum() < MIN_INLIERS:
        return None
    partner = likeness.argmax(axis=1)[distinct]
    cv2.setRNGSeed(0)
    place, inliers = cv2.estimateAffine2D(
        second.points[partner],
        first.points[distinct],
        method=cv2.RANSAC,
        ransacReprojThreshold=2.0,
        maxIters=500,
        confidence=0.999,
    )
    if place is None or inliers.sum() < MIN_INLIERS or not _plausible(place):
        return None
    return np.asarray(place, dtype=np.float64)


def _shifted_into_place(
    first: ComparisonView, second: ComparisonView, place: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    import cv2

    start = cv2.invertAffineTransform(place).astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 25, 1e-4)
    with contextlib.suppress(cv2.error):  # raised when it does not converge: no such position
        _, moved = cv2.findTransformECC(  # type: ignore[call-overload]
            first.grey, second.grey, start, cv2.MOTION_AFFINE, stop, None, 5
        )
        back = np.asarray(cv2.invertAffineTransform(moved.astype(np.float64)))
        return back if _plausible(back) else None
    return None


def _plausible(place: NDArray[Any]) -> bool:
    """Neither mirrored nor squeezed beyond what a crop or resize does."""
    stretch = np.linalg.svd(place[:, :2], compute_uv=False)
    upright = np.linalg.det(place[:, :2]) > 0
    return bool(upright and stretch[1] > 0.2 and stretch[0] < 5 and stretch[0] / stretch[1] < 1.6)


def _overlap(a: RGB, b: RGB, place: NDArray[np.float64], mirrored: bool) -> Overlap:
    """Warp `b` onto `a` at half resolution and see where they agree."""
    import cv2

    height, width = a.shape[0] // 2, a.shape[1] // 2
    half = place / 2.0
    half[:, 2] -= 0.25  # centres of pixels: x / 2 - 1/4, as the resize below has it
    size = abs(float(np.linalg.det(half[:, :2])))

    def soften_a(picture: RGB) -> RGB:
        smooth = cv2.GaussianBlur(picture, (0, 0), 1.5)
        return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR))

    def soften_b(picture: RGB) -> RGB:
        smooth = cv2.GaussianBlur(picture, (0, 0), max(0.3, 0.75 / np.sqrt(size)))
        return np.asarray(cv2.warpAffine(smooth, half, (width, height), flags=cv2.INTER_LINEAR))

    cover = cv2.warpAffine(np.full(b.shape[:2], 255, np.uint8), half, (width, height))
    cover = cv2.erode(cover, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    inside = cover > 250
    area = float(inside.sum())
    shares = area / (width * height), area / max(1.0, size * b.shape[0] * b.shape[1])
    if area < 200:
        return Overlap(mirrored, 0.0, 0.0, 1.0, 0.0)
    lit = relight(a, b, lambda side: soften_a(side)[inside], lambda side: soften_b(side)[inside])
    # A grey copy is the same picture; but with less to go by, it has to agree better.
    agree = lit.misfit <= (OUTLIER if lit.alike else OUTLIER / 2)
    outliers = np.zeros((height, width), dtype=np.uint8)
    outliers[inside] = ~agree
    # Thin ones are edges that lie a fraction of a pixel off, or strokes of a watermark.
    blobs: NDArray[Any] = np.asarray(
        cv2.morphologyEx(outliers, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    )
    content = _content(soften_a(a)) | _content(soften_b(b))
    correlation = 0.0
    # Clipped areas agree without saying much.
    brightest = np.maximum(lit.first, lit.second).max(axis=1)
    below = np.asarray(brightest < SATURATED)
    if hues_turned(lit, below) or hues_turned(lit, below & agree):  # without letters across it
        return Overlap(mirrored, min(1.0, max(shares)), min(1.0, min(shares)), RECOLOURED, 0.0)
    unclipped = agree & below
    judged = unclipped if unclipped.sum() > 0.25 * agree.sum() else agree
    if judged.sum() > 100:
        grey_a, grey_b = (side[judged] for side in lit.grey())
        if grey_a.std() > 1 and grey_b.std() > 1:
            correlation = float(np.corrcoef(grey_a, grey_b)[0, 1])
    return Overlap(
        mirrored,
        overlap=min(1.0, max(shares)),
        covered=min(1.0, min(shares)),
        outliers=float(blobs[inside].sum()) / max(1.0, float((content | blobs)[inside].sum())),
        correlation=correlation,
    )


def _content(rgb: NDArray[Any]) -> NDArray[Any]:
    """Mark the surroundings of edges: two white studio backgrounds are no evidence."""
    import cv2

    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    edges = np.asarray(cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))
    marked = (edges >= EDGE).astype(np.uint8)
    return np.asarray(cv2.dilate(marked, np.ones((7, 7), np.uint8)))
