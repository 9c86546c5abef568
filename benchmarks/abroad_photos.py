"""The developers' photos by origin, label and view, with their masks: for benchmarks by origin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}

NEITHER = {"primer"}
"""Mask classes that are neither damage nor an undamaged car."""


@dataclass(frozen=True)
class Photo:
    """A photo and what is known about it.

    `label` is damaged, whole or none (no car); `view` is whole, close or unknown; `rings` are the
    polygons of its masks with their class, in pixels of a picture of `size`; None without masks.
    """

    file: Path
    origin: str
    label: str
    view: str
    rings: tuple[tuple[str, tuple[float, ...]], ...] | None = None
    size: tuple[int, int] = (0, 0)


def photos(data: Path) -> list[Photo]:
    """Read the folder of photos that the documents call DATA."""
    abroad = data / "abroad"
    found: list[Photo] = []
    for split in ("training", "validation"):
        found += _folder(data / "damage" / split / "damaged", "data1a", "damaged", "unknown")
        found += _folder(data / "damage" / split / "whole", "data1a", "whole", "whole")
    found += _folder(data / "models", "stanford", "whole", "whole")
    for kind, view in (("damage", "whole"), ("closeups", "close")):
        for origin in sorted((abroad / kind).iterdir()):
            for label in sorted(origin.iterdir()):
                found += _folder(label, origin.name, label.name, view)
    for origin in sorted((abroad / "models").iterdir()):
        found += _folder(origin, origin.name, "whole", "whole")
    found += _folder(data / "not_car", "imagenet", "none", "whole")
    for origin in sorted((abroad / "not_car").iterdir()):
        found += _folder(origin, origin.name, "none", "whole")
    found += _masked(data / "masks", "lensor")
    found += _masked(abroad / "masks" / "bilgi_tr", "bilgi_tr")
    found += _masked(abroad / "masks" / "bilgi_more", "bilgi_tr")
    found += _masked(abroad / "masks" / "data1a_caramel", "data1a")
    return found


def mask_of(
    photo: Photo, box: tuple[float, float, float, float], side: int, classes: set[str] | None = None
) -> np.ndarray:
    """Draw the damage in a part of a photo, squeezed to a square; bool, shape (side, side).

    `box` is in pixels of the file; `classes` None means all but `NEITHER`.
    """
    left, top, right, bottom = box
    with Image.open(photo.file) as image:
        across, down = image.size[0] / photo.size[0], image.size[1] / photo.size[1]
    canvas = Image.new("1", (side, side))
    draw = ImageDraw.Draw(canvas)
    for name, ring in photo.rings or ():
        if (name in classes) if classes is not None else (name not in NEITHER):
            points = np.array(ring).reshape(-1, 2) * (across, down) - (left, top)
            points *= (side / (right - left), side / (bottom - top))
            draw.polygon([tuple(point) for point in points.tolist()], fill=1)
    return np.asarray(canvas)


def _folder(folder: Path, origin: str, label: str, view: str) -> Iterator[Photo]:
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in SUFFIXES:
            yield Photo(file, origin, label, view)


def _masked(folder: Path, origin: str) -> Iterator[Photo]:
    data = json.loads((folder / "annotations.json").read_text())
    names = {each["id"]: each["name"] for each in data["categories"]}
    rings: dict[int, list[tuple[str, tuple[float, ...]]]] = {}
    for each in data["annotations"]:
        rings.setdefault(each["image_id"], []).extend(
            (names[each["category_id"]], tuple(ring))
            for ring in each["segmentation"]
            if len(ring) >= 6
        )
    for image in data["images"]:
        file = folder / "images" / image["file_name"]
        if file.exists():
            yield Photo(
                file,
                origin,
                "damaged",
                "unknown",
                tuple(rings.get(image["id"], ())),
                (image["width"], image["height"]),
            )
