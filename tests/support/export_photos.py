"""Small pictures that carry what a camera tells (a position and a remark), masks and splits."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from bodyshop.export.destination import RECORD
from bodyshop_core.catalog import now, schema
from bodyshop_core.imaging import load_rgb
from bodyshop_core.workspace import Workspace

GPS, SECRET = 0x8825, b"37.5665N 126.9780E"


def noise(seed: int, size: tuple[int, int] = (48, 32)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def exif(orientation: int = 1) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    data[0x010F] = SECRET.decode()
    data.get_ifd(GPS)[1] = "N"
    return data


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def jpeg(seed: int, orientation: int = 1, **options: object) -> bytes:
    return encoded(
        noise(seed), "JPEG", quality=90, exif=exif(orientation), comment=SECRET, **options
    )


def split_set(workspace: Workspace, placed: dict[str, tuple[str, str]]) -> None:
    with workspace.catalog.begin() as connection:
        connection.execute(schema.splits.delete())
    row = {"name": "damage", "target": "damage", "seed": 7, "ratios": {}, "options": {}}
    workspace.catalog.upsert(schema.split_sets, [row | {"created_at": now()}])
    workspace.catalog.upsert(
        schema.splits,
        [
            {"split_set": "damage", "sha256": n, "split": s, "label": label, "group": n[:8]}
            for n, (s, label) in placed.items()
        ],
    )


def draw_mask(workspace: Workspace, name: str, box: tuple[int, int, int, int]) -> None:
    rgb = load_rgb(workspace.image_path(name))
    mask = np.zeros(rgb.shape[:2], np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    workspace.masks.mkdir(exist_ok=True)
    Image.fromarray(mask).save(workspace.masks / f"{name}.png")
    workspace.catalog.upsert(
        schema.annotations,
        [
            {
                "key": name,
                "sha256": name,
                "project": "damage",
                "annotator": "me",
                "kind": "mask",
                "label": "scratch",
                "file": f"masks/{name}.png",
                "state": "current",
                "updated_at": now(),
            }
        ],
    )


def files_of(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RECORD
    }
