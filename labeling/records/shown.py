"""The size at which labelers see a picture, and the way back to the picture's own pixels.

Painting on a large canvas is slow in a browser, so a large picture is shown at a working size: each
of its pixels is the mean of a block of `factor` x `factor` pixels, so the way back is exact. Blocks
at the right and the bottom edge may be cut by the edge.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from labeling.formats.shapes import Mask

WORKING_PIXELS = 1_500_000
"""About this many pixels are shown of a larger picture; between 0.6 and 2.3 times as many."""

KEPT = 0.8
"""A mask that would lose a larger share of its area at the working size is widened instead."""

_COPY = re.compile(r"[0-9a-f]{64}\.([0-9]{1,3})\.jpg\Z")


@dataclass(frozen=True)
class ShownSize:
    """A picture and its working size.

    Parameters
    ----------
    width, height : int
        Upright size of the picture in pixels.
    factor : int
        Side of the blocks; 1: the picture is shown as it is.
    """

    width: int
    height: int
    factor: int = 1

    @classmethod
    def of(cls, width: int, height: int) -> ShownSize:
        """Choose the working size of a picture."""
        blocks = math.sqrt(width * height / WORKING_PIXELS)
        return cls(width, height, max(1, round(blocks)))

    @classmethod
    def stated(cls, width: int, height: int, shown: tuple[object, object]) -> ShownSize | None:
        """Return how a picture was shown, by the size that a region states; None: not at all."""
        for each in (cls(width, height), cls.of(width, height)):
            if shown == each.size:
                return each
        return None

    @classmethod
    def at(cls, width: int, height: int, url: object) -> ShownSize:
        """Return how a task shows a picture, by the URL in it (see `copy_name`).

        A task keeps the URL that it was pushed with: that of the original, if it was pushed with
        ``--images url`` or before there were working sizes.
        """
        found = _COPY.search(url) if isinstance(url, str) else None
        return cls(width, height, max(1, int(found[1])) if found else 1)

    def copy_name(self, sha256: str) -> str:
        """Return the name of the smaller copy of a picture, from which `at` knows the factor."""
        return f"{sha256}.{self.factor}.jpg"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that are shown, in pixels."""
        return -(-self.width // self.factor), -(-self.height // self.factor)

    @property
    def canvas(self) -> tuple[int, int]:
        """Width and height in pixels of the picture that the shown pixels cover."""
        wide, high = self.size
        return wide * self.factor, high * self.factor

    def reduce(self, mask: Mask) -> Mask:
        """Return a mask of the picture at the working size: blocks that are at least half covered.

        Parameters
        ----------
        mask : ndarray of bool, shape (height, width)
            Of the picture.

        Returns
        -------
        ndarray of bool
            Of the shape that is shown. Thin shapes keep every block that they touch.
        """
        if self.factor == 1:
            return mask
        wide, high = self.size
        step = self.factor
        edges = ((0, high * step - self.height), (0, wide * step - self.width))
        blocks = np.pad(mask, edges).reshape(high, step, wide, step).sum(axis=(1, 3))
        inside = np.outer(
            np.minimum(step, self.height - step * np.arange(high)),
            np.minimum(step, self.width - step * np.arange(wide)),
        )
        covered = np.asarray(2 * blocks >= inside)
        if blocks[covered].sum() >= KEPT * blocks.sum():
            return covered
        return np.asarray(blocks > 0)

    def enlarge(self, mask: Mask) -> Mask:
        """Return a mask that was drawn at the working size in the picture's own pixels.

        Parameters
        ----------
        mask : ndarray of bool
            Of the shape that is shown.

        Returns
        -------
        ndarray of bool, shape (height, width)
            Every pixel has the value of its block.
        """
        if self.factor == 1:
            return mask
        whole = mask.repeat(self.factor, axis=0).repeat(self.factor, axis=1)
        return whole[: self.height, : self.width]
