"""Which of two copies shows something that the other one doesn't: more of the scene, finer details.

A copy can be enlarged, but it has no details finer than those of what it was made from; it can be
cut or turned, but it shows nothing beyond its edges. What is drawn around a picture is told by
`curate.duplicates.borders`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from bodyshop_core.engine.task import Item, Row, answer_each
from bodyshop_core.imaging import load_rgb
from curate.duplicates.consensus import placed_on, small
from curate.duplicates.pixels import lay, view_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.catalog import BlobRef
    from curate.duplicates.pixels import ComparisonView

    Grey = NDArray[np.uint8]
    Levels = NDArray[np.float32]
    Laid = tuple[float, float, float]

VERSION = "extent-1"
"""Of this comparison, in the catalog's ``pair_checks``."""

FIRST, SECOND = 1, 2
"""Bits of the answer: the first shows more than the second, and the other way round."""

MORE_SCENE = 0.03
"""Share of a picture beyond the other's edges from which it shows more: edges are laid to 1 %."""

LARGER = 1.06
"""Factor of a side from which a picture may have finer details."""

FINER = ((1.15, 1.0), (1.3, 0.84), (1.6, 0.485), (2.0, 0.36))
"""Factor of a side -> `fine_share` from which a picture of that size over another has real details.
Of 40 photos as they are 39, 40, 40 and 40 have more; made smaller by that factor and enlarged again
(Lanczos, bicubic, bilinear; sharpened or not; saved at 80 to 95) the most is 1.58, 0.83, 0.48 and
0.35, of those not sharpened 1.00, 0.80, 0.47 and 0.31."""

_LARGEST = 1024
_SHARPEST = 0.8


def compare_extent(items: list[Item]) -> list[Row]:
    """Compare pairs of copies; a shard function.

    Parameters
    ----------
    items : list of dict
        ``key``, ``first`` and ``second`` (each a `BlobRef`).

    Returns
    -------
    list of dict
        ``key`` and ``added``: the sum of `FIRST` and `SECOND` that holds, None where the two can't
        be laid on one another; or ``error``.
    """
    import cv2

    cv2.setNumThreads(1)

    def compared(item: Item) -> Row:
        first, second = item["first"], item["second"]
        laid = _laid(first, second)
        if laid is None:
            return {"added": None}
        scale, shown, other = laid
        more = 0
        if other - shown >= MORE_SCENE or (scale >= LARGER and has_detail(_grey(first), scale)):
            more += FIRST
        if shown - other >= MORE_SCENE or (
            scale <= 1 / LARGER and has_detail(_grey(second), 1 / scale)
        ):
            more += SECOND
        return {"added": float(more)}

    return answer_each(items, compared)


def has_detail(grey: Grey, scale: float) -> bool:
    """Return whether a picture has details that one of `1 / scale` of its size can't have.

    Parameters
    ----------
    grey : ndarray of uint8, shape (height, width)
        In full size.
    scale : float
        Above 1.
    """
    factors, least = zip(*FINER, strict=True)
    if scale < factors[0]:
        return False  # not to be told, and little is lost
    wanted = float(np.interp(np.log(scale), np.log(factors), least))
    return fine_share(grey, min(scale, factors[-1])) >= wanted


def fine_share(grey: Grey, scale: float) -> float:
    """Return how strong the details are that are lost at `1 / scale` of the size.

    Parameters
    ----------
    grey : ndarray of uint8, shape (height, width)
        In full size.
    scale : float
        Above 1.

    Returns
    -------
    float
        Over the strength of those that are lost next, at the same factor; both around the edges,
        where noise counts least.
    """
    import cv2

    top, left = (max(0, (side - _LARGEST) // 2) for side in grey.shape)
    picture = Image.fromarray(grey[top : top + _LARGEST, left : left + _LARGEST])
    whole = np.asarray(picture, dtype=np.float32)
    once, twice = _softened(picture, scale), _softened(picture, scale * scale)
    fine, coarse = (
        np.asarray(cv2.GaussianBlur(lost**2, (0, 0), 3), dtype=np.float32)
        for lost in (whole - once, once - twice)
    )
    edges = coarse >= np.quantile(coarse, _SHARPEST)
    return float(np.sqrt(fine[edges].mean() / (coarse[edges].mean() + 1e-6)))


def _softened(picture: Image.Image, scale: float) -> Levels:
    size = (max(8, round(picture.width / scale)), max(8, round(picture.height / scale)))
    method = Image.Resampling.LANCZOS
    return np.asarray(picture.resize(size, method).resize(picture.size, method), dtype=np.float32)


def _laid(first: BlobRef, second: BlobRef) -> Laid | None:
    """Return the first's size over the second's, and the share of each that the other shows."""
    a, b = _decoded(first), _decoded(second)
    place = _place(a[2], b[2])
    if place is None:  # mirrored or turned, or not the same
        lies = placed_on(b[1], a[1]) is not None
        return (max(a[0]) / max(b[0]), 1.0, 1.0) if lies else None
    area, inside = _common(place, a[2].grey.shape, b[2].grey.shape)
    whole = a[2].grey.shape[0] * a[2].grey.shape[1]
    # A pixel of the second is so many of the first, at the comparison's scale and at their own.
    size = float(np.sqrt(abs(np.linalg.det(place[:, :2]))))
    own = (max(a[0]) / max(a[2].grey.shape)) / (max(b[0]) / max(b[2].grey.shape))
    return size * own, inside / whole, inside / max(area, 1e-6)


def _place(first: ComparisonView, second: ComparisonView) -> NDArray[np.float64] | None:
    import cv2

    found = lay(first, second)
    if found is not None:
        return found[1]
    back = lay(second, first)
    if back is None:
        return None
    return np.asarray(cv2.invertAffineTransform(back[1]), dtype=np.float64)


def _common(
    place: NDArray[np.float64], first: tuple[int, ...], second: tuple[int, ...]
) -> tuple[float, float]:
    """Return the area of the second picture on the first, and how much of it lies on that."""
    import cv2

    def corners(shape: tuple[int, ...]) -> NDArray[np.float32]:
        height, width = shape[:2]
        return np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)

    moved = (corners(second) @ place[:, :2].T + place[:, 2]).astype(np.float32)
    inside, _ = cv2.intersectConvexConvex(corners(first), moved)
    return float(cv2.contourArea(moved)), float(inside)


@lru_cache(maxsize=64)
def _decoded(blob: BlobRef) -> tuple[tuple[int, int], Levels, ComparisonView]:
    rgb = load_rgb(blob.read())
    return (rgb.shape[1], rgb.shape[0]), small(rgb), view_of(Image.fromarray(rgb))


@lru_cache(maxsize=8)
def _grey(blob: BlobRef) -> Grey:
    import cv2

    return np.asarray(cv2.cvtColor(load_rgb(blob.read()), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
