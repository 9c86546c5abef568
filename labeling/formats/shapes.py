"""The common form that every mask format is read into and written from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Ring = NDArray[np.float64]


class MaskFormatError(BodyshopError):
    """A mask that can't be decoded, or whose size does not match its picture."""


@dataclass(frozen=True)
class Shape:
    """One shape of one class: rings filled by the even-odd rule, or a mask.

    Parameters
    ----------
    label : str
        The class as the file names it.
    rings : tuple of ndarray, shape (n, 2)
        Corners (x, y), in pixels of the picture's size; fractions when the file gives no size.
    mask : ndarray of bool, optional
        Shape (height, width) of the picture's size, instead of rings.
    """

    label: str
    rings: tuple[Ring, ...] = ()
    mask: Mask | None = None


@dataclass(frozen=True)
class PictureShapes:
    """All shapes that a file holds for one picture.

    Parameters
    ----------
    name : str
        The picture's file name as the file writes it; it may contain folders.
    size : (int, int) or None
        Width and height that the coordinates refer to; None when they are fractions, (0, 0) when
        they are pixels of an unknown size.
    shapes : tuple of Shape
        The shapes.
    sha256 : str, optional
        Of the picture, when bodyshop wrote the file.
    problems : tuple of str
        Shapes that could not be read, one sentence each.
    """

    name: str
    size: tuple[int, int] | None
    shapes: tuple[Shape, ...] = ()
    sha256: str | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportPicture:
    """One picture to be written; its masks are loaded when they are needed.

    Parameters
    ----------
    sha256 : str
        The picture.
    name : str
        File name, unique in the export.
    width, height : int
        Upright size in pixels.
    licence : str, optional
        As recorded with the picture.
    load : callable
        Returns class -> mask, bool, shape (height, width).
    """

    sha256: str
    name: str
    width: int
    height: int
    load: Callable[[], dict[str, Mask]] = field(repr=False)
    licence: str | None = None
