"""Load a training picture and its masks, decoded once for all its variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from bodyshop_core.catalog import BlobRef
from bodyshop_core.errors import BodyshopError, LostBlobError, UnreadableImageError
from bodyshop_core.imaging import open_image, to_rgb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

ASPECT_TOLERANCE = 0.01
"""A mask may differ in size from its picture when their aspect ratios differ by less than this."""

MASK_THRESHOLD = 128
"""Masks drawn with a brush are antialiased: a pixel counts from half coverage on."""


class MaskError(BodyshopError):
    """A mask that does not match its picture; the picture gets no variants."""


@dataclass(frozen=True)
class LoadedSource:
    """A decoded picture with its masks, ready for the transforms.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        Upright, scaled down to the policy's longest side.
    labels : tuple of str
        Damage class of each mask; each class once.
    masks : tuple of ndarray of uint8, shape (height, width)
        0 or 255.
    """

    rgb: Pixels
    labels: tuple[str, ...] = ()
    masks: tuple[Pixels, ...] = ()


def load_source(
    source: Path | str | bytes | BlobRef,
    masks: Sequence[tuple[str, Path | str | BlobRef]] = (),
    *,
    longest_side: int | None = None,
) -> LoadedSource:
    """Decode a picture and its masks.

    Parameters
    ----------
    source : Path, str, bytes or BlobRef
        The original: a file, its content, or a picture of a workspace's store.
    masks : sequence of (str, Path, str or BlobRef)
        Damage class and mask; masks of one class are united.
    longest_side : int, optional
        Pixels; a larger picture is scaled down to it, a smaller one keeps its size.

    Raises
    ------
    UnreadableImageError
        The picture can't be decoded.
    MaskError
        A mask is missing, can't be decoded or has another shape than the picture.
    TransientError
        Storage does not give the original or a mask.
    """
    import numpy as np

    with open_image(source) as image:
        stored = image.size
        # JPEG is decoded at 1/2, 1/4 or 1/8 when that is large enough.
        image.draft("RGB", _scaled(stored, longest_side))
        decoded = image.size
        upright = to_rgb(image, name="the picture" if isinstance(source, bytes) else str(source))
    full = stored if upright.size == decoded else (stored[1], stored[0])
    size = _scaled(full, longest_side)
    if upright.size != size:
        upright = upright.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    by_label: dict[str, Pixels] = {}
    for label, file in masks:
        mask = _load_mask(file, full, size)
        by_label[label] = np.maximum(by_label[label], mask) if label in by_label else mask
    return LoadedSource(np.asarray(upright), tuple(by_label), tuple(by_label.values()))


def _load_mask(file: Path | str | BlobRef, full: tuple[int, int], size: tuple[int, int]) -> Pixels:
    import numpy as np

    try:
        with open_image(file) as image:
            mask = image.convert("L")
    except (UnreadableImageError, LostBlobError, OSError, SyntaxError, ValueError) as error:
        raise MaskError(f"mask {file} can't be decoded: {error}") from error
    aspect = (mask.width / mask.height) / (full[0] / full[1])
    if mask.size != full and abs(aspect - 1) > ASPECT_TOLERANCE:
        raise MaskError(
            f"mask {file} is {mask.width} x {mask.height}, its picture {full[0]} x {full[1]}",
            hint="draw it again on the present picture: bodyshop label push",
        )
    if mask.size != size:
        mask = mask.resize(size, Image.Resampling.NEAREST)
    return np.where(np.asarray(mask) >= MASK_THRESHOLD, np.uint8(255), np.uint8(0))


def _scaled(size: tuple[int, int], longest_side: int | None) -> tuple[int, int]:
    scale = 1.0 if longest_side is None else min(1.0, longest_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
