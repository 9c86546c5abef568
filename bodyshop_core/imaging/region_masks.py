"""The pixels of a region of the catalog (``regions.geometry``).

Coordinates are in pixels with (0, 0) at the top left *corner* of the picture; a pixel belongs to a
polygon if its centre does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.errors import MaskFormatError
from bodyshop_core.imaging import coco_rle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ring = NDArray[np.float64]


FAR = 1e9
"""Pixels from which on a coordinate is an error: far beyond every picture, and exact in a float."""


def region_mask(geometry: Mapping[str, Any], height: int, width: int) -> NDArray[np.bool_]:
    """Return the pixels of a region.

    Parameters
    ----------
    geometry : Mapping
        As the table ``regions`` has it: ``{"rings": [[x1, y1, ...], ...], "united": bool}`` or
        ``{"size": [height, width], "counts": text}``.
    height, width : int
        Upright size of the picture, in pixels.

    Returns
    -------
    ndarray of bool, shape (height, width)
        The mask.

    Raises
    ------
    MaskFormatError
        The region is a mask of another size, or is damaged.
    """
    if "counts" in geometry:
        if list(geometry["size"]) != [height, width]:
            stated = geometry["size"]
            raise MaskFormatError(
                f"a mask has {stated[1]} x {stated[0]} pixels, "
                f"but the picture has {width} x {height}"
            )
        return coco_rle.decode(geometry["counts"], height, width)
    rings = [np.asarray(ring, np.float64).reshape(-1, 2) for ring in geometry["rings"]]
    return fill_rings(rings, height, width, united=bool(geometry.get("united")))


def fill_rings(
    rings: Sequence[Ring], height: int, width: int, *, united: bool = False
) -> NDArray[np.bool_]:
    """Fill rings as `rasterise` does, or with `united` each by itself: parts that may overlap."""
    if not united:
        return rasterise(rings, height, width)
    whole = np.zeros((height, width), np.bool_)
    for ring in rings:
        whole |= rasterise([ring], height, width)
    return whole


def rasterise(
    rings: Iterable[Sequence[Sequence[float]] | Ring], height: int, width: int
) -> NDArray[np.bool_]:
    """Fill rings by the even-odd rule at pixel centres.

    Parameters
    ----------
    rings : iterable of array-like, shape (n, 2)
        Corners (x, y) in pixels, closed implicitly. A ring inside another one is a hole; rings of
        several polygons that may overlap need one call each; unite the masks.
    height, width : int
        Of the mask. What is outside is cut off.

    Returns
    -------
    ndarray of bool, shape (height, width)
        The filled mask.

    Raises
    ------
    MaskFormatError
        A corner lies absurdly far away, or nowhere.
    """
    toggles = np.zeros((height, width + 1), np.bool_)
    for ring in rings:
        corners = np.asarray(ring, np.float64).reshape(-1, 2)
        if not (np.abs(corners) <= FAR).all():
            raise MaskFormatError(f"a corner lies more than {FAR:g} pixels away")
        if len(corners) >= 3:
            _toggle(toggles, corners)
    return np.logical_xor.accumulate(toggles[:, :width], axis=1)


def _toggle(toggles: NDArray[np.bool_], corners: Ring) -> None:
    """Flip, in each row an edge crosses, the first pixel whose centre is right of the crossing."""
    height, width = toggles.shape[0], toggles.shape[1] - 1
    ends = np.roll(corners, -1, axis=0)
    for (x0, y0), (x1, y1) in zip(corners.tolist(), ends.tolist(), strict=True):
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        first, last = max(0, int(np.ceil(y0 - 0.5))), min(height, int(np.ceil(y1 - 0.5)))
        if first >= last:
            continue
        rows = np.arange(first, last)
        crossing = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
        columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.intp)
        toggles[rows, columns] ^= True
