"""Window features of the developers' photos, whole and as cuts of them, kept in a work folder."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.abroad_photos import NEITHER, Photo, mask_of
from bodyshop_core.imaging import load_rgb
from train.windows.grid import SIDE, boxes, squeeze, window_labels

CUT = (0.3, 0.7)
"""Side of a cut, as a share of the photo's: close-ups of every photo, damaged or not."""

DEGRADED = 0.6
"""Share of the cuts that are scaled down and compressed before they are looked at."""

SMALLEST = 80
"""A cut has at least this many pixels on each side."""


@dataclass(frozen=True)
class Looked:
    """Features and window labels of photos.

    `photo` (n,) is the place in the list of photos; `features` (n, windows, features) float16;
    `labels` (n, windows) 1 damage, 0 none, -1 unknown.
    """

    photo: np.ndarray
    features: np.ndarray
    labels: np.ndarray


def look(
    photos: list[Photo], run: Callable[[np.ndarray], np.ndarray], file: Path, *, cuts: bool
) -> Looked:
    """Look at all photos, or at one random cut of each car, or read what was seen before."""
    if file.exists():
        with np.load(file) as stored:
            return Looked(stored["photo"], stored["features"], stored["labels"])
    places, features, labels = [], [], []
    for place, photo, box, rgb in views_of(photos, cuts=cuts):
        places.append(place)
        features.append(run(squeeze(rgb)[None])[0].astype(np.float16))
        labels.append(_labels(photo, box))
        if place % 200 == 0:
            print(f"{file.stem}: {place} of {len(photos)}", flush=True)
    found = Looked(np.array(places), np.stack(features), np.stack(labels))
    np.savez(file, photo=found.photo, features=found.features, labels=found.labels)
    return found


def views_of(
    photos: list[Photo], *, cuts: bool
) -> Iterator[tuple[int, Photo, tuple[int, int, int, int], np.ndarray]]:
    """Yield place, photo, box and pixels of all photos, or of one random cut of each car."""
    rng = random.Random(1)
    for place, photo in enumerate(photos):
        if cuts and photo.label == "none":
            continue
        rgb = load_rgb(photo.file)
        height, width = rgb.shape[:2]
        box = (0, 0, width, height)
        if cuts:
            drawn = _cut(width, height, rng)
            if drawn is None:
                continue
            box = drawn
            rgb = _degraded(rgb[box[1] : box[3], box[0] : box[2]], rng)
        yield place, photo, box, rgb


def _labels(photo: Photo, box: tuple[int, int, int, int]) -> np.ndarray:
    count = len(boxes())
    if photo.rings is not None:
        damage = mask_of(photo, box, SIDE)
        return window_labels(damage, mask_of(photo, box, SIDE, NEITHER))
    return np.full(count, 0 if photo.label == "whole" else -1, np.int8)


def _cut(width: int, height: int, rng: random.Random) -> tuple[int, int, int, int] | None:
    share = rng.uniform(*CUT)
    across, down = int(share * width), int(share * height)
    if min(across, down) < SMALLEST:
        return None
    left, top = rng.randint(0, width - across), rng.randint(0, height - down)
    return left, top, left + across, top + down


def _degraded(rgb: np.ndarray, rng: random.Random) -> np.ndarray:
    image = Image.fromarray(rgb)
    if rng.random() < DEGRADED:
        longest = max(image.size)
        target = min(longest, max(96, int(rng.uniform(0.35, 1.0) * SIDE)))
        image.thumbnail((target, target), Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=rng.randint(35, 92))
        image = Image.open(stream)
    return np.asarray(image)
