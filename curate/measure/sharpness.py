"""How sharp a picture is, whatever its size and however smooth its paint.

The variance of the Laplacian and similar measures depend on the amount of detail: they rate a white
door as blurred and a blurred hedge as sharp. Here only the steepness of the strongest edges counts:
blurring a steep edge once more flattens it, blurring a soft one changes little (Zhuo and Sim,
"Defocus map estimation from a single image", Pattern Recognition 44, 2011). Motion leaves the edges
along its direction steep, so four directions are measured and the softest one counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Grey = NDArray[np.int16]

SIDE = 512
"""Longest side, in pixels, at which larger pictures are measured; smaller ones are measured as
they are."""

REBLUR = 1.5
"""Standard deviation of the second blur, in pixels; of 1, 1.5 and 2 it separated blurred from
sharp pictures best."""

EDGE_SHARE = 0.02
"""The steepest two of a hundred pixels are the edges; smooth paint and sky do not count."""

STEEPEST = 0.85
"""Quantile over the edges: a picture is as sharp as its sharp parts, the background may be out of
focus."""

MIN_SHARPNESS = 0.45
"""Recommended limit: none of 150 sharp photos lies below, 97 % of those blurred by 2 pixels do."""

DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""(down, across): across, down and along both diagonals."""

FLOOR = 2
"""Grey levels per two pixels that an edge must have; below is noise."""

_UNIT = 64
"""Grey levels are kept as int16 in 64ths: exact enough to blur, a half of the memory of float32."""

_TAPS = 9
"""Width of the blur: three standard deviations to either side."""

_SAMPLE = 5_000
"""Slopes that are sampled to find the steepest two of a hundred."""


def sharpness(grey: NDArray[np.uint8]) -> float:
    """Measure sharpness.

    Parameters
    ----------
    grey : ndarray of uint8, shape (height, width)
        Grey levels, upright or not.

    Returns
    -------
    float
        ``1 - 1 / r**2`` with ``r`` the steepness of the edges over that after a Gaussian blur of
        1.5 pixels: 0 for a picture without edges. Of real photos 95 % have more than 0.69, whatever
        their size and JPEG quality, and half more than 0.78; after a Gaussian blur of 2 pixels
        half have more than 0.35.
    """
    import cv2

    scale = SIDE / max(grey.shape)
    if scale < 1:
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        # Pictures arrive shrunk to less than twice the size: two neighbours are enough to mix.
        how = cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA
        grey = np.asarray(cv2.resize(grey, size, interpolation=how), dtype=np.uint8)
    if min(grey.shape) < 3:
        return 0.0
    fine = np.multiply(grey, _UNIT, dtype=np.int16)
    soft = np.asarray(cv2.GaussianBlur(fine, (_TAPS, _TAPS), REBLUR), dtype=np.int16)
    ratio = min(_steepness_ratio(fine, soft, step) for step in DIRECTIONS)
    return 1 - 1 / max(1.0, ratio) ** 2


def _steepness_ratio(fine: Grey, soft: Grey, step: tuple[int, int]) -> float:
    """Compare central differences along `step` (down, across) where the softened ones are large."""
    import cv2

    down, across = step
    width = soft.shape[1]
    # Two pixels `apart` in the rows laid end to end; where a row ends they are no neighbours.
    apart = 2 * (down * width + across)
    flat, softened = fine.ravel(), soft.ravel()
    slope = np.asarray(cv2.absdiff(softened[apart:], softened[:-apart])).ravel()
    for column in {1: (width - 2, width - 1), -1: (0, 1)}.get(across, ()):
        slope[column::width] = 0
    sample = slope[:: max(1, len(slope) // _SAMPLE)]
    place = int(len(sample) * (1 - EDGE_SHARE))
    edge = max(int(np.partition(sample, place)[place]), FLOOR * _UNIT)
    at = np.flatnonzero(slope >= edge)
    if not len(at):
        return 1.0
    steep = np.abs(flat[at + apart] - flat[at])
    ratios = steep / slope[at].astype(np.float32)
    place = int(len(ratios) * STEEPEST)
    return float(np.partition(ratios, place)[place])
