"""The views of a picture a gate is fitted on: other sizes, other compression, other sections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bodyshop.imaging import Equalise, equalise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VIEWS = ("original", "equalised", "wide", "narrow")
"""As it is; 256 pixels at quality 75; 50 to 80 % of each side; 25 to 45 % of each side."""

EQUALISED = Equalise(longest_side=256, jpeg_quality=75)

_SECTIONS = {"wide": (0.5, 0.8), "narrow": (0.25, 0.45)}
_SMALLEST = 32


def varied(
    rgb: NDArray[np.uint8], random: np.random.Generator
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield the views of one picture.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        A picture.
    random : numpy Generator
        Places the sections, mirrors half of them, and draws their size (160 to 640 pixels) and
        JPEG quality (40 to 95).

    Yields
    ------
    (name, ndarray of uint8)
        In the order of `VIEWS`.
    """
    import numpy as np

    yield "original", rgb
    yield "equalised", equalise(rgb, EQUALISED)
    height, width = rgb.shape[:2]
    for name, (low, high) in _SECTIONS.items():
        share = random.uniform(low, high)
        tall = min(height, max(_SMALLEST, round(height * share)))
        broad = min(width, max(_SMALLEST, round(width * share)))
        top = int(random.integers(0, height - tall + 1))
        left = int(random.integers(0, width - broad + 1))
        section = rgb[top : top + tall, left : left + broad]
        if random.random() < 0.5:
            section = section[:, ::-1]
        view = Equalise(int(random.integers(160, 640)), int(random.integers(40, 95)))
        yield name, equalise(np.ascontiguousarray(section), view)
