"""Pictures for the duplicate tests: real ones from scikit-image, and copies of them."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

NAMES = ("astronaut", "chelsea", "coffee", "rocket")


@cache
def photo(name):
    from skimage import data

    return Image.fromarray(getattr(data, name)())


def jpeg(picture, quality=90, **options):
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality, **options)
    return buffer.getvalue()


def png(picture):
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def cropped(picture, share):
    dx, dy = int(picture.width * share / 2), int(picture.height * share / 2)
    return picture.crop((dx, dy, picture.width - dx, picture.height - dy))


def scaled(picture, factor):
    return picture.resize((round(picture.width * factor), round(picture.height * factor)))


def bordered(picture):
    return ImageOps.expand(picture, picture.width // 25, fill=(0, 0, 0))


def with_logo(picture):
    marked = picture.copy()
    w, h = picture.size
    ImageDraw.Draw(marked).rectangle([w * 0.72, h * 0.86, w * 0.97, h * 0.96], fill=(250, 250, 250))
    return marked


def with_text(picture):
    marked = picture.copy()
    font = ImageFont.load_default(picture.width * 0.13)
    middle = (picture.width / 2, picture.height / 2)
    ImageDraw.Draw(marked).text(
        middle, "FOR SALE", "white", stroke_fill="black", stroke_width=2, font=font, anchor="mm"
    )
    return marked


def brighter(picture, factor=1.15):
    return ImageEnhance.Brightness(picture).enhance(factor)


def car_on_white(colour, *, roof=True, shift=0):
    """A drawn car on a white studio background: the case that hashes of 64 bits get wrong."""
    picture = Image.new("RGB", (640, 426), (244, 244, 244))
    draw = ImageDraw.Draw(picture)
    draw.rectangle([0, 300, 640, 426], fill=(214, 214, 216))
    draw.rounded_rectangle([120 + shift, 200, 520 + shift, 300], 30, fill=colour)
    if roof:
        draw.polygon([(200, 205), (260, 140), (410, 140), (460, 205)], fill=colour)
        draw.polygon([(225, 200), (268, 150), (330, 150), (330, 200)], fill=(60, 70, 80))
    for x in (200, 440):
        draw.ellipse([x - 42 + shift, 260, x + 42 + shift, 344], fill=(20, 20, 22))
        draw.ellipse([x - 20 + shift, 282, x + 20 + shift, 322], fill=(170, 172, 175))
    noise = np.random.default_rng(1).normal(0, 2, (426, 640, 3))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
