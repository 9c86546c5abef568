"""How far two pictures, laid over one another, differ once a change of light has been undone.

A brightened copy follows from its original by one gain and offset per channel, up to where light
is clipped. A camera or program clips before anything is made smaller or smoother, so the darker
picture is brightened and clipped here at full sharpness and smoothed after that; otherwise every
edge of a white area would look like a difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]
    Levels = NDArray[np.float32]

SATURATED = 235
"""A pixel this bright (after smoothing) may have been brighter still before it was clipped."""

UNDIMMED = 200
"""Below it, grain that was clipped in the original size has not dimmed a smoothed pixel either."""

CLIPPED = 250
"""A pixel this bright, before smoothing, is taken as clipped: JPEG moves 255 by a few levels."""

MIN_SOUND = 0.05
"""Share of the overlap that must be unclipped to estimate a channel's gain from it alone."""

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601 weights of red, green and blue."""

GREY_SPREAD = 3.0
"""Mean spread of the channels, in grey levels, below which a picture has no colour."""

HUES_FOLLOW = 0.5
"""Correlation, after any linear map of one picture's colours onto the other's, from which their
colours say something: 0.72 and more in copies of 70 photos down to quality 10, at most 0.1 in a
copy toned in sepia."""

HUES_AGREE = 0.8
"""Share of that correlation that is there without any map, below which the hues were turned: 0.93
and more in those copies (re-saved, relit, warmer, colder, cropped, written on, more or less
saturated), 0.85 at quality 5; 0.50 at most with hues turned by 60 degrees, 0.08 by 90, -0.36 with
red and blue exchanged. By 30 degrees it is 0.85 to 0.89: such a faint change is not seen."""

MIN_COLOUR = 1.0
"""Grey levels, root mean square, of the colours that may say something: a photo of a silver car has
1.4. A picture without any can't be recoloured by turning its hues."""

UNUSUAL = 4.0
"""Times the median of a picture's colours, around their middle, from which they are left out."""

_FEW_PLACES = 200
_AROUND = 5
_ROUNDS = 3
_REWEIGHTED = 8
_GAINS = (0.5, 2.0)


@dataclass(frozen=True)
class Relit:
    """Two pictures in the same light, at the n places that both show.

    Parameters
    ----------
    first, second : ndarray of float32, shape (n, 3) or (n, 1)
        Their levels, the darker one brightened, channel by channel; one channel of grey when either
        has no colour.
    misfit : ndarray of float32, shape (n,)
        Grey levels, of the channel where it is largest, by which they disagree.
    alike : bool
        Whether both have colour, or neither.
    colours : tuple of ndarray of float32, shape (n, 3)
        Levels that say in which colours they are, also where that is next to none.
    """

    first: Levels
    second: Levels
    misfit: Levels
    alike: bool
    colours: tuple[Levels, Levels]

    def grey(self) -> tuple[Levels, Levels]:
        """Return both as grey levels, shape (n,)."""
        if self.first.shape[1] == 1:
            return self.first[:, 0], self.second[:, 0]
        return self.first @ LUMA, self.second @ LUMA


def hues_turned(lit: Relit, where: NDArray[np.bool_]) -> bool:
    """Return whether one of two aligned pictures was recoloured.

    Their red and blue differences from luma are compared, without what follows from luma alone:
    relighting, warmer light and noise leave their direction, another paint turns it. Weak colours
    show that as well as strong ones, as long as they are more than noise.

    Parameters
    ----------
    lit : Relit
        The pictures in the same light.
    where : ndarray of bool, shape (n,)
        Places that count: where nothing is clipped.
    """
    sides = lit.colours[0][where], lit.colours[1][where]
    if len(sides[0]) < _FEW_PLACES:
        return False
    if _turned(*sides):
        return True
    usual = _usual_colours(*sides)  # letters may be all the colour there is
    return not usual.all() and _turned(sides[0][usual], sides[1][usual])


def _turned(first: Levels, second: Levels) -> bool:
    if len(first) < _FEW_PLACES:
        return False
    a, b = _colours(first), _colours(second)
    strong = [float(np.sqrt((side**2).sum(axis=1).mean())) for side in (a, b)]
    if min(strong) < MIN_COLOUR:
        return False
    agree = float((a * b).sum(axis=1).mean()) / (strong[0] * strong[1])
    follow = min(_explained(a, b) / strong[1], _explained(b, a) / strong[0])
    return follow >= HUES_FOLLOW and agree < HUES_AGREE * follow


