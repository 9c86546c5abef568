"""Resizing and cropping of decoded pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    RGB = NDArray[np.uint8]


def fit_square(rgb: RGB, side: int) -> RGB:
    """Resize the shorter side to `side` with antialiasing and cut the centre square.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        A picture.
    side : int
        Side of the square, in pixels.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
        The square.
    """
    import numpy as np

    if rgb.shape[:2] == (side, side):
        return rgb
    return np.asarray(fit_image(Image.fromarray(rgb), side))


def fit_image(image: Image.Image, side: int) -> Image.Image:
    """Do what `fit_square` does, with a decoded picture that is no array yet."""
    width, height = image.size
    if (width, height) == (side, side):
        return image
    short = min(height, width)
    left, top = (width - short) / 2, (height - short) / 2
    # One resampling of the centre box; Pillow's filters widen with the scale, so they antialias.
    return image.resize(
        (side, side),
        Image.Resampling.BICUBIC,
        box=(left, top, left + short, top + short),
        reducing_gap=2.0,
    )


def crop_to(rgb: RGB, box: Sequence[float], *, margin: float = 0.05) -> RGB:
    """Cut a box out of a picture.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        A picture.
    box : (left, top, right, bottom)
        0 to 1 of width and height, as in the catalog's `detections`.
    margin : float
        What to add on each side, as a share of the box.

    Returns
    -------
    ndarray of uint8
        At least one pixel.
    """
    height, width = rgb.shape[:2]
    left, top, right, bottom = box
    grow_x, grow_y = margin * (right - left), margin * (bottom - top)
    x0 = min(width - 1, max(0, int((left - grow_x) * width)))
    y0 = min(height - 1, max(0, int((top - grow_y) * height)))
    x1 = min(width, max(x0 + 1, round((right + grow_x) * width)))
    y1 = min(height, max(y0 + 1, round((bottom + grow_y) * height)))
    return rgb[y0:y1, x0:x1]
