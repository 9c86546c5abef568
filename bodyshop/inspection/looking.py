"""One look at each picture: window features, local features, and a small copy for the page."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bodyshop.inspection.geometry import Landmarks, landmarks
from bodyshop.inspection.records import UnreadablePicture
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import load_rgb
from bodyshop_core.progress import Tick

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.windows.classifier import DamageClassifier

SHOWN = 640
"""Longest side of a picture on the page, in pixels."""

CHUNK = 8
"""Pictures decoded before the network runs."""


@dataclass(frozen=True, eq=False)
class Look:
    """What is kept of a picture.

    Parameters
    ----------
    file : Path
        The picture.
    windows : ndarray of float32, shape (windows, features)
        Of the damage model's network.
    landmarks : Landmarks
        Its local features.
    small : ndarray of uint8, shape (height, width, 3)
        At most `SHOWN` pixels long.
    """

    file: Path
    windows: NDArray[np.float32]
    landmarks: Landmarks
    small: NDArray[np.uint8]


def look_at(
    files: Sequence[Path], model: DamageClassifier, tick: Tick
) -> tuple[list[Look], list[UnreadablePicture]]:
    """Look at pictures; those that can't be decoded are returned with the reason.

    Parameters
    ----------
    files : sequence of Path
        The pictures.
    model : DamageClassifier
        Its network gives the features of windows.
    tick : callable
        Told of each picture.
    """
    looks: list[Look] = []
    unreadable: list[UnreadablePicture] = []
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for start in range(0, len(files), CHUNK):
            part = files[start : start + CHUNK]
            decoded = list(pool.map(_decode, part))
            seen = [each for each in decoded if not isinstance(each, UnreadablePicture)]
            windows: Iterator[NDArray[np.float32]] = iter(
                model.features(np.stack([square for square, _, _ in seen])) if seen else ()
            )
            for file, each in zip(part, decoded, strict=True):
                if isinstance(each, UnreadablePicture):
                    unreadable.append(each)
                else:
                    _, marks, small = each
                    looks.append(Look(file, next(windows), marks, small))
                tick(1)
    return looks, unreadable


def _decode(
    file: Path,
) -> tuple[NDArray[np.uint8], Landmarks, NDArray[np.uint8]] | UnreadablePicture:
    from PIL import Image

    from train.windows.grid import SIDE, squeeze

    try:
        rgb = load_rgb(file, at_least=SIDE)  # as `predict` does: the same labels
    except UnreadableImageError as error:
        return UnreadablePicture(str(file), error.message)
    image = Image.fromarray(rgb)
    image.thumbnail((SHOWN, SHOWN))
    small = np.asarray(image)
    return squeeze(rgb), landmarks(small), small
