"""The common form that every mask format is read into and written from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.errors import MaskFormatError as MaskFormatError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Ring = NDArray[np.float64]

EXTENSIONS = (
    "jpg", "jpeg", "jpe", "png", "webp", "bmp", "gif", "tif", "tiff", "avif", "heic", "heif", "jfif"
)  # fmt: skip
"""Of picture files, as annotation files name them."""

SEVERITIES = ("minor", "moderate", "severe")
"""The values of a region's severity that bodyshop's own labelling configuration offers."""


@dataclass(frozen=True, eq=False)
class Shape:
    """One instance of one class: rings, or a mask.

    Parameters
    ----------
    label : str
        The class as the file names it; empty when the file gives none.
    rings : tuple of ndarray, shape (n, 2)
        Corners (x, y), in pixels of the picture's size; fractions when the file gives no size.
        Filled by the even-odd rule, or each by itself and united (see `united`).
    mask : ndarray of bool, optional
        Shape (height, width) of the picture's size, instead of rings.
    kind : str
        What was drawn: ``polygon``, ``rectangle``, ``ellipse`` or ``mask``.
    united : bool
        The rings are parts of one instance that may overlap, and none is a hole.
    severity, part : str, optional
        Of the damage (minor, moderate, severe), and of the car (door, bumper, ...).
    origin : str, optional
        ``manual``, ``prediction`` or ``prediction-changed``, as Label Studio says.
    place : str
        Where it stands in its file, such as ``annotation 7``, for messages.
    """

    label: str
    rings: tuple[Ring, ...] = ()
    mask: Mask | None = None
    kind: str = "polygon"
    united: bool = False
    severity: str | None = None
    part: str | None = None
    origin: str | None = None
    place: str = ""


@dataclass(frozen=True, eq=False)
class PictureShapes:
    """All shapes that a file holds for one picture.

    Parameters
    ----------
    name : str
        The picture's file name as the file writes it; it may contain folders, or be a URL.
    size : (int, int) or None
        Width and height that the coordinates refer to; None when they are fractions, (0, 0) when
        they are pixels of an unknown size.
    shapes : tuple of Shape
        The shapes.
    sha256 : str, optional
        Of the picture, when bodyshop wrote the file.
    problems : tuple of str
        Shapes that could not be read, one sentence each.
    names : tuple of str
        Further names of the picture, such as the one before an upload.
    bytes : int, optional
        Size of the picture's file, where the format states it.
    folder : Path, optional
        Where the format keeps the picture files that `name` refers to: beside the annotations.
    shown : bool
        Where the size is that of the stored pixels of a photo that EXIF turns, outlines were drawn
        on the photo as shown all the same, and boxes are in its pixels: Label Studio's COCO.
    """

    name: str
    size: tuple[int, int] | None
    shapes: tuple[Shape, ...] = ()
    sha256: str | None = None
    problems: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    bytes: int | None = None
    folder: Path | None = None
    shown: bool = False


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
    load : callable
        Returns class -> mask, bool, shape (height, width).
    licence : str, optional
        As recorded with the picture.
    instances : callable, optional
        Returns the instances as shapes, in upright pixels; default: the parts of each mask.
    """

    sha256: str
    name: str
    width: int
    height: int
    load: Callable[[], dict[str, Mask]] = field(repr=False)
    licence: str | None = None
    instances: Callable[[], Sequence[Shape]] | None = field(default=None, repr=False)
