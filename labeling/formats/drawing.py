"""What every mask format is read into and written from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Ring = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """One shape of one class: rings for the even-odd rule, or a mask.

    Parameters
    ----------
    label : str
        The class as the file names it.
    rings : tuple of ndarray, shape (n, 2)
        Corners (x, y), in pixels of the drawing's size; fractions when it has none.
    mask : ndarray of bool, optional
        Shape (height, width) of the drawing's size, instead of rings.
    """

    label: str
    rings: tuple[Ring, ...] = ()
    mask: Mask | None = None


@dataclass(frozen=True)
class Drawing:
    """All that a file says about one picture.

    Parameters
    ----------
    name : str
        The picture's file name as the file writes it, perhaps with folders.
    size : (int, int) or None
        Width and height that the coordinates refer to; None: they are fractions.
    parts : tuple of Part
        The shapes.
    sha256 : str, optional
        Of the picture, when the file was written by bodyshop.
    problems : tuple of str
        Shapes that could not be read.
    """

    name: str
    size: tuple[int, int] | None
    parts: tuple[Part, ...] = ()
    sha256: str | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """One picture to be written, with its masks loaded when they are needed.

    Parameters
    ----------
    sha256 : str
        The picture.
    name : str
        Unique file name in the export.
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
