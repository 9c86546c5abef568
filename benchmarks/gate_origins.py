"""Gate features of the developers' photos by origin, in the views a gate is fitted on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.abroad_photos import Photo, photos
from bodyshop_core.backbones import Scorer
from bodyshop_core.imaging import fit_square, load_rgb
from curate.gate.probe import unit_length
from curate.gate_fitting.groups import Example, group_examples
from curate.gate_fitting.views import varied

SQUARES = 2
"""Small squares of each photo, besides the views of `bodyshop gate fit`."""

SIDES = (0.12, 0.3)
"""Their side, as shares of the photo's shorter side."""

SMALLEST = 40
"""Their least side, in pixels."""


@dataclass(frozen=True)
class Rows:
    """One row per view of a photo.

    `photo` (n,) is the place in the list of photos, `view` (n,) the name of the view, `features`
    (n, 1280) have length 1, `group` (n,) is the same for near-duplicates.
    """

    photo: np.ndarray
    view: np.ndarray
    features: np.ndarray
    group: np.ndarray


def listed(data: Path, rejects: Path) -> list[Photo]:
    """Return all photos: those of DATA, and those that benchmarks.gate_rejects gathered."""
    found = photos(data)
    for group in ("everyday", "drawings"):
        for file in sorted((rejects / group).iterdir()):
            package = "rooms" if file.name.startswith("tiktok") else "wallpapers"
            origin = "drawings" if group == "drawings" else package
            found.append(Photo(file, origin, "none", "whole"))
    return found


def look(found: list[Photo], file: Path) -> Rows:
    """Look at every view of every photo, or read what was seen before."""
    if file.exists():
        with np.load(file) as stored:
            return Rows(*(stored[name] for name in ("photo", "view", "features", "group")))
    scorer = Scorer("efficientnet-lite0")
    places, names, vectors = [], [], []
    batch: list[np.ndarray] = []
    for place, photo in enumerate(found):
        for name, rgb in views(photo):
            places.append(place)
            names.append(name)
            batch.append(fit_square(rgb, scorer.input_size))
        if len(batch) >= 32 or place == len(found) - 1:
            vectors.append(unit_length(scorer.score(np.stack(batch)).features))
            batch = []
        if place % 400 == 0:
            print(f"gate: {place} of {len(found)}", flush=True)
    groups = np.array(
        group_examples([Example(each.file, each.label != "none", each.origin) for each in found])
    )
    rows = Rows(np.array(places), np.array(names), np.concatenate(vectors), groups[places])
    np.savez(file, photo=rows.photo, view=rows.view, features=rows.features, group=rows.group)
    return rows


def views(photo: Photo) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the views of `bodyshop gate fit`, and small squares."""
    rgb = load_rgb(photo.file)
    seed = int.from_bytes(hashlib.sha256(photo.file.name.encode()).digest()[:8], "big")
    yield from varied(rgb, seed)
    random = np.random.default_rng([seed, 99])
    height, width = rgb.shape[:2]
    for _ in range(SQUARES):
        side = round(random.uniform(*SIDES) * min(height, width))
        side = min(max(side, SMALLEST), height, width)
        x, y = _centre(photo, random)
        left = int(np.clip(round(x * width - side / 2), 0, width - side))
        top = int(np.clip(round(y * height - side / 2), 0, height - side))
        yield "square", np.ascontiguousarray(rgb[top : top + side, left : left + side])


def _centre(photo: Photo, random: np.random.Generator) -> tuple[float, float]:
    """Draw a place that lies on the car: on a damaged region, or around the middle."""
    if photo.rings:
        ring = np.array(photo.rings[random.integers(len(photo.rings))][1]).reshape(-1, 2)
        x, y = ring.mean(axis=0) / photo.size
        return float(x), float(y)
    if photo.label == "none":
        return float(random.uniform()), float(random.uniform())
    spread = 0.35 if photo.view == "close" else 0.15
    return float(random.uniform(0.5 - spread, 0.5 + spread)), float(random.uniform(0.4, 0.65))
