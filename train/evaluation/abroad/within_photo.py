"""Squares with damage against squares of the same photo without: same camera, light, distance.

Neither camera nor origin nor framing can bend this figure, because both squares share them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.catalog import BlobRef
from train.evaluation.abroad.resampling import RESAMPLES, interval, wins

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALES = (0.25, 0.45)
"""Sides of the squares, as shares of the photo's shorter side. Only squares of one size are
compared: larger ones contain damage more often."""

STEPS = 4
"""Squares are placed every so many parts of their side."""

PER_SCALE = 3
"""Squares with and without damage per photo and size, at most."""

SMALLEST_SHARE = 0.05
"""Of a square that damage must cover for it to count as a square with damage."""

CLEARANCE = 0.1
"""A square without damage must stay away from it by this share of its side: outlines are drawn by
hand."""

Box = tuple[float, float, float, float]
"""left, top, right, bottom as fractions of the upright photo."""


@dataclass(frozen=True)
class Square:
    """A part of a photo.

    Parameters
    ----------
    sha256, path, origin, group : str and Path
        Of the photo.
    box : tuple of float
        Where it is.
    scale : float
        One of `SCALES`.
    damaged : bool
        Whether it contains damage.
    """

    sha256: str
    path: Path | BlobRef
    origin: str
    group: str
    box: Box
    scale: float
    damaged: bool


SquareScorer = Callable[[Sequence[Square]], "NDArray[np.floating[Any]]"]
"""Returns how damaged each square looks, shape (n,); only the order within a photo counts."""


def place_squares(mask: NDArray[np.bool_], *, key: str) -> list[tuple[Box, float, bool]]:
    """Choose squares of a photo, with damage and without, as many of each size.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        Where the photo shows damage.
    key : str
        Decides which squares are chosen: the same for the same photo.

    Returns
    -------
    list of (box, scale, damaged)
        At most `PER_SCALE` of each kind and size. A size is left out where one kind is missing.
    """
    height, width = mask.shape
    # Sums over the mask from the corner: the damage in a box is four look-ups.
    sums = np.zeros((height + 1, width + 1))
    sums[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)

    def covered(x: NDArray[Any], y: NDArray[Any], side: int, grow: int) -> NDArray[Any]:
        left, top = np.maximum(x - grow, 0), np.maximum(y - grow, 0)
        right = np.minimum(x + side + grow, width)
        bottom = np.minimum(y + side + grow, height)
        return sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]

    random = np.random.default_rng(np.frombuffer(hashlib.sha256(key.encode()).digest(), np.uint32))
    chosen: list[tuple[Box, float, bool]] = []
    for scale in SCALES:
        side = max(1, round(scale * min(height, width)))
        step = max(1, side // STEPS)
        grid = np.meshgrid(
            np.arange(0, width - side + 1, step), np.arange(0, height - side + 1, step)
        )
        x, y = (each.ravel() for each in grid)
        share = covered(x, y, side, 0) / side**2
        near = covered(x, y, side, round(CLEARANCE * side))
        kinds = {
            True: np.flatnonzero(share >= SMALLEST_SHARE),
            False: np.flatnonzero(near == 0),
        }
        count = min(PER_SCALE, *map(len, kinds.values()))
        for damaged, places in kinds.items():
            for place in sorted(random.permutation(places)[:count].tolist()):
                left, top = int(x[place]), int(y[place])
                box = (
                    left / width,
                    top / height,
                    (left + side) / width,
                    (top + side) / height,
                )
                chosen.append((box, scale, damaged))
    return chosen


def within_photo_of(
    squares: Mapping[str, Sequence[Square]],
    scorer_without: Callable[[str], SquareScorer],
    *,
    seed: int = 7,
) -> dict[str, Any] | None:
    """Measure any model of squares: each origin is scored by one that was fitted without it.

    Parameters
    ----------
    squares : Mapping
        Origin -> squares of its photos, as `train.runs.abroad.masked_squares` returns them.
    scorer_without : callable
        Origin -> a scorer that was fitted without any picture of it.
    seed : int
        Of the resampling.

    Returns
    -------
    dict or None
        As `within_photo_auc`.
    """
    every = [square for origin in squares for square in squares[origin]]
    scores = [scorer_without(origin)(squares[origin]) for origin in squares]
    return within_photo_auc(every, np.concatenate(scores), seed=seed) if every else None


def within_photo_auc(
    squares: Sequence[Square], scores: NDArray[np.floating[Any]], *, seed: int = 7
) -> dict[str, Any] | None:
    """Return how often a square with damage has a higher score than one of its photo without.

    Parameters
    ----------
    squares : sequence of Square
        Of any number of photos.
    scores : ndarray of float, shape (n,)
        By models that were fitted without the photo's origin. Models may differ between photos:
        scores of two photos are never compared.
    seed : int
        Of the resampling.

    Returns
    -------
    dict or None
        ``auc``: the mean over photos of each photo's area under the ROC curve; ``ci95``: percentile
        bootstrap over photos, duplicates drawn together; ``photos``, ``squares``; ``centre``: what
        nearness to the photo's centre alone would achieve, since people centre what they show;
        ``origins``: origin -> ``auc``, ``ci95``, ``photos``. None without a photo with both kinds.
    """
    photos = _by_photo(squares)
    areas = {sha: _area(places, squares, scores) for sha, places in photos.items()}
    areas = {sha: area for sha, area in areas.items() if area is not None}
    if not areas:
        return None
    middle = -np.array([_eccentricity(each.box) for each in squares])
    centre = [_area(photos[sha], squares, middle) for sha in areas]
    first = {sha: squares[photos[sha][0]] for sha in areas}
    by_origin: dict[str, list[str]] = defaultdict(list)
    for sha in areas:
        by_origin[first[sha].origin].append(sha)

    def figures(shas: Sequence[str]) -> dict[str, Any]:
        values = np.array([areas[sha] for sha in shas], np.float64)
        groups = [first[sha].group for sha in shas]
        return {
            "auc": float(values.mean()),
            "ci95": _grouped_interval(values, groups, seed),
            "photos": len(shas),
        }

    return {
        **figures(list(areas)),
        "squares": sum(len(photos[sha]) for sha in areas),
        "centre": float(np.mean([area for area in centre if area is not None])),
        "origins": {origin: figures(by_origin[origin]) for origin in sorted(by_origin)},
    }


def _by_photo(squares: Sequence[Square]) -> dict[str, list[int]]:
    photos: dict[str, list[int]] = defaultdict(list)
    for place, square in enumerate(squares):
        photos[square.sha256].append(place)
    return photos


def _area(
    places: Sequence[int], squares: Sequence[Square], scores: NDArray[np.floating[Any]]
) -> float | None:
    """Return the share of the pairs of one size that are in order; None without a pair."""
    won = pairs = 0.0
    for scale in {squares[place].scale for place in places}:
        here = [place for place in places if squares[place].scale == scale]
        table = wins(
            scores[[place for place in here if squares[place].damaged]],
            scores[[place for place in here if not squares[place].damaged]],
        )
        won, pairs = won + float(table.sum()), pairs + table.size
    return won / pairs if pairs else None


def _eccentricity(box: Box) -> float:
    left, top, right, bottom = box
    return float(np.hypot((left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5))


def _grouped_interval(values: NDArray[np.float64], groups: Sequence[str], seed: int) -> list[float]:
    _, place = np.unique(np.array(groups), return_inverse=True)
    sums, sizes = np.bincount(place, values), np.bincount(place)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
    return interval(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