def relight(
    first: Picture,
    second: Picture,
    place_first: Callable[[Picture], NDArray[Any]],
    place_second: Callable[[Picture], NDArray[Any]],
) -> Relit:
    """Brighten the darker picture, channel by channel, so that it comes nearest to the other.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (height, width, 3)
        The pictures; each has its own shape.
    place_first, place_second : callable
        Smooth such a picture (of 3 channels or of 1) and return its levels at the n places where
        they overlap, the same places in the same order: shape (n, 3) or (n,).
    """
    sides = [_Side(first, place_first), _Side(second, place_second)]
    coloured = [_has_colour(side.levels) for side in sides]
    seen = sides[0].levels, sides[1].levels
    if not all(coloured):
        sides = [_Side(_grey(side.picture), side.place) for side in sides]
    sound = _sound(*sides)
    keep = sound
    for _ in range(_ROUNDS):
        tables = _tables(*_lines(sides[1].levels, sides[0].levels, keep))
        lit = [
            side.at(_mapped(side.picture, table)) for side, table in zip(sides, tables, strict=True)
        ]
        misfit = _misfit(sides, tables, lit)
        keep = sound & (misfit <= np.maximum(6.0, _upper_quartile(misfit, sound)))
    colours = (lit[0], lit[1]) if all(coloured) else seen
    return Relit(lit[0], lit[1], misfit.max(axis=1), coloured[0] == coloured[1], colours)


def _usual_colours(first: Levels, second: Levels) -> NDArray[np.bool_]:
    """Mark the places where neither picture has far stronger colours than in most of it."""
    usual = np.ones(len(first), dtype=bool)
    for levels in (first, second):
        difference = levels[:, ::2] - (levels @ LUMA)[:, None]
        strong = np.hypot(*(difference - np.median(difference, axis=0)).T)
        usual &= strong <= UNUSUAL * (np.median(strong) + 0.5)
    return usual


def _colours(levels: Levels) -> NDArray[np.float64]:
    """Return red and blue minus luma (as Cr and Cb), shape (n, 2), without what luma explains."""
    luma = (levels @ LUMA).astype(np.float64)
    luma -= luma.mean()
    difference = (levels[:, ::2] - (levels @ LUMA)[:, None]) * np.array([0.713, 0.564])
    difference = difference - difference.mean(axis=0)
    slope = luma @ difference / (luma @ luma + 1)
    return np.asarray(difference - luma[:, None] * slope, dtype=np.float64)


