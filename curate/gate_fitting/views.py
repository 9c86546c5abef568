"""The views of a picture a gate is fitted on: other sizes, other compression, other sections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bodyshop_core.imaging import Equalise, equalise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VIEWS = ("original", "equalised", "wide", "narrow", "sharp")
"""As it is; 256 pixels at quality 75; 50 to 80 % of each side; 25 to 45 % of each side; 30 to 70 %
of each side with nothing else changed."""

NAMED_VIEWS = ("original", "equalised")
"""For a named probe: a section may lie beside the watermark that the picture was rejected for."""

EQUALISED = Equalise(longest_side=256, jpeg_quality=75)

_SECTIONS = {"wide": (0.5, 0.8), "narrow": (0.25, 0.45), "sharp": (0.3, 0.7)}
_SMALLEST = 32


def varied(rgb: NDArray[np.uint8], seed: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield the views of one picture.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        A picture.
    seed : int
        Places the sections, mirrors half of them, and draws their size (160 to 640 pixels) and
        JPEG quality (40 to 95); each view has random numbers of its own.

    Yields
    ------
    (name, ndarray of uint8)
        In the order of `VIEWS`.
    """
    import numpy as np

    yield "original", rgb
    yield "equalised", equalise(rgb, EQUALISED)
    for place, (name, shares) in enumerate(_SECTIONS.items()):
        random = np.random.default_rng([seed, place])
        section = _section(rgb, random, *shares)
        if name == "sharp":
            yield name, section
            continue
        view = Equalise(int(random.integers(160, 640)), int(random.integers(40, 95)))
        yield name, equalise(section, view)


def _section(
    rgb: NDArray[np.uint8], random: np.random.Generator, low: float, high: float
) -> NDArray[np.uint8]:
    import numpy as np

    height, width = rgb.shape[:2]
    share = random.uniform(low, high)
    tall = min(height, max(_SMALLEST, round(height * share)))
    broad = min(width, max(_SMALLEST, round(width * share)))
    top = int(random.integers(0, height - tall + 1))
    left = int(random.integers(0, width - broad + 1))
    section = rgb[top : top + tall, left : left + broad]
    return np.ascontiguousarray(section[:, ::-1] if random.random() < 0.5 else section)
