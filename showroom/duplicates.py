"""Planted near-duplicates: the same picture again, as the web copies it around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

TRANSFORMS = ("reencode", "resize", "crop", "watermark", "brightness")


@dataclass(frozen=True, slots=True)
class Copied:
    """A changed copy: the picture, its JPEG quality, and how it was made in words."""

    image: Image.Image
    quality: int
    transform: str


def copy_of(picture: Image.Image, quality: int, kind: str, seed: int) -> Copied:
    """Return a near-duplicate of `picture`, which is stored with JPEG `quality`.

    Raises
    ------
    ValueError
        If `kind` is unknown.
    """
    rng = np.random.default_rng(seed)
    w, h = picture.size
    if kind == "reencode":
        lower = int(rng.integers(58, 80))
        return Copied(picture, lower, f"reencode q{lower}")
    if kind == "resize":
        share = int(rng.integers(60, 90))
        size = (round(w * share / 100), round(h * share / 100))
        return Copied(picture.resize(size, Image.Resampling.LANCZOS), quality, f"resize {share} %")
    if kind == "crop":
        share = int(rng.integers(2, 6))
        dx, dy = w * share / 100, h * share / 100
        left, top = rng.uniform(0, dx), rng.uniform(0, dy)
        box = (round(left), round(top), round(left + w - dx), round(top + h - dy))
        return Copied(picture.crop(box), quality, f"crop {share} %")
    if kind == "watermark":
        text = str(rng.choice(["autopix.example", "CarStock", "bildhaus", "photo24"]))
        layer = Image.new("L", picture.size, 0)
        font = ImageFont.load_default(size=h * rng.uniform(0.045, 0.075))
        place = (w * rng.uniform(0.3, 0.7), h * rng.uniform(0.85, 0.94))
        ImageDraw.Draw(layer).text(
            place, text, font=font, fill=int(rng.integers(120, 190)), anchor="mm"
        )
        marked = picture.copy()
        marked.paste((255, 255, 255), (0, 0), layer)
        return Copied(marked, quality, "watermark")
    if kind == "brightness":
        change = int(rng.choice([-10, -8, -6, 6, 8, 10]))
        return Copied(
            ImageEnhance.Brightness(picture).enhance(1 + change / 100),
            quality,
            f"brightness {change:+d} %",
        )
    raise ValueError(f"unknown transform {kind!r}; one of {', '.join(TRANSFORMS)}")