def _explained(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the root mean square of what a linear map of `a` explains of `b`."""
    fitted = a @ np.linalg.lstsq(a, b, rcond=None)[0]
    return float(np.sqrt((fitted**2).sum(axis=1).mean()))


class _Side:
    """One of the two pictures, with what surrounds each place: the extremes before smoothing."""

    def __init__(self, picture: Picture, place: Callable[[Picture], NDArray[Any]]) -> None:
        import cv2

        self.picture, self.place = picture, place
        self.levels = self.at(picture)
        around = np.ones((_AROUND, _AROUND), np.uint8)
        self.highest = self.at(np.asarray(cv2.dilate(picture, around), dtype=np.uint8))
        self.lowest = self.at(np.asarray(cv2.erode(picture, around), dtype=np.uint8))

    def at(self, picture: Picture) -> Levels:
        values = self.place(picture)
        return values.reshape(len(values), -1).astype(np.float32)


def _sound(first: _Side, second: _Side) -> NDArray[np.bool_]:
    """Mark, per channel, the places that no clipping has touched; none in channels with too few."""
    clipped = [
        side.at((side.picture >= CLIPPED).astype(np.uint8) * 255) for side in (first, second)
    ]
    whole = np.maximum(*clipped) < 8
    brighter = np.maximum(first.levels, second.levels)
    sound = whole & (brighter < UNDIMMED)
    for limit in (SATURATED, 0):
        few = sound.mean(axis=0) < MIN_SOUND
        sound[:, few] = (whole & (brighter < limit))[:, few]
    return sound if sound.any() else np.ones_like(sound)


def _lines(x: Levels, y: Levels, keep: NDArray[np.bool_]) -> tuple[list[float], list[float]]:
    """Return gain and offset per channel, y = gain * x + offset; the mean for channels without."""
    fits = [
        _line(x[own, channel], y[own, channel]) if own.any() else (np.nan, np.nan)
        for channel, own in enumerate(keep.T)
    ]
    table = np.array(fits)
    table = np.where(np.isnan(table), np.nanmean(table, axis=0), table)
    return table[:, 0].tolist(), table[:, 1].tolist()


def _line(x: Levels, y: Levels) -> tuple[float, float]:
    """Fit by least absolute deviations (reweighted squares): a tenth that is clipped counts little.

    Schlossmacher, "An iterative technique for absolute deviations curve fitting", JASA 68, 1973.
    """
    weight = np.ones_like(x)
    for _ in range(_REWEIGHTED):
        share = weight / weight.sum()
        middle_x, middle_y = float(share @ x), float(share @ y)
        dx = x - middle_x
        gain = float(np.clip((share * dx) @ (y - middle_y) / (share @ dx**2 + 1), *_GAINS))
        offset = middle_y - gain * middle_x
        weight = 1 / np.maximum(np.abs(y - gain * x - offset), 1)
    return gain, offset


def _tables(gains: list[float], offsets: list[float]) -> tuple[Levels, Levels]:
    """Return what to do with the levels of the first and the second picture: shape (channels, 256).

    Only ever brighten, since what was clipped does not come back.
    """
    same = np.tile(np.arange(256, dtype=np.float32), (len(gains), 1))
    first, second = same.copy(), same.copy()
    for channel, (gain, offset) in enumerate(zip(gains, offsets, strict=True)):
        if gain >= 1:
            second[channel] = gain * same[channel] + offset
        else:
            first[channel] = (same[channel] - offset) / gain
    return np.clip(first, 0, 255), np.clip(second, 0, 255)


def _misfit(sides: list[_Side], tables: tuple[Levels, Levels], lit: list[Levels]) -> Levels:
    """Return by how much each channel of the brighter picture is out of what the darker one allows.

    Where a place holds darker and clipped spots (in the original size, which is not known), its
    mean is lower than the clipped brightened mean, but never lower than the chord from the
    darkest to the brightest level around it: clipping is concave.
    """
    misfit = np.zeros_like(lit[0])
    same = np.arange(256, dtype=np.float32)
    for channel in range(misfit.shape[1]):
        dark = int(np.array_equal(tables[0][channel], same))  # the one that was brightened
        side, table = sides[dark], tables[dark][channel]
        expected, seen = lit[dark][:, channel], lit[1 - dark][:, channel]
        low, high = side.lowest[:, channel], side.highest[:, channel]
        share = (side.levels[:, channel] - low) / np.maximum(high - low, 1)
        ends = np.interp(low, same, table), np.interp(high, same, table)
        chord = np.minimum(expected, ends[0] + (ends[1] - ends[0]) * np.clip(share, 0, 1))
        misfit[:, channel] = np.maximum(np.maximum(seen - expected, chord - seen), 0)
    return misfit


def _upper_quartile(misfit: Levels, sound: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return per channel the misfit that three quarters of the sound places stay within."""
    quartiles = np.full(misfit.shape[1], np.inf)
    for channel in np.flatnonzero(sound.any(axis=0)):
        own = misfit[sound[:, channel], channel]
        place = len(own) * 3 // 4
        quartiles[channel] = np.partition(own, place)[place]
    return quartiles


def _mapped(picture: Picture, table: Levels) -> Picture:
    import cv2

    rounded = np.rint(table).astype(np.uint8)
    lookup = rounded[0] if len(rounded) == 1 else np.ascontiguousarray(rounded.T)[None]
    return np.asarray(cv2.LUT(picture, lookup), dtype=np.uint8)


def _has_colour(levels: Levels) -> bool:
    return float((levels.max(axis=1) - levels.min(axis=1)).mean()) >= GREY_SPREAD


def _grey(picture: Picture) -> Picture:
    import cv2

    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
