"""Which of two copies still has what saving rounded away from the other one.

Saving as JPEG rounds each coefficient to a multiple of a step. What a picture differs by from its
saved copy, once light, colours and sharpness are fitted, is spread evenly over a step. What a copy
differs by from the picture that it was made of does not know of those steps: it is dense around
nothing, or wider than a step.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.engine.task import Item, Row, answer_each
from bodyshop_core.imaging import load_rgb
from curate.duplicates.copies import lowest_quality
from curate.duplicates.descent import placed_on
from curate.duplicates.lighting import LUMA
from curate.duplicates.traces import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.catalog import BlobRef

    RGB = NDArray[np.uint8]
    Levels = NDArray[np.float32]

VERSION = "rounding-1"
"""Of this comparison, in the catalog's ``pair_checks``."""

LESS = 6
"""By how much the lowest JPEG quality of one must be below the other's."""

EVEN = (0.52, 0.8)
"""Differences of 0.3 to 0.5 of a step over those up to 0.2, from which they are spread evenly, and
how much more of it each share above half a step asks for: of normal ones it rises, too. Of 4 photos
saved at 40 to 75 after gamma, sharpening, noise, letters, mirroring or more contrast 56 of 72 reach
it within `BEYOND`; of copies of those saved at 50 to 85 (WebP, noise, blur, sharpened, shifted,
letters, saved at 90) none does: the nearest stays 0.03 below."""

BEYOND = 0.32
"""Share of differences above half a step, from which nothing is said."""

SIDE = 512
"""Pixels of the middle of both pictures that are compared, in each direction."""

_RADIUS = 2
_POWERS = (2, 3, 4)
_ROUNDS = 3
_FITTED = 0.8
_LOW = 4
_LARGE = 0.7
_MIN_COEFFICIENTS = 400
_INSIDE = (2, 253)


def compare_rounding(items: list[Item]) -> list[Row]:
    """Compare pairs of copies; a shard function.

    Parameters
    ----------
    items : list of dict
        ``key``, ``first`` and ``second`` (each a `BlobRef`).

    Returns
    -------
    list of dict
        ``key`` and ``added``: 1 where the second was saved from something as fine as the first, -1
        the other way round, 0 where neither is seen; or ``error``.
    """
    import cv2

    cv2.setNumThreads(1)

    def compared(item: Item) -> Row:
        (first, high), (second, low) = (_decoded(item[name]) for name in ("first", "second"))
        if high - low >= LESS and is_rounded(second, first, low):
            return {"added": 1.0}
        return {"added": -1.0 if low - high >= LESS and is_rounded(first, second, high) else 0.0}

    return answer_each(items, compared)


def is_rounded(copy: RGB, source: RGB, quality: int) -> bool:
    """Return whether a copy was saved from something as fine as another picture of its size.

    Parameters
    ----------
    copy, source : ndarray of uint8, shape (height, width, 3)
        The source may lie in any of the eight ways.
    quality : int
        The lowest JPEG quality that the copy was saved with.
    """
    found = differences(copy, source, quality)
    if len(found) < _MIN_COEFFICIENTS:
        return False
    inner = float((found <= 0.2).mean())
    outer = float(((found > 0.3) & (found <= 0.5)).mean())
    beyond = float((found > 0.5).mean())
    return beyond <= BEYOND and outer >= (EVEN[0] + EVEN[1] * beyond) * inner


def differences(copy: RGB, source: RGB, quality: int) -> Levels:
    """Return what a copy's coefficients differ by from those of a source fitted to it.

    Returns
    -------
    ndarray of float32, shape (coefficients,)
        In steps of that quality, 0 and more; empty where the two don't lie on one another.
    """
    from curate.measure.header import luminance_table

    placed = placed_on(source, copy)
    if placed is None:
        return np.zeros(0, np.float32)
    top, left = (max(0, side - SIDE) // 2 // BLOCK * BLOCK for side in copy.shape[:2])
    height, width = (min(side, SIDE) // BLOCK * BLOCK for side in copy.shape[:2])
    middle = np.s_[top : top + height, left : left + width]
    wanted, given = (_luma(each[middle]) for each in (copy, placed))
    blocks = _blocks(wanted)
    inside = (blocks.max(axis=(1, 2)) <= _INSIDE[1]) & (blocks.min(axis=(1, 2)) >= _INSIDE[0])
    steps = np.asarray(luminance_table(quality), dtype=np.float32)
    saved, fitted = (_transformed(each[inside]) for each in (blocks, _blocks(_fit(given, wanted))))
    rows, columns = np.indices(steps.shape)
    low = (rows + columns > 0) & (rows + columns <= _LOW)
    chosen = (np.abs(saved) >= _LARGE * steps) & low
    return np.asarray((np.abs(saved - fitted) / steps)[chosen], dtype=np.float32)


def _fit(given: Levels, wanted: Levels) -> Levels:
    """Fit light and sharpness to those of another; a fifth of it may be something else."""
    import cv2

    scaled: Levels = np.asarray(given / 255, dtype=np.float32)
    padded = cv2.copyMakeBorder(scaled, *(_RADIUS,) * 4, cv2.BORDER_REFLECT)
    height, width = scaled.shape
    around = range(2 * _RADIUS + 1)
    parts = [padded[y : y + height, x : x + width] for y in around for x in around]
    parts += [scaled**power for power in _POWERS] + [np.ones_like(scaled)]
    x, y = np.stack([part.ravel() for part in parts], axis=1), wanted.ravel()
    keep: NDArray[np.bool_] = np.ones(len(y), dtype=bool)
    fitted = scaled
    for _ in range(_ROUNDS):
        some = x[keep]
        square = (some.T @ some).astype(np.float64) + 1e-4 * np.eye(x.shape[1])
        weights = np.linalg.solve(square, (some.T @ y[keep]).astype(np.float64))
        fitted = np.asarray(x @ weights.astype(np.float32), np.float32).reshape(scaled.shape)
        misfit = np.asarray(cv2.blur(np.abs(fitted - wanted), (BLOCK, BLOCK)), np.float32).ravel()
        keep = np.asarray(misfit <= np.quantile(misfit, _FITTED))
    return fitted


def _luma(rgb: RGB) -> Levels:
    return np.asarray(rgb.astype(np.float32) @ LUMA, dtype=np.float32)


def _blocks(grey: Levels) -> Levels:
    height, width = grey.shape
    cut = grey.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return cut.transpose(0, 2, 1, 3).reshape(-1, BLOCK, BLOCK)


def _transformed(blocks: Levels) -> Levels:
    from scipy.fft import dctn

    return np.asarray(dctn(blocks - 128, axes=(1, 2), norm="ortho"), dtype=np.float32)


@lru_cache(maxsize=2)
def _decoded(blob: BlobRef) -> tuple[RGB, int]:
    import cv2

    rgb = load_rgb(blob.read())
    return rgb, lowest_quality(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8))
