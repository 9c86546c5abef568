"""How well the outlines of the damage model agree with people's, on sources left out."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import label

from benchmarks.abroad_photos import NEITHER, Photo, mask_of
from benchmarks.shipped_folds import Data, HeldOut
from train.windows.grid import SIDE
from train.windows.regions import DamageRegion, damage_regions

FOUND = 0.3
"""Intersection over union from which on a region that people drew counts as found."""


def outlines(data: Data, held: HeldOut) -> dict[str, dict[str, float]]:
    """Return the figures of the outlines, by source.

    ``iou`` is the intersection over union of all damage, mean over photos; ``found`` the share of
    people's regions (connected parts) that one outline meets at `FOUND`; ``right`` the share of
    outlines at least half of which is damage; ``touching`` the share that have some.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for place in np.flatnonzero(data.masked):
        row = found.setdefault(str(data.origins[place]), {})
        for name, value in _compared(data.photos[place], held.figures.cells[place]):
            row.setdefault(name, []).append(value)
    return {
        origin: {"photos": len(row["iou"])}
        | {name: round(float(np.mean(values)), 3) for name, values in row.items()}
        for origin, row in sorted(found.items())
    }


def _compared(photo: Photo, cells: np.ndarray) -> list[tuple[str, float]]:
    with Image.open(photo.file) as image:
        box = (0.0, 0.0, float(image.size[0]), float(image.size[1]))
    truth = mask_of(photo, box, SIDE)
    ignored = mask_of(photo, box, SIDE, NEITHER)
    drawn = [filled(region) & ~ignored for region in damage_regions(cells)]
    said = np.any(drawn, axis=0) if drawn else np.zeros_like(truth)
    rows = [("iou", iou(said, truth))]
    marked, count = label(truth, np.ones((3, 3), int))
    for number in range(1, count + 1):
        part = marked == number
        rows.append(("found", float(any(iou(each, part) >= FOUND for each in drawn))))
    for each in drawn:
        rows.append(("right", float((each & truth).sum() >= 0.5 * max(int(each.sum()), 1))))
        rows.append(("touching", float((each & truth).any())))
    return rows


def iou(said: np.ndarray, truth: np.ndarray) -> float:
    return float((said & truth).sum() / max((said | truth).sum(), 1))


def filled(region: DamageRegion) -> np.ndarray:
    canvas = Image.new("1", (SIDE, SIDE))
    ImageDraw.Draw(canvas).polygon([(x * SIDE, y * SIDE) for x, y in region.polygon], fill=1)
    return np.asarray(canvas)
