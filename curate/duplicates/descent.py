"""Which of two copies of the same size was made from the other.

Saving loses something, and the same loss happens again: a copy that was made of a picture, turned,
mirrored or in other light, is what comes out when that picture is turned, lit and saved with the
copy's own quantisation tables. The way back leads to something else. That is the dissimilarity of
image phylogeny (Dias, Rocha and Goldenstein, "Image phylogeny by minimal spanning trees", IEEE
TIFS 7, 2012), asked in both directions.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from bodyshop_core.engine.task import Item, Row, answer_each
from bodyshop_core.errors import TransientError, UnreadableImageError
from bodyshop_core.imaging import open_image
from curate.duplicates.lighting import LUMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.catalog import BlobRef

    RGB = NDArray[np.uint8]

VERSION = "descent-4"
"""Of this comparison, in the catalog's ``pair_checks``."""

MIN_DESCENT = 0.29
"""Score from which one is made from the other: its residue is at most 0.55 of the way back. Of 14
photos and 25 copies of each (saved at 40 to 97, turned, mirrored, 0.4 to 30 % brighter, darker,
with more contrast) 347 of 350 reach it; none is called the wrong way round: 0.61 of the way back is
the least there, where a copy has more saturation."""

CERTAIN = 0.8
"""Score below which the gain is looked for more closely, and a crowd's vote counts more: where a
hundredth of a level moves the rounding of a small picture, the wrong way had up to 0.54; of one of
259 x 194 pixels and its copy by gamma up to 0.63."""

SMALL = 200_000
"""Pixels up to which that is done: more of them tell the gain well enough, and cost most."""

MIN_RESIDUE = 0.01
"""Grey levels; below it the way back is as good."""

THOUSANDTHS = range(-4, 5)
"""By which a gain may be off that is estimated from the levels of a small picture."""

FROM_LOSSY, TO_LOSSY = 0.99, 0.6
"""Scores of a JPEG and a picture in another lossy format: from the first on the JPEG was made of
it, below the second it was made of the JPEG. Of 16 photos as WebP at 60 to 95 and AVIF at 60 and
85, then saved as JPEG at 50 to 95, all have 1.00. Of JPEGs as they are, or saved at 75 and 95, that
are then saved so, the most is 0.53; at 40 it is 0.96."""

MAX_LOSS = 4.0
"""Grey levels by which such a copy may differ: what differs by more was not only saved."""

SIDE = 512
"""Pixels of the middle of both pictures that are compared, in each direction."""

EXTENSIONS = frozenset({"jpg", "png", "bmp", "tif", "tiff", "webp", "avif"})
"""Formats that can be saved again as they were: JPEG with its tables, and those without loss; and
two that no camera writes, of which a JPEG may be made, or that may be made of one."""

_LOSSY = frozenset({"WEBP", "AVIF"})

_JPEG = frozenset({"JPEG", "MPO"})
"""Names of JPEG in Pillow: a phone's file with a second picture behind the first is MPO."""

_COARSEST = 255
"""Largest step of baseline JPEG; libjpeg warns on stderr of larger ones, which few files have."""

_ALIKE = 0.9
_THUMB = 32
_UNIT = 16
_PLAIN_MODES = frozenset({"RGB", "L", "P"})
_INSIDE = (5, 247)
_ROUNDS = 3


@dataclass(frozen=True)
class StoredPicture:
    """A picture as its file has it: not turned upright, its profile not applied.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        The levels of the file.
    tables : list of list of int, or None
        Quantisation tables of luma and chroma, 64 steps each, at most 255; None for a format
        without loss.
    sampling : int
        Chroma subsampling as Pillow numbers it: 0 to 2.
    lossy : bool
        Whether its format loses something that can't be had by saving it again.
    """

    rgb: RGB
    tables: list[list[int]] | None
    sampling: int
    lossy: bool = False


def compare_descent(items: list[Item]) -> list[Row]:
    """Compare pairs of copies; a shard function.

    Parameters
    ----------
    items : list of dict
        ``key``, ``first`` and ``second`` (each a `BlobRef`).

    Returns
    -------
    list of dict
        ``key`` and ``added`` (the score of `descent`), or ``error``.
    """

    def compared(item: Item) -> Row:
        first, second = (_stored(item[name]) for name in ("first", "second"))
        return {"added": 0.0 if first is None or second is None else descent(first, second)}

    return answer_each(items, compared)


