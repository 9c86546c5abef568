"""A picture as squares that cover all of it: how a network of fixed input sees whole pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from bodyshop_core.errors import UnreadableImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

OVERLAP = 1 / 8
"""Neighbouring squares share at least this part of their side: damage on a seam is whole in one."""

MAX_SQUARES = 512
"""Of one picture. Eight rows of a picture of 7 : 1 are 456; a line of 60,000 x 1 pixels would be
scaled up to nearly 70,000."""

MASK_LEVEL = 128
"""A mask's pixel belongs to the damage from this grey level on."""


@dataclass(frozen=True)
class Tiling:
    """The squares of a picture of one size.

    The picture is scaled with its aspect ratio kept, so that `rows` squares cover the shorter side.
    It is not enlarged for more than one row.

    Parameters
    ----------
    height, width : int
        Of the picture, in pixels.
    side : int
        Of the squares, in pixels.
    rows : int
        Squares along the picture's shorter side, at least 1.
    """

    height: int
    width: int
    side: int
    rows: int = 1

    @classmethod
    def of(cls, shape: tuple[int, ...], side: int, rows: int, *, name: str) -> Tiling:
        """Return the squares of a picture.

        Parameters
        ----------
        shape : tuple of int
            Its height and width, and what may follow.
        side, rows : int
            As of the class.
        name : str
            What it is called in an error.

        Raises
        ------
        UnreadableImageError
            It needs more than `MAX_SQUARES`.
        """
        height, width = shape[:2]
        tiling = cls(height, width, side, rows)
        if tiling.count > MAX_SQUARES:
            raise UnreadableImageError(
                f"{name} is too thin: {width} x {height} pixels need {tiling.count} squares of "
                f"{side} pixels, more than the limit of {MAX_SQUARES}",
                hint="crop it",
            )
        return tiling

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width of the scaled picture, each at least `side`."""
        short, long = sorted((self.height, self.width))
        rows = min(self.rows, max(1, short // self.side))
        scaled = self.side + (rows - 1) * (self.side - self._shared)
        other = max(scaled, round(long * scaled / short))
        return (scaled, other) if self.height <= self.width else (other, scaled)

    @property
    def corners(self) -> list[tuple[int, int]]:
        """Top and left of each square on the canvas, row by row."""
        tops, lefts = (self._starts(length) for length in self.canvas)
        return [(top, left) for top in tops for left in lefts]

    @property
    def count(self) -> int:
        """Number of the squares."""
        return math.prod(map(self._along, self.canvas))

    def cut(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the squares of the picture, uint8, shape (n, side, side, 3)."""
        return self._squares(self.scale(rgb))

    def cut_mask(self, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return the squares of a mask of the picture, 0 or 1, shape (n, side, side)."""
        return self._squares(scale_mask(mask, self.canvas))

    def scale(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the picture as large as the canvas."""
        height, width = self.canvas
        if rgb.shape[:2] == (height, width):
            return rgb
        image = Image.fromarray(rgb).resize(
            (width, height), Image.Resampling.BICUBIC, reducing_gap=2.0
        )
        return np.asarray(image)

    def merge(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put the squares' maps together.

        Where squares overlap, the mean counts with weights that fall towards a square's border,
        where a network sees the least around a pixel.

        Parameters
        ----------
        maps : ndarray of float, shape (n, side, side, channels)
            One per square, in the order of `corners`.

        Returns
        -------
        ndarray of float32, shape (canvas height, canvas width, channels)
            Of the whole picture.
        """
        total = np.zeros((*self.canvas, maps.shape[-1]), np.float32)
        sums = np.zeros((*self.canvas, 1), np.float32)
        ramp = 1 - np.abs(np.linspace(-1, 1, self.side + 2)[1:-1])
        weight = np.minimum(ramp[:, None], ramp[None])[..., None].astype(np.float32)
        for (top, left), each in zip(self.corners, maps, strict=True):
            part = np.s_[top : top + self.side, left : left + self.side]
            total[part] += weight * each
            sums[part] += weight
        return np.asarray(total / sums)

    @property
    def _shared(self) -> int:
        return round(self.side * OVERLAP)

    def _along(self, length: int) -> int:
        if length <= self.side:
            return 1
        return max(2, math.ceil((length - self._shared) / (self.side - self._shared)))

    def _starts(self, length: int) -> list[int]:
        starts = np.linspace(0, length - self.side, self._along(length))
        return [round(start) for start in starts]

    def _squares(self, canvas: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.stack(
            [canvas[top : top + self.side, left : left + self.side] for top, left in self.corners]
        )


def scale_mask(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a mask in another size (height, width), 0 or 1: the larger part of a pixel decides."""
    height, width = shape
    image = Image.fromarray(mask.astype(np.uint8) * 255).resize(
        (width, height), Image.Resampling.BOX
    )
    return (np.asarray(image) >= MASK_LEVEL).astype(np.uint8)


def scale_maps(maps: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return maps (height, width, channels) in another size, interpolated between pixels."""
    height, width = shape
    each = [
        Image.fromarray(np.ascontiguousarray(maps[..., index])).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        for index in range(maps.shape[-1])
    ]
    return np.stack([np.asarray(image) for image in each], axis=-1)
