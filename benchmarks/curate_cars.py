"""Rendered cars, and what can be done to a picture, for the pages of docs/curate.md."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from showroom.render import render
from showroom.shade import Paint
from showroom.shot import Shot


def car(seed: int, *, damaged: bool = False, closeup: bool = False) -> Image.Image:
    """Render one of many cars."""
    random = np.random.default_rng(seed)
    bodies = ("sedan", "suv", "coupe", "hatch", "wagon", "pickup")
    scenes = ("coast", "park", "plaza", "street", "parking")
    red, green, blue = (int(value) for value in random.integers(20, 230, 3))
    shot = Shot(
        bodies[seed % len(bodies)],
        Paint((red, green, blue), 0.3),
        scenes[seed % len(scenes)],
        seed % 6,
        float(random.choice([34, 42, 138, 146, 214, 318, 326])),
        6,
        640,
        426,
        seed,
        noise=0.5,
        focus="door" if closeup else None,
        damage=("dent", "scratch") if damaged else (),
    )
    return Image.fromarray(render(shot).rgb)


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def towards(image: Image.Image, level: int, share: float) -> Image.Image:
    return Image.blend(image, Image.new("RGB", image.size, (level,) * 3), share)


def framed(image: Image.Image, level: int, share: float) -> Image.Image:
    """Put a smaller copy of a picture on a black or white ground."""
    ground = Image.new("RGB", image.size, (level,) * 3)
    small = image.resize((round(image.width * share), round(image.height * share)))
    ground.paste(small, ((image.width - small.width) // 2, (image.height - small.height) // 2))
    return ground
