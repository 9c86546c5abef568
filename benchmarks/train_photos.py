"""The photos of the training benchmarks: damage, car models, masks; near-duplicates grouped.

Nothing in a photo folder is changed; masks are drawn from its COCO polygons into a folder of their
own.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageDraw
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from bodyshop_core import imaging
from bodyshop_core.errors import UnreadableImageError
from train.data.mask_samples import MaskedSample
from train.data.samples import EXTENSIONS, Sample, Samples, folder_samples

NEAR = 10
"""Bits of 64 within which two perceptual hashes make one group."""


def damage_photos(data: Path) -> Samples:
    """Pool the given training and validation folders; `split` says where a picture came from."""
    items, seen = [], set()
    for part in ("training", "validation"):
        for item in folder_samples(data / "damage" / part).items:
            if item.sha256 not in seen and readable(item.path):
                seen.add(item.sha256)
                items.append(replace(item, split=part))
    return Samples(grouped(items), ("whole", "damaged"), "damage", "damage")


def model_photos(data: Path) -> Samples:
    """Read the car models, one folder each."""
    found = folder_samples(data / "models", target="model")
    return replace(found, items=grouped([item for item in found.items if readable(item.path)]))


def masked_photos(data: Path, whole: int, folder: Path) -> list[tuple[Sample, MaskedSample]]:
    """Draw the COCO polygons and add photos of whole cars; the groups come with the samples.

    Parameters
    ----------
    data : Path
        With masks/annotations.json, masks/images/ and damage/training/whole/.
    whole : int
        How many photos of whole cars join, evenly spaced by name.
    folder : Path
        Where the mask files go, one per picture and kind of damage (dent, scratch, broken).
    """
    notes = json.loads((data / "masks" / "annotations.json").read_text())
    names = {each["id"]: each["name"].rsplit("-", 1)[-1] for each in notes["categories"]}
    polygons: dict[int, list[tuple[str, list[float]]]] = defaultdict(list)
    for note in notes["annotations"]:
        for polygon in note["segmentation"]:
            polygons[note["image_id"]].append((names[note["category_id"]], polygon))
    items, masks = [], []
    for image in notes["images"]:
        path = data / "masks" / "images" / image["file_name"]
        drawn: dict[str, Image.Image] = {}
        with Image.open(path) as opened:
            size = opened.size
        for kind, polygon in polygons[image["id"]]:
            mask = drawn.setdefault(kind, Image.new("L", size))
            ImageDraw.Draw(mask).polygon(polygon, fill=255)
        files = {}
        for kind, mask in sorted(drawn.items()):
            files[kind] = (folder / f"{path.stem}-{kind}.png",)
            folder.mkdir(parents=True, exist_ok=True)
            mask.save(files[kind][0])
        kind = max(drawn, key=lambda name: np.asarray(drawn[name]).sum())
        items.append(Sample(_sha256(path), path, kind, "train", ""))
        masks.append(MaskedSample(items[-1].sha256, path, "train", files))
    undamaged = pictures(data / "damage" / "training" / "whole")
    for path in undamaged[:: max(1, len(undamaged) // whole)][:whole]:
        items.append(Sample(_sha256(path), path, "whole", "train", ""))
        masks.append(MaskedSample(items[-1].sha256, path, "train", {}))
    return list(zip(grouped(items), masks, strict=True))


def grouped(items: Sequence[Sample]) -> tuple[Sample, ...]:
    """Put near-duplicates, by perceptual hash, into one group."""
    hashes = np.array([phash(item.path) for item in items])
    distance = np.array([(hashes ^ one).sum(axis=1) for one in hashes])
    _, groups = connected_components(coo_matrix(distance <= NEAR), directed=False)
    return tuple(replace(i, group=f"g{group}") for i, group in zip(items, groups, strict=True))


def phash(path: Path) -> np.ndarray:
    """Return the 64 bits of a perceptual hash."""
    return np.asarray(imagehash.phash(Image.fromarray(imaging.load_rgb(path))).hash).ravel()


def pictures(folder: Path) -> list[Path]:
    """Return the readable pictures below a folder, by name."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    return [path for path in found if readable(path)]


def readable(path: Path) -> bool:
    """Say whether the picture can be decoded."""
    try:
        imaging.load_rgb(path)
    except UnreadableImageError:
        return False
    return True


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
