"""One mask as a PNG file: 8-bit grey, 0 and 255."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

THRESHOLD = 128
"""A pixel belongs to a mask from half coverage on: strokes drawn in a browser are antialiased."""


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """Encode a mask, bool (height, width), as an 8-bit grey PNG of 0 and 255."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask file into an array of bool, shape (height, width).

    Raises
    ------
    UnreadableImageError
        The file is missing or damaged.
    """
    from bodyshop_core.imaging import load_rgb

    return np.asarray(load_rgb(path)[:, :, 0] >= THRESHOLD)
