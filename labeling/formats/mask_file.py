"""One mask as a PNG file: 8-bit grey, 0 and 255."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.errors import LostBlobError, UnreadableImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.storage.blobs import BlobRef

THRESHOLD = 128
"""A pixel belongs to a mask from half coverage on: strokes drawn in a browser are antialiased."""


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """Encode a mask, bool (height, width), as an 8-bit grey PNG of 0 and 255."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def read_mask(source: Path | bytes | BlobRef) -> NDArray[np.bool_]:
    """Read a mask into an array of bool, shape (height, width).

    Parameters
    ----------
    source : Path, bytes or BlobRef
        A file, its content, or a mask of a workspace.

    Raises
    ------
    UnreadableImageError
        It is missing or damaged.
    TransientError
        Storage does not give it.
    """
    from bodyshop_core.imaging import load_rgb

    try:
        rgb = load_rgb(source)
    except LostBlobError as error:
        raise UnreadableImageError(error.message) from error
    return np.asarray(rgb[:, :, 0] >= THRESHOLD)
