"""Instances as masks, and masks as instances.

A class mask that comes without instances is cut into its connected parts. Pixels that touch at a
corner belong together (8-connectivity): a thin diagonal scratch is one instance. Parts of fewer
than `MIN_PIXELS` pixels are no instances of their own; they belong to the nearest larger part, so
that nothing that was drawn is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.imaging.region_masks import fill_rings
from labeling.formats.polygons import outlines, with_seams
from labeling.formats.shapes import MaskFormatError, Shape

if TYPE_CHECKING:
    from labeling.formats.shapes import ExportPicture, Mask, Ring

MIN_PIXELS = 16
"""Smaller parts of a class mask belong to the nearest larger one."""


def shape_mask(shape: Shape, height: int, width: int) -> Mask:
    """Return the pixels of a shape, bool, shape (height, width).

    Raises
    ------
    MaskFormatError
        The shape is a mask of another size.
    """
    if shape.mask is not None:
        if shape.mask.shape != (height, width):
            raise MaskFormatError(
                f"a mask has {shape.mask.shape[1]} x {shape.mask.shape[0]} pixels, "
                f"but the picture has {width} x {height}"
            )
        return shape.mask
    return fill_rings(shape.rings, height, width, united=shape.united)


def split_instances(mask: Mask) -> list[Mask]:
    """Cut a class mask into instances, in the order of their first rows.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        Of one class.

    Returns
    -------
    list of ndarray of bool
        Of the same shape; together they are exactly the mask.
    """
    from scipy import ndimage

    parts, count = ndimage.label(mask, structure=np.ones((3, 3), int))
    if count < 2:
        return [mask] if count else []
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    large = np.flatnonzero(sizes >= MIN_PIXELS)
    large = large[large > 0]
    if len(large) == 0:
        return [mask]
    if len(large) < count:
        keep = np.isin(parts, large)
        nearest = ndimage.distance_transform_edt(~keep, return_distances=False, return_indices=True)
        parts = np.where(mask, parts[tuple(nearest)], 0)
    return [parts == number for number in large.tolist()]


def shapes_of_masks(masks: Mapping[str, Mask]) -> list[Shape]:
    """Return the instances of class masks as shapes of kind ``mask``."""
    return [
        Shape(label, mask=part, kind="mask")
        for label, mask in masks.items()
        for part in split_instances(mask)
    ]


def instances_of(picture: ExportPicture) -> list[Shape]:
    """Return the instances of a picture that is written, in upright pixels."""
    if picture.instances is not None:
        return list(picture.instances())
    return shapes_of_masks(picture.load())


def single_ring(shape: Shape, height: int, width: int) -> Ring | None:
    """Return one ring that gives exactly the pixels of a shape by the even-odd rule.

    A polygon inside the picture is returned as it was drawn. Holes and separate parts are joined by
    seams, which the ring follows in both directions. None for a shape without a pixel.
    """
    if shape.mask is None and len(shape.rings) == 1 and is_inside(shape.rings[0], height, width):
        return shape.rings[0]
    rings = pixel_rings(shape_mask(shape, height, width))
    if not rings:
        return None
    return with_seams(rings[0], rings[1:])


def pixel_rings(mask: Mask) -> list[Ring]:
    """Trace a mask along pixel edges; parts that touch at a corner share a ring."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return []
    top, left = int(rows[0]), int(columns[0])
    cut = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    return [np.add(ring, (left, top)) for ring in outlines(cut, corners_touch=True)]


def is_inside(ring: Ring, height: int, width: int) -> bool:
    """Return whether every corner lies on the picture; some readers refuse others."""
    return bool((ring >= 0).all() and (ring <= (width, height)).all())


def box_of(mask: Mask) -> tuple[int, int, int, int] | None:
    """Return left, top, width and height of a mask in pixels; None for an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top