def descent(first: StoredPicture, second: StoredPicture) -> float:
    """Measure which of two copies is made from the other.

    Parameters
    ----------
    first, second : StoredPicture
        Of one size, or turned by a right angle.

    Returns
    -------
    float
        -1 to 1: above `MIN_DESCENT` the second is made from the first, below its negative the first
        from the second; 0 when they are not comparable.
    """
    if first.lossy or second.lossy:
        return -_from_lossy(second, first) if second.lossy else _from_lossy(first, second)
    kind = (first.tables, first.sampling)
    if kind == (second.tables, second.sampling) and np.array_equal(first.rgb, second.rgb):
        return 0.0  # both ways are one
    score = _score(first, second, closely=False)
    if 0 < abs(score) < CERTAIN and first.rgb[..., 0].size <= SMALL:
        return _score(first, second, closely=True)
    return score


def _from_lossy(lossy: StoredPicture, other: StoredPicture) -> float:
    """Return 1 when a JPEG was made of a lossy picture, -1 when that was made of the JPEG, else 0.

    What comes out when the lossy picture is saved as the JPEG was is that JPEG, to the last level,
    or as far from it as before.
    """
    if other.tables is None:
        return 0.0
    saved, apart = residue(lossy.rgb, other), residue(other.rgb, lossy)
    if saved is None or apart is None or apart < MIN_RESIDUE:
        return 0.0
    score = (apart - saved) / (apart + saved)
    if score >= FROM_LOSSY:
        return 1.0
    return -1.0 if score < TO_LOSSY and apart <= MAX_LOSS else 0.0


def _score(first: StoredPicture, second: StoredPicture, *, closely: bool) -> float:
    back = residue(second.rgb, first, closely=closely)
    forth = residue(first.rgb, second, closely=closely)
    if back is None or forth is None or max(back, forth) < MIN_RESIDUE:
        return 0.0
    return round((back - forth) / (back + forth), 4)


