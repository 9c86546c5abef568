"""How well the outlines of the damage model agree with people's, on sources left out."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import label

from benchmarks.abroad_photos import NEITHER, Photo, mask_of
from benchmarks.shipped_cells import KINDS
from benchmarks.shipped_folds import Data, HeldOut
from train.windows.cells import ANSWERS
from train.windows.grid import SIDE
from train.windows.regions import DamageRegion, damage_regions

FOUND = 0.3
"""Intersection over union from which on a region that people drew counts as found."""

WITHIN = 0.5
"""Share of a found region that one kind has to cover, for the kind to be asked."""


def outlines(data: Data, held: HeldOut) -> dict[str, dict[str, float]]:
    """Return the figures of the regions, by source.

    ``iou`` is the intersection over union of all damage, mean over photos; ``iou of KIND`` the same
    over photos that show it; ``found`` the share of people's regions (connected parts) that one of
    the outlines meets at `FOUND`; ``right`` the share of outlines half of which is damage; ``kind``
    the share of outlines on damage of one kind that say which.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for place in np.flatnonzero(data.masked):
        row = found.setdefault(str(data.origins[place]), {})
        for name, value in _compared(data.photos[place], held.figures.cells[place]):
            row.setdefault(name, []).append(value)
    return {
        origin: {"photos": len(row["iou"])}
        | {name: round(float(np.mean(values)), 3) for name, values in sorted(row.items())}
        for origin, row in sorted(found.items())
    }


def _compared(photo: Photo, cells: np.ndarray) -> list[tuple[str, float]]:
    with Image.open(photo.file) as image:
        box = (0.0, 0.0, *map(float, image.size))
    truth = mask_of(photo, box, SIDE)
    ignored = mask_of(photo, box, SIDE, NEITHER)
    kinds = {name: mask_of(photo, box, SIDE, classes) for name, classes in KINDS.items()}
    regions = damage_regions(cells)
    drawn = [_drawn(region) & ~ignored for region in regions]
    said = np.any(drawn, axis=0) if drawn else np.zeros_like(truth)
    rows = [("iou", _iou(said, truth))]
    for name in ANSWERS[1:]:
        if kinds[name].any():
            of = [each for region, each in zip(regions, drawn, strict=True) if region.kind == name]
            rows.append(
                (f"iou of {name}", _iou(np.any(of, axis=0) if of else said & False, kinds[name]))
            )
    marked, count = label(truth, np.ones((3, 3), int))
    for number in range(1, count + 1):
        part = marked == number
        rows.append(("found", float(any(_iou(each, part) >= FOUND for each in drawn))))
    for region, each in zip(regions, drawn, strict=True):
        area = max(int(each.sum()), 1)
        rows.append(("right", float((each & truth).sum() >= 0.5 * area)))
        of_kinds = [name for name, mask in kinds.items() if (mask & each).sum() >= WITHIN * area]
        if len(of_kinds) == 1:
            rows.append(("kind", float(region.kind == of_kinds[0])))
    return rows


def _iou(said: np.ndarray, truth: np.ndarray) -> float:
    return float((said & truth).sum() / max((said | truth).sum(), 1))


def _drawn(region: DamageRegion) -> np.ndarray:
    canvas = Image.new("1", (SIDE, SIDE))
    ImageDraw.Draw(canvas).polygon([(x * SIDE, y * SIDE) for x, y in region.polygon], fill=1)
    return np.asarray(canvas)
