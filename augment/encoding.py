"""Encode variants and masks as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from augment.policy import PictureSpec


def encode(rgb: NDArray[np.uint8], spec: PictureSpec) -> bytes:
    """Encode a variant: JPEG 4:2:0 with standard Huffman tables, or PNG.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        The variant.
    spec : PictureSpec
        Format and quality.
    """
    import cv2
    import numpy as np

    options = [cv2.IMWRITE_JPEG_QUALITY, spec.quality] if spec.format == "jpg" else []
    bgr = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8)
    return _encoded(f".{spec.format}", bgr, options)


def encode_mask(mask: NDArray[np.uint8]) -> bytes:
    """Encode a mask of 0 and 255, shape (height, width), as PNG."""
    return _encoded(".png", mask, [])


def _encoded(extension: str, pixels: NDArray[np.uint8], options: list[int]) -> bytes:
    import cv2

    done, data = cv2.imencode(extension, pixels, options)
    if not done:
        raise BodyshopError(f"a picture of shape {pixels.shape} can't be encoded as {extension}")
    return data.tobytes()
