"""Whether two files show the same picture at different sizes."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from bodyshop_core.imaging import load_rgb

SIDE = 24
"""Both pictures are compared at this size: fine detail differs between encodings."""

SIMILARITY = 0.93
"""Least correlation of the grey values. Scaled and re-encoded copies of photos have 0.98 and more,
different photos of one car mostly less than 0.8."""

MAX_DIFFERENCE = 12.0
"""Largest mean difference of pictures that are too plain to be correlated, in grey levels."""

SAME_SHAPE = 0.03
"""The aspect ratios of two sizes of one picture differ at most by this part."""


def same_picture(one: Path | bytes, other: Path | bytes) -> bool:
    """Compare two pictures by their grey values; a crop of one of them also counts as the same.

    Parameters
    ----------
    one, other : Path or bytes
        Picture files.

    Raises
    ------
    UnreadableImageError
        One of them cannot be decoded.
    """
    first, second = _small(one), _small(other)
    a, b = first.width / first.height, second.width / second.height
    if abs(a - b) > SAME_SHAPE * max(a, b):  # the page may show the centre of the picture
        shape = min(a, b), max(a, b)
        return any(_alike(_cropped(first, each), _cropped(second, each)) for each in shape)
    return _alike(first, second)


def _small(source: Path | bytes) -> Image.Image:
    return Image.fromarray(load_rgb(source, at_least=8 * SIDE)).convert("L")


def _cropped(image: Image.Image, shape: float) -> Image.Image:
    """Return the largest part around the centre with this aspect ratio."""
    width, height = image.size
    across, down = min(width, height * shape), min(height, width / shape)
    left, top = (width - across) / 2, (height - down) / 2
    return image.crop((round(left), round(top), round(left + across), round(top + down)))


def _alike(one: Image.Image, other: Image.Image) -> bool:
    import numpy as np

    a, b = (
        np.asarray(each.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64)
        for each in (one, other)
    )
    if min(a.std(), b.std()) < 4.0:
        return float(np.abs(a - b).mean()) <= MAX_DIFFERENCE
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) >= SIMILARITY
