"""What changing a picture leaves in its pixels: interpolation, and clipped light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]
    Levels = NDArray[np.float32]

BLOCK = 8
"""Side of a JPEG's blocks (ITU T.81, A.1.1)."""

MIN_PEAK = 4.0
"""Times the median of its spectrum by which interpolation must stand out. Of 14 photos and their
copies that were not enlarged none exceeds 3.1; enlarged by 1.25 to 3 nearly all have 5 to 40."""

LOWEST_FREQUENCY = 0.14
"""Cycles per pixel; below it the contents of photos have peaks of their own."""

TOP_LEVELS = 2
"""Grey levels below the brightest that count as the brightest."""

MAX_FINE = 0.026
"""Power of the finest details over that of those twice as large, up to which a picture was made
larger. Of 40 photos, as they are, saved at 60 and at half the size, none is below it; of copies at
twice the size 38 by Lanczos' interpolation, 32 to 38 by bicubic and 29 by bilinear."""

EVERY_SECOND = 0.5
"""Cycles per pixel of an enlargement to twice the size, which leaves no other trace: it is the
same between all samples."""

_MIN_SIDE = 42
_LARGEST = 1024
_AROUND = 8
_BINS = 512


def interpolation(grey: Grey) -> float | None:
    """Return the frequency that interpolation has left in a picture, in cycles per pixel.

    The second derivative of an enlarged picture is weaker between the original samples, so its
    mean over all rows has the period of these (Gallagher, "Detection of digital zoom by using the
    second-derivative of interpolated images", CRV 2005). Multiples of 1/8 are JPEG's blocks.

    Parameters
    ----------
    grey : ndarray of uint8, shape (height, width)
        In full size.

    Returns
    -------
    float or None
        Up to 0.5; None when nothing stands out, in both directions, or the picture is small.
    """
    levels = grey.astype(np.float32)
    if min(levels.shape) < _MIN_SIDE:
        return None
    frequencies = np.arange(_BINS) / (2.0 * (_BINS - 1))
    both = np.minimum(_spectrum(levels, frequencies), _spectrum(levels.T, frequencies))
    strongest = int(both.argmax())
    if both[strongest] >= MIN_PEAK:
        return float(frequencies[strongest])
    return EVERY_SECOND if fine_details(levels) < MAX_FINE else None


def fine_details(levels: Levels) -> float:
    """Return the power of the finest details over that of those twice as large.

    Parameters
    ----------
    levels : ndarray of float32, shape (height, width)
        Grey levels, in full size.
    """
    top, left = (max(0, (side - _LARGEST) // 2) for side in levels.shape)
    levels = levels[top : top + _LARGEST, left : left + _LARGEST]
    height, width = levels.shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    power = np.abs(np.fft.rfft2((levels - levels.mean()) * window)) ** 2
    across = np.fft.rfftfreq(width)[None, :]
    frequency = np.maximum(np.abs(np.fft.fftfreq(height))[:, None], across)
    fine = power[(frequency >= 0.32) & (frequency < 0.5)].mean()
    coarse = power[(frequency >= 0.16) & (frequency < 0.25)].mean()
    return float(fine / (coarse + 1e-9))


def explains(frequency: float, scale: float) -> bool:
    """Return whether enlarging a picture of `scale` times the size leaves this frequency.

    Parameters
    ----------
    frequency : float
        From `interpolation`.
    scale : float
        Size of the original over that of the enlarged picture, 0 to 1. The original's blocks have
        frequencies, too: multiples of an eighth of it.
    """
    expected = scale * np.arange(1, BLOCK + 1) / BLOCK % 1
    folded = np.minimum(expected, 1 - expected)
    return bool((np.abs(folded - frequency) < 0.005).any())


def clipped_share(grey: Grey) -> float:
    """Return the share of a picture at its brightest level, 0 to 1.

    A brightened copy has more of it than the original, a darkened one as much.
    """
    counts = np.bincount(grey.ravel(), minlength=256)
    from_above = np.cumsum(counts[::-1])
    brightest = 255 - int(np.searchsorted(from_above, max(1, grey.size // 1000)))
    return float(counts[max(0, brightest - TOP_LEVELS) :].sum() / grey.size)


def _spectrum(levels: Levels, frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much each frequency stands out in the second derivative across."""
    second = np.abs(levels[:, 2:] - 2 * levels[:, 1:-1] + levels[:, :-2]).mean(axis=0)
    window = np.ones(2 * _AROUND + 1) / (2 * _AROUND + 1)
    trend = np.convolve(np.pad(second, _AROUND, mode="edge"), window, "valid")
    signal = second / (trend + 1e-6)
    n = len(signal)
    power = np.abs(np.fft.rfft((signal - signal.mean()) * np.hanning(n)))
    own = np.arange(len(power)) / n
    wanted = own > LOWEST_FREQUENCY
    for block in range(1, BLOCK // 2 + 1):
        wanted &= np.abs(own - block / BLOCK) > 2.5 / n
    stands_out = power * wanted / (np.median(power[own > 0.1]) + 1e-9)
    return np.asarray(np.interp(frequencies, own, stands_out))
