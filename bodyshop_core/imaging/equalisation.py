"""One size and one JPEG quality for all pictures, so that a model can't learn from either."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from bodyshop_core.summary import Summary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class Equalise(Summary):
    """Target of `equalise`, which removes what size and compression say about a picture.

    Parameters
    ----------
    longest_side : int
        Pixels; larger pictures are scaled down to it, smaller ones stay as they are.
    jpeg_quality : int
        1 to 95; every picture is encoded and decoded once at this quality.
    """

    longest_side: int
    jpeg_quality: int = 75


def equalise(rgb: RGB, spec: Equalise) -> RGB:
    """Bring a picture to the size and JPEG quality of all others.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        A picture.
    spec : Equalise
        Target size and quality.

    Returns
    -------
    ndarray of uint8
        RGB with its longest side at most ``spec.longest_side``.
    """
    import numpy as np

    image = Image.fromarray(rgb)
    scale = spec.longest_side / max(image.size)
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=spec.jpeg_quality, subsampling="4:2:0")
    with Image.open(buffer, formats=["JPEG"]) as encoded:
        return np.asarray(encoded.convert("RGB"))
