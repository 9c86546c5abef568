"""Workspaces with small pictures, masks and a split."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from bodyshop_core.catalog import now, register_image, schema
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import read_header, sniff
from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class Shot:
    """One picture of a test workspace."""

    data: bytes
    label: str = "damaged"
    split: str = "train"
    group: str | None = None
    mask: bytes | None = None
    box: dict[str, float] | None = None


Fill = Callable[[Sequence[Shot]], list[str]]


def picture(seed: int, *, size: tuple[int, int] = (96, 64), mode: str = "RGB") -> Image.Image:
    """Blobs of colour: compresses like a photo and differs everywhere."""
    rng = np.random.default_rng(seed)
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    coarse = rng.integers(0, 256, (8, 12, channels), dtype=np.uint8)
    small = Image.fromarray(coarse.squeeze(), mode)
    return small.resize(size, Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def mask(size: tuple[int, int] = (96, 64), *, box: tuple[int, int, int, int] = (30, 20, 60, 40)):
    """A filled rectangle of 255 on 0."""
    canvas = np.zeros((size[1], size[0]), np.uint8)
    left, top, right, bottom = box
    canvas[top:bottom, left:right] = 255
    return Image.fromarray(canvas)


def fill_workspace(
    workspace: Workspace, shots: Sequence[Shot], *, split_set: str = "main"
) -> list[str]:
    names = []
    catalog = workspace.catalog
    with catalog.begin() as connection:
        for shot in shots:
            extension = sniff(shot.data) or "bin"
            blob = workspace.blobs.put_bytes(shot.data, extension)
            try:
                facts = read_header(shot.data)
            except UnreadableImageError:
                facts = {}
            register_image(connection, blob, extension=extension, facts=facts)
            names.append(blob.sha256)
            if shot.mask is not None:
                file = f"masks/{blob.sha256}.png"
                path = workspace.root / file
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(shot.mask)
                catalog.upsert(
                    schema.annotations,
                    [_annotation(blob.sha256, "mask", "scratch", file=file)],
                    connection=connection,
                )
            if shot.box is not None:
                catalog.upsert(
                    schema.annotations,
                    [_annotation(blob.sha256, "box", "dent", value=shot.box)],
                    connection=connection,
                )
        catalog.upsert(
            schema.split_sets,
            [
                {
                    "name": split_set,
                    "target": "damage",
                    "seed": 7,
                    "ratios": {"train": 0.8, "test": 0.2},
                    "options": {},
                    "created_at": now(),
                }
            ],
            connection=connection,
        )
        catalog.upsert(
            schema.splits,
            [
                {
                    "split_set": split_set,
                    "sha256": sha256,
                    "split": shot.split,
                    "label": shot.label,
                    "group": shot.group or sha256[:16],
                }
                for sha256, shot in zip(names, shots, strict=True)
            ],
            connection=connection,
        )
    return names


def _annotation(sha256: str, kind: str, label: str, *, file=None, value=None) -> dict:
    return {
        "key": f"{sha256}-{kind}",
        "sha256": sha256,
        "project": "damage",
        "annotator": "test",
        "kind": kind,
        "label": label,
        "file": file,
        "value": value,
        "state": "current",
        "updated_at": now(),
    }


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with the digest of its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def pixels(path: Path) -> np.ndarray:
    """A picture file as an array."""
    with Image.open(path) as image:
        return np.asarray(image)


def size_of(source: Path | bytes) -> tuple[int, int]:
    """Width and height of a picture."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        return image.size
