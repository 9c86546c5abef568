"""How much of the original one member of a duplicate cluster still is.

Measured of cluster members only, from one full decode each: how strongly the picture was compressed
at any time, how much of it is bars of one colour, and what changes have left in its pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.engine.task import Item, Row, answer_each
from bodyshop_core.imaging import load_rgb
from curate.duplicates.traces import BLOCK, clipped_share, interpolation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]

VERSION = "copies-3"
"""Of these measures; results of another version are not used."""

UNCOMPRESSED = 100

PERIODIC = 0.55
"""Mean of cos(2 pi c / step) over a picture's coefficients from which they were quantised with this
step: 1 for exact multiples, about 0 for any other step."""

BAR_SPREAD = 4.0
"""Standard deviation, in grey levels, up to which a row or column counts as one colour."""

DARK_BAR, BRIGHT_BAR = 24, 246
"""Bars are black or white: a plain sky or studio background is neither."""

MIN_BAR = 0.02
"""Share of a side from which a border counts as a bar; below it is an edge of the photo."""

NO_BARS = 0.97
"""Share of content from which a picture has no bars. Where one has, the blocks of its compression
are not where they are looked for, and its quality is not known."""

_SIDE = 1024
_FREQUENCIES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2), (0, 3), (3, 0))
_QUALITIES = range(5, 97)
_MIN_COEFFICIENTS = 40


@dataclass(frozen=True)
class CopyFacts:
    """What is left of the original in one copy.

    Parameters
    ----------
    quality : int
        Lowest JPEG quality it was ever saved with; 100 when none is seen.
    content : float
        Share of the picture inside of black or white bars, 0 to 1.
    overlaid : bool
        Whether somebody wrote on it, compared with another finalist.
    clipped : float
        Share of the picture at its brightest level, 0 to 1.
    resampled : float or None
        Frequency that enlarging it has left; see `curate.duplicates.traces.interpolation`.
    framed : bool
        Whether it shows another member inside of something else: a screenshot, say.
    derived : bool
        Whether it was made from another member: saved again, turned, relit, or by the vote of a
        crowd in any way.
    made_from : str or None
        That member, where a crowd has told.
    camera : bool
        Whether its file still names the camera.
    """

    quality: int = 100
    content: float = 1.0
    overlaid: bool = False
    clipped: float = 0.0
    resampled: float | None = None
    framed: bool = False
    derived: bool = False
    made_from: str | None = None
    camera: bool = False


def measure_copies(items: list[Item]) -> list[Row]:
    """Measure members of duplicate clusters; a shard function.

    Parameters
    ----------
    items : list of dict
        ``key`` (sha256) and ``blob`` (a `BlobRef`).

    Returns
    -------
    list of dict
        ``key``, ``quality``, ``content``, ``clipped`` and ``resampled``, or ``error``.
    """
    import cv2

    cv2.setNumThreads(1)

    def measured(item: Item) -> Row:
        rgb = load_rgb(item["blob"].read())
        grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        return {
            "quality": lowest_quality(grey),
            "content": content_share(grey),
            "clipped": clipped_share(grey),
            "resampled": interpolation(grey),
        }

    return answer_each(items, measured)


def lowest_quality(grey: Grey) -> int:
    """Estimate the lowest JPEG quality that a picture was ever saved with, from its pixels.

    The coefficients of an 8 x 8 block are multiples of the step they were quantised with, and stay
    near them when the picture is saved again with a finer step (Fridrich and Lukas, "Estimation of
    primary quantization matrix in double compressed JPEG images", DFRWS 2003).

    Parameters
    ----------
    grey : ndarray of uint8, shape (height, width)
        Luma in full size, neither turned, cropped nor resized since: otherwise the blocks are not
        where they are looked for.

    Returns
    -------
    int
        5 to 96 on libjpeg's scale; 100 when no step fits.
    """
    coefficients = _coefficients(grey)
    if coefficients is None:
        return UNCOMPRESSED
    agreement = cache(partial(_agreement, coefficients))  # steps of many qualities are the same
    fits = {quality: _fit(agreement, quality) for quality in _QUALITIES}
    first = next((quality for quality, fit in fits.items() if fit >= PERIODIC), None)
    if first is None:
        return UNCOMPRESSED
    # Steps a little coarser than the true one fit a little: the best one near is it.
    near = [quality for quality in _QUALITIES if first <= quality <= first + 8]
    return max(near, key=lambda quality: (fits[quality], -quality))


def content_share(grey: Grey) -> float:
    """Return the share of a picture inside of black or white bars at its edges, 0 to 1.

    Parameters
    ----------
    grey : ndarray of uint8, shape (height, width)
        Upright or not.
    """
    height, width = grey.shape
    top, bottom = _bar(grey), _bar(grey[::-1])
    left, right = _bar(grey.T), _bar(grey[:, ::-1].T)
    if top + bottom >= height or left + right >= width:
        return 1.0
    return (height - top - bottom) * (width - left - right) / (height * width)


def _coefficients(grey: Grey) -> NDArray[np.float32] | None:
    """Return the low coefficients of all blocks, shape (blocks, frequencies)."""
    from scipy.fft import dctn

    height, width = (min(side, _SIDE) // BLOCK * BLOCK for side in grey.shape)
    if height * width < 16 * BLOCK * BLOCK:
        return None
    blocks = (
        grey[:height, :width]
        .astype(np.float32)
        .reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
        .transpose(0, 2, 1, 3)
        .reshape(-1, BLOCK, BLOCK)
    )
    clipped = (blocks.max(axis=(1, 2)) >= 254) | (blocks.min(axis=(1, 2)) <= 1)
    blocks = blocks[~clipped]
    if len(blocks) < _MIN_COEFFICIENTS:
        return None
    transformed = dctn(blocks - 128, axes=(1, 2), norm="ortho")
    return np.stack([transformed[:, row, column] for row, column in _FREQUENCIES], axis=1)


def _fit(agreement: Callable[[int, int], float | None], quality: int) -> float:
    """Return how well the coefficients are multiples of the steps of a quality, at most 1."""
    found = [agreement(place, step) for place, step in enumerate(_steps(quality)) if step >= 2]
    agreements = [each for each in found if each is not None]
    return float(np.median(agreements)) if len(agreements) >= 2 else 0.0


def _agreement(coefficients: NDArray[np.float32], place: int, step: int) -> float | None:
    """Return how well one frequency's coefficients are multiples of a step; None for too few."""
    values = coefficients[:, place]
    large = values[np.abs(values) > 0.6 * step]
    if len(large) < _MIN_COEFFICIENTS:
        return None
    return float(np.cos(2 * np.pi / step * large).mean())


@cache
def _steps(quality: int) -> tuple[int, ...]:
    from curate.measure.header import luminance_table

    table = luminance_table(quality)
    return tuple(int(table[row, column]) for row, column in _FREQUENCIES)


def _bar(grey: NDArray[Any]) -> int:
    """Return how many rows from the top on are a bar."""
    means, spreads = grey.mean(axis=1), grey.std(axis=1)
    dark, bright = means[0] <= DARK_BAR, means[0] >= BRIGHT_BAR
    if not (dark or bright):
        return 0
    plain = (spreads <= BAR_SPREAD) & ((means <= DARK_BAR) if dark else (means >= BRIGHT_BAR))
    rows = len(grey) if plain.all() else int(np.argmin(plain))
    return rows if rows >= max(2, MIN_BAR * len(grey)) else 0
