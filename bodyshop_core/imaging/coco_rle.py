"""COCO's run-length encoding: column by column, as a list or as compressed text.

Source: ``common/maskApi.c`` of https://github.com/cocodataset/cocoapi (rleToString, rleFrString).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.errors import MaskFormatError
from bodyshop_core.imaging.limits import MAX_PIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray


def encode(mask: NDArray[np.bool_]) -> str:
    """Encode a mask, bool (height, width), as COCO's compressed ``counts`` text."""
    counts = to_counts(mask)
    text = bytearray()
    for place, count in enumerate(counts):
        # From the fourth count on, the difference to the count two places before is stored.
        value = count - counts[place - 2] if place > 2 else count
        while True:
            low = value & 0x1F
            value >>= 5
            more = value != -1 if low & 0x10 else value != 0
            text.append((low | 0x20 if more else low) + 48)
            if not more:
                break
    return text.decode("ascii")


def decode(counts: str | bytes | Sequence[int], height: int, width: int) -> NDArray[np.bool_]:
    """Decode ``counts``, text or list, into a mask, bool (height, width).

    Raises
    ------
    MaskFormatError
        The counts are damaged or belong to a mask of another size, or the mask is too large.
    """
    if height * width > MAX_PIXELS:
        raise MaskFormatError(f"a mask of {width} x {height} pixels is too large")
    if not isinstance(counts, str | bytes | list | tuple):
        raise MaskFormatError("COCO run lengths must be text or a list of numbers")
    numbers = _unpack(counts) if isinstance(counts, str | bytes) else list(counts)
    if any(type(n) is not int or n < 0 for n in numbers) or sum(numbers) != height * width:
        raise MaskFormatError(f"COCO run lengths do not match {width} x {height} pixels")
    values = np.arange(len(numbers)) % 2 == 1
    return np.repeat(values, numbers).reshape(width, height).T


def to_counts(mask: NDArray[np.bool_]) -> list[int]:
    """Return the lengths of alternating runs; the first one, which may be 0, is background."""
    flat = np.asfortranarray(mask, dtype=bool).ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate(([0], edges, [flat.size]))).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def _unpack(text: str | bytes) -> list[int]:
    data = text.encode("ascii", "replace") if isinstance(text, str) else text
    numbers: list[int] = []
    place = 0
    while place < len(data):
        value, shift = 0, 0
        while True:
            if place >= len(data) or shift > 60:
                raise MaskFormatError("COCO run lengths end in the middle of a number")
            symbol = data[place] - 48
            place += 1
            value |= (symbol & 0x1F) << shift
            shift += 5
            if not symbol & 0x20:
                break
        if symbol & 0x10:
            value -= 1 << shift
        if len(numbers) > 2:
            value += numbers[-2]
        numbers.append(value)
    return numbers
