"""Where the windows of a picture are, and what a damage mask says about each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 448
"""Side of the square that a whole picture is squeezed into, in pixels."""

PREPARATION_VERSION = 1
"""Raised whenever the same picture would come out of `squeeze` as other pixels."""

CELL = 32
"""Side of the network's smallest unit, in pixels: the stride of its last block."""

FINE = 56
"""Cells of 8 pixels on each side of the picture, which are judged one by one."""

SIZES = ((3, 2), (5, 3), (8, 3), (14, 1))
"""Side and step of the windows in cells: 21, 36, 57 and 100 % of the picture's sides."""

COVERED = 0.08
"""A window shows damage when this share of its area does …"""

HELD, COVERED_AT_LEAST = 0.5, 0.02
"""… or when it holds this share of a region that covers at least this share of it."""


def boxes() -> NDArray[np.float32]:
    """Return the windows in the order of the network's output, shape (windows, 4).

    Returns
    -------
    ndarray of float32
        Left, top, right and bottom, as shares of the picture's width and height.
    """
    cells = SIDE // CELL
    found = [
        (x, y, x + size, y + size)
        for size, step in SIZES
        for y in range(0, cells - size + 1, step)
        for x in range(0, cells - size + 1, step)
    ]
    return np.asarray(np.array(found) / cells, np.float32)


def squeeze(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a whole picture as the network sees it, uint8, shape (SIDE, SIDE, 3)."""
    from PIL import Image

    image = Image.fromarray(rgb).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image)


def window_labels(
    damage: NDArray[np.bool_], ignored: NDArray[np.bool_] | None = None
) -> NDArray[np.int8]:
    """Say which windows show damage.

    Parameters
    ----------
    damage : ndarray of bool, shape (SIDE, SIDE)
        Pixels that people marked, in the squeezed picture.
    ignored : ndarray of bool, shape (SIDE, SIDE), optional
        Pixels that are neither, such as bare primer: a window that has some and no damage is
        unknown.

    Returns
    -------
    ndarray of int8, shape (windows,)
        1 for damage, 0 for none at all, -1 where it can't be said.
    """
    from scipy.ndimage import label

    covered = _shares(damage)
    regions, count = label(damage, np.ones((3, 3), int))
    held = np.zeros(len(covered))
    for number in range(1, count + 1):
        region = regions == number
        held = np.maximum(held, _shares(region) * _areas() / region.sum())
    found = np.full(len(covered), -1, np.int8)
    clean = covered == 0
    if ignored is not None:
        clean &= _shares(ignored) == 0
    found[clean] = 0
    found[(covered >= COVERED) | ((held >= HELD) & (covered >= COVERED_AT_LEAST))] = 1
    return found


def _shares(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of each window that a mask covers, by a summed-area table."""
    table = np.zeros((SIDE + 1, SIDE + 1))
    table[1:, 1:] = mask.astype(np.float64).cumsum(axis=0).cumsum(axis=1)
    left, top, right, bottom = (boxes() * SIDE).round().astype(int).T
    inside = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    return np.asarray(inside / _areas())


def _areas() -> NDArray[np.float64]:
    left, top, right, bottom = (boxes() * SIDE).round().T
    return np.asarray((right - left) * (bottom - top), np.float64)
