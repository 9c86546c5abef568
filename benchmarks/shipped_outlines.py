"""Outlines on known photos: python -m benchmarks.shipped_outlines DATA --work DIR.

The shipped model has learned from these photos, so its figures are not abroad but above what they
are there: the share of people's regions that an outline finds, by class of damage and source, and
how well the strongest cells alone tell damaged photos from the undamaged ones of their fold. DIR
keeps the cells.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import label
from sklearn.metrics import roc_auc_score

from benchmarks.abroad_photos import Photo, mask_of, photos
from benchmarks.shipped_cells import KINDS
from benchmarks.shipped_folds import FOLDS
from benchmarks.shipped_regions import FOUND, filled, iou
from bodyshop_core.imaging import load_rgb
from bodyshop_core.inference import FrozenNetwork
from train.windows.classifier import NETWORK_FILE, shipped_folder
from train.windows.grid import SIDE, squeeze
from train.windows.regions import damage_regions

TOP = 10
"""Cells whose mean is the other score of a photo."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    listed, file = photos(options.data), options.work / "shipped-cells.npy"
    if not file.exists():
        network = FrozenNetwork(shipped_folder() / NETWORK_FILE)
        np.save(file, [network.run(squeeze(load_rgb(p.file))[None])["cells"][0] for p in listed])
    cells = np.load(file)
    areas(listed, cells)
    by_kind(listed, cells)


def areas(listed: list[Photo], cells: np.ndarray) -> None:
    """Print the AUC of each damaged source against the undamaged photos of its fold."""
    flat = np.sort(cells.reshape(len(cells), -1).astype(np.float32), axis=1)
    scores = {"largest cell": flat[:, -1], f"mean of {TOP}": flat[:, -TOP:].mean(axis=1)}
    origins = np.array([photo.origin for photo in listed])
    labels = np.array([photo.label for photo in listed])
    for origin in sorted(set(origins[labels == "damaged"])):
        (sources,) = (each for each in FOLDS if origin in each)
        damaged = (origins == origin) & (labels == "damaged")
        both = damaged | (np.isin(origins, list(sources)) & (labels == "whole"))
        found = [f"{roc_auc_score(damaged[both], each[both]):.3f}" for each in scores.values()]
        print(f"| {origin} | {damaged.sum()} / {(both & ~damaged).sum()} | {' | '.join(found)} |")


def by_kind(listed: list[Photo], cells: np.ndarray) -> None:
    """Print the share of regions found, and of their area that is outlined, by source and kind."""
    rows: dict[tuple[str, str], list[tuple[bool, float]]] = defaultdict(list)
    for photo, judged in zip(listed, cells, strict=True):
        if photo.rings is None:
            continue
        with Image.open(photo.file) as image:
            box = (0.0, 0.0, float(image.size[0]), float(image.size[1]))
        outlines = [filled(region) for region in damage_regions(judged)]
        said = np.any(outlines, axis=0) if outlines else np.zeros((SIDE, SIDE), bool)
        for kind, classes in KINDS.items():
            marked, count = label(mask_of(photo, box, SIDE, classes), np.ones((3, 3), int))
            for number in range(1, count + 1):
                part = marked == number
                hit = any(iou(each, part) >= FOUND for each in outlines)
                rows[photo.origin, kind].append((hit, float((said & part).sum() / part.sum())))
    for (origin, kind), found in sorted(rows.items()):
        share, covered = np.mean(found, axis=0)
        print(f"| {origin} | {kind} | {len(found)} | {share:.1%} | {covered:.1%} |")


if __name__ == "__main__":
    main()
