"""Contact sheets of showroom pictures, and the picture in the README."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from bodyshop_core.atomic import write_bytes
from showroom.arrays import Bytes
from showroom.render import Photo, render
from showroom.shade import Paint
from showroom.shot import Shot
from showroom.truth import Truth

OUTLINES = {"scratch": (0, 235, 255), "dent": (255, 60, 200), "crack": (255, 235, 0)}
"""Colour of each damage class's outline."""


def contact_sheet(
    truth: Truth, root: Path, ids: Sequence[str], *, columns: int = 8, width: int = 200
) -> Image.Image:
    """Lay the pictures `ids` of a built showroom out in rows, each `width` pixels wide."""
    height = round(width / 1.5)
    rows = -(-len(ids) // columns)
    sheet = Image.new("RGB", (columns * width, max(rows, 1) * height), (255, 255, 255))
    pictures = truth.by_id()
    for k, name in enumerate(ids):
        with Image.open(root / pictures[name].file) as image:
            sheet.paste(_fit(image, width, height), (k % columns * width, k // columns * height))
    return sheet


def readme_picture(path: Path, *, width: int = 1260, quality: int = 84) -> Path:
    """Render the README's picture.

    Six models, one of them turning, and damage with its exact mask.
    """
    gap = 6
    third, eighth = (width - 2 * gap) // 3, (width - 7 * gap) // 8
    high, low = round(third / 1.5), round(eighth / 1.5)
    sheet = Image.new("RGB", (width, 3 * high + low + 3 * gap), (255, 255, 255))
    for k, shot in enumerate(_models()):
        place = (k % 3 * (third + gap), k // 3 * (high + gap))
        sheet.paste(_crisp(render(shot), third, high), place)
    top = 2 * (high + gap)
    for k, shot in enumerate(_turning(8)):
        sheet.paste(_crisp(render(shot), eighth, low), (k * (eighth + gap), top))
    top += low + gap
    for k, shot in enumerate(_damaged()):
        photo = render(shot)
        sheet.paste(
            outlined(photo).resize((third, high), Image.Resampling.LANCZOS),
            (k * (third + gap), top),
        )
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=quality, optimize=True)
    write_bytes(path, out.getvalue())
    return path


def outlined(photo: Photo, *, thickness: int = 2) -> Image.Image:
    """Draw the outline of each damage mask around the damage."""
    out = photo.rgb.copy()
    for name, mask in sorted(photo.masks.items()):
        near = ndimage.binary_closing(np.pad(mask, 9), iterations=7)[9:-9, 9:-9]
        wide = ndimage.binary_dilation(near, iterations=4)
        ring = wide & ~ndimage.binary_erosion(wide, iterations=thickness)
        out[ring] = OUTLINES[name]
    return Image.fromarray(out)


def _fit(image: Image.Image, width: int, height: int) -> Image.Image:
    scale = max(width / image.width, height / image.height)
    size = (max(width, round(image.width * scale)), max(height, round(image.height * scale)))
    big = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    left, top = (big.width - width) // 2, (big.height - height) // 2
    return big.crop((left, top, left + width, top + height))


def _crisp(photo: Photo, width: int, height: int) -> Image.Image:
    picture: Bytes = photo.rgb
    return Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)


def _models() -> list[Shot]:
    rows: list[tuple[str, Paint, str, int, float, float]] = [
        ("sedan", Paint((22, 62, 150), 0.4), "coast", 2, 33, 5),
        ("suv", Paint((226, 228, 228), 0.0), "park", 3, 322, 6),
        ("coupe", Paint((176, 16, 22), 0.2), "studio_light", 5, 38, 5),
        ("hatch", Paint((232, 174, 16), 0.05), "plaza", 1, 310, 6),
        ("wagon", Paint((28, 122, 132), 0.4), "street", 2, 145, 6),
        ("pickup", Paint((196, 82, 16), 0.3), "parking", 4, 40, 7),
    ]
    return [
        Shot(
            body,
            paint,
            scene,
            variant,
            angle,
            elevation,
            840,
            560,
            11 + k,
            noise=0.0,
            fill=0.9,
            vignette=0.1,
        )
        for k, (body, paint, scene, variant, angle, elevation) in enumerate(rows)
    ]


def _turning(frames: int) -> list[Shot]:
    paint = Paint((150, 154, 160), 0.7)
    return [
        Shot(
            "coupe",
            paint,
            "studio_dark",
            3,
            360.0 * k / frames + 22.5,
            6,
            480,
            320,
            5,
            noise=0.0,
            fill=0.9,
            exposure=0.3,
        )
        for k in range(frames)
    ]


def _damaged() -> list[Shot]:
    return [
        Shot(
            "hatch",
            Paint((176, 179, 184), 0.6),
            "coast",
            1,
            85,
            6,
            840,
            560,
            4,
            noise=0.5,
            focus="door",
            damage=("dent", "scratch"),
            reach=2.2,
        ),
        Shot(
            "sedan",
            Paint((140, 16, 22), 0.25),
            "plaza",
            4,
            38,
            8,
            840,
            560,
            3,
            noise=0.5,
            focus="front_corner",
            damage=("scratch", "crack"),
            reach=2.3,
        ),
        Shot(
            "suv",
            Paint((24, 78, 52), 0.4),
            "street",
            5,
            30,
            8,
            840,
            560,
            8,
            noise=0.5,
            damage=("crack", "dent"),
        ),
    ]