def residue(source: RGB, copy: StoredPicture, *, closely: bool = False) -> float | None:
    """Return how far a picture, saved as a copy was, stays from that copy.

    Parameters
    ----------
    source : ndarray of uint8, shape (height, width, 3)
        The picture.
    copy : StoredPicture
        What it is compared with.
    closely : bool
        Whether gains around the likeliest are tried, too: a few thousandths more or less move a
        level here and there, which in a small picture is as much as is lost on the way back.

    Returns
    -------
    float or None
        Mean absolute difference in grey levels, the smallest of a few kinds of light; None when the
        two don't lie on one another in any of the eight ways.
    """
    placed = placed_on(source, copy.rgb)
    if placed is None:
        return None
    top, left = (max(0, side - SIDE) // 2 // _UNIT * _UNIT for side in copy.rgb.shape[:2])
    middle = np.s_[top : top + SIDE, left : left + SIDE]
    wanted = copy.rgb[middle]
    luma = wanted @ LUMA
    return min(
        float(np.abs(_saved(lit, copy) @ LUMA - luma).mean())
        for lit in _lit(np.ascontiguousarray(placed[middle]), wanted, closely)
    )


def stored_picture(source: bytes) -> StoredPicture | None:
    """Decode a picture for `descent`; None for one that it can't compare.

    Raises
    ------
    UnreadableImageError
        It can't be decoded.
    TransientError
        This machine has too little memory now.
    """
    with open_image(source) as image:
        is_jpeg = image.format in _JPEG
        plain = image.mode in _PLAIN_MODES and "transparency" not in image.info
        lossy = image.format in _LOSSY
        if not plain or not (is_jpeg or lossy or image.format in {"PNG", "BMP", "TIFF"}):
            return None
        tables = dict(getattr(image, "quantization", None) or {}) if is_jpeg else {}
        if is_jpeg and not tables:
            return None
        sampling = _sampling(image) if is_jpeg else 0
        try:
            rgb = np.asarray(image.convert("RGB"))
        except MemoryError as error:
            raise TransientError("too little memory to compare two copies") from error
        except (OSError, SyntaxError, ValueError) as error:
            raise UnreadableImageError(f"the picture is damaged: {error}") from error
    both = None
    if tables:
        both = [
            [min(step, _COARSEST) for step in tables[one]] for one in (min(tables), max(tables))
        ]
    return StoredPicture(rgb, both, sampling, lossy)


@lru_cache(maxsize=2)
def _stored(blob: BlobRef) -> StoredPicture | None:
    return stored_picture(blob.read())


def _sampling(image: Image.Image) -> int:
    from PIL.JpegImagePlugin import get_sampling

    sampling = int(get_sampling(image))
    return sampling if sampling in (0, 1, 2) else 2


def placed_on(source: RGB, copy: RGB) -> RGB | None:
    """Return the source as it lies on the copy: upright, turned or mirrored; None if it doesn't."""
    wanted = _thumb(copy)
    best, found = _ALIKE, None
    for side in (source, source[:, ::-1]):
        for quarters in range(4):
            turned = np.rot90(side, quarters)
            if turned.shape == copy.shape:
                alike = float((_thumb(turned) * wanted).mean())
                if alike > best:
                    best, found = alike, turned
    return found


def _thumb(picture: RGB) -> NDArray[np.float32]:
    """Return grey levels at 32 x 32 pixels with mean 0 and deviation 1."""
    grey = Image.fromarray(np.ascontiguousarray(picture)).convert("L")
    small = np.asarray(grey.resize((_THUMB, _THUMB), Image.Resampling.BOX), dtype=np.float32)
    return np.asarray((small - small.mean()) / max(float(small.std()), 1e-3), dtype=np.float32)


def _lit(source: RGB, copy: RGB, closely: bool) -> Iterator[RGB]:
    """Yield the source as it is, and in the light of the copy."""
    yield source
    low, high = _INSIDE
    sides = source.reshape(-1, 3).astype(np.float32), copy.reshape(-1, 3).astype(np.float32)
    inside = np.logical_and.reduce(
        [(side.min(axis=1) >= low) & (side.max(axis=1) <= high) for side in sides]
    )
    if inside.sum() < 200:
        return
    pair = [side[inside] for side in sides]
    grey = [side @ LUMA for side in pair]
    gain, offset = _line(*grey)
    if abs(gain - 1) <= 0.002 and abs(offset) <= 0.3:
        return
    levels = source.astype(np.float32)
    yield _levels(np.rint(gain * levels + offset))
    means = [float(side.mean()) for side in grey]
    for rounds, offset in ((np.rint, 0.0), (np.floor, 0.5)):  # programs round, or cut off
        factor = (means[1] + offset) / means[0]
        yield _levels(rounds(levels * factor))
        yield _levels(rounds(levels * round(factor, 2)))  # which people choose in hundredths
        for more in THOUSANDTHS if closely else ():
            yield _levels(rounds(levels * (round(factor, 3) + more / 1000)))
    lines = np.array([_line(pair[0][:, one], pair[1][:, one]) for one in range(3)], np.float32)
    yield _levels(np.rint(levels * lines[:, 0] + lines[:, 1]))


def _line(x: NDArray[np.float32], y: NDArray[np.float32]) -> tuple[float, float]:
    """Fit gain and offset of y on x without favouring either; a tenth may be something else."""
    keep = np.ones(len(x), dtype=bool)
    gain, offset = 1.0, 0.0
    for _ in range(_ROUNDS):
        spread = float(x[keep].std())
        if spread < 1:
            break
        gain = float(y[keep].std()) / spread
        offset = float(y[keep].mean()) - gain * float(x[keep].mean())
        misfit = np.abs(y - gain * x - offset)
        keep = misfit <= np.quantile(misfit, 0.9)
    return gain, offset


def _levels(values: NDArray[np.float32]) -> RGB:
    return np.asarray(np.clip(values, 0, 255), dtype=np.uint8)


def _saved(picture: RGB, like: StoredPicture) -> RGB:
    if like.tables is None:
        return picture
    stream = io.BytesIO()
    image = Image.fromarray(picture)
    image.save(stream, "JPEG", qtables=like.tables, subsampling=like.sampling)
    with open_image(stream.getvalue()) as again:
        return np.asarray(again.convert("RGB"))
