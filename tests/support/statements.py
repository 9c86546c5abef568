"""COCO files and mask folders that say something about one picture."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from labeling.formats.mask_file import read_mask
from labeling.records.annotations import current_masks

CATEGORIES = [{"id": 1, "name": "dent"}, {"id": 2, "name": "scratch"}]


def box(left, top, right, bottom):
    return [left, top, right, top, right, bottom, left, bottom]


def write(path, name, shapes, size=(60, 40)):
    """A COCO file for one picture: (category, polygon) each."""
    image = {"id": 1, "file_name": name, "width": size[0], "height": size[1]}
    annotations = [
        {"id": n, "image_id": 1, "category_id": c, "segmentation": [polygon]}
        for n, (c, polygon) in enumerate(shapes)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"images": [image], "annotations": annotations, "categories": CATEGORIES}
    path.write_text(json.dumps(document))
    return path


def pixels(workspace, sha):
    files = current_masks(workspace).get(sha, {})
    return {k: int(read_mask(workspace.root / file).sum()) for k, file in files.items()}


def mask_folder(folder, sha, box):
    left, top, right, bottom = box
    mask = np.zeros((40, 60), np.uint8)
    mask[top:bottom, left:right] = 255
    folder.mkdir(exist_ok=True)
    Image.fromarray(mask).save(folder / f"{sha}.png")
    return folder
