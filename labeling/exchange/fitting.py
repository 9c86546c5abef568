"""Shapes of annotation files in the upright pixels of their picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from labeling.formats.shapes import MaskFormatError, Shape

if TYPE_CHECKING:
    from labeling.formats.shapes import Mask, Ring
    from labeling.records.pictures import CatalogPicture

ASPECT_TOLERANCE = 0.01
"""A shape of another size is scaled when its aspect ratio differs by less than this fraction."""


def upright_shape(
    shape: Shape,
    size: tuple[int, int] | None,
    picture: CatalogPicture,
    *,
    stretched: bool = False,
    shown: bool = False,
) -> Shape:
    """Return a shape in the upright pixels of its picture.

    Parameters
    ----------
    shape : Shape
        As the file has it.
    size : (int, int) or None
        What its coordinates refer to (see `PictureShapes.size`).
    picture : CatalogPicture
        The picture.
    stretched : bool
        The picture was compared by its pixels, so another aspect ratio is no sign of an error: the
        annotated copy was stretched.
    shown : bool
        See `PictureShapes.shown`.

    Raises
    ------
    MaskFormatError
        The size is not that of the picture.
    """
    upright = (picture.width, picture.height)
    turned = picture.exif_orientation in {5, 6, 7, 8}
    if size is None:
        return _moved(shape, lambda ring: ring * upright)
    if size == (0, 0):
        if shape.mask is None or shape.mask.shape == upright[::-1]:
            return shape
        size = (shape.mask.shape[1], shape.mask.shape[0])
    if size == upright:
        return shape
    if turned and size == upright[::-1] and shown and shape.mask is None:
        scale = np.array(upright) / size
        return shape if shape.kind == "rectangle" else _moved(shape, lambda ring: ring * scale)
    if turned and size == upright[::-1]:
        # The other tool ignored the EXIF rotation: shapes are rotated like the picture.
        orientation = picture.exif_orientation
        if shape.mask is not None:
            return replace(shape, mask=rotated(shape.mask, orientation))
        return _moved(shape, lambda ring: _rotated_ring(ring, orientation, *upright))
    scale = np.array(upright) / size
    uneven = abs(scale[0] / scale[1] - 1) > ASPECT_TOLERANCE
    if uneven and not stretched:
        raise MaskFormatError(
            f"it was drawn on {size[0]} x {size[1]} pixels, "
            f"but the picture has {upright[0]} x {upright[1]}"
        )
    if shape.mask is None:
        return _moved(shape, lambda ring: ring * scale)
    rows = ((np.arange(upright[1]) + 0.5) / scale[1]).astype(np.intp)
    columns = ((np.arange(upright[0]) + 0.5) / scale[0]).astype(np.intp)
    mask = shape.mask[np.ix_(rows.clip(0, size[1] - 1), columns.clip(0, size[0] - 1))]
    return replace(shape, mask=mask)


def frame_unknown(size: tuple[int, int] | None, picture: CatalogPicture) -> bool:
    """Return whether nothing says if shapes were drawn on a photo as stored or as EXIF turns it."""
    if picture.exif_orientation == 1:
        return False
    square = picture.width == picture.height
    turned = picture.exif_orientation in {5, 6, 7, 8} and not square
    return size in (None, (0, 0)) or not turned


def rotated(mask: Mask, orientation: int) -> Mask:
    """Apply an EXIF orientation (EXIF 2.3, tag 0x0112) to a mask."""
    flipped = mask.T if orientation in {5, 6, 7, 8} else mask
    if orientation in {2, 3, 6, 7}:
        flipped = flipped[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        flipped = flipped[::-1]
    return np.ascontiguousarray(flipped)


def _rotated_ring(ring: Ring, orientation: int, width: int, height: int) -> Ring:
    """Apply an EXIF orientation to corners; `width` and `height` are those of the result."""
    x, y = (ring[:, 1], ring[:, 0]) if orientation in {5, 6, 7, 8} else (ring[:, 0], ring[:, 1])
    if orientation in {2, 3, 6, 7}:
        x = width - x
    if orientation in {3, 4, 7, 8}:
        y = height - y
    return np.stack((x, y), axis=1)


def _moved(shape: Shape, move: Callable[[Ring], Ring]) -> Shape:
    return replace(shape, rings=tuple(move(ring) for ring in shape.rings))
