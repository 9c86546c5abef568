"""The pictures of the pages: photos, frames of a turn, a sheet of frames."""

from __future__ import annotations

import io
from functools import lru_cache

from picture_server import picture
from PIL import Image, ImageDraw

from abroad.pages import FULL


@lru_cache(maxsize=400)
def photo(number: int, width: int) -> bytes:
    return picture(1000 + number, (width, width * FULL[1] // FULL[0]))


@lru_cache(maxsize=400)
def spin(number: int) -> bytes:
    image = Image.open(io.BytesIO(picture(5, (600, 400)))).convert("RGB")
    pen = ImageDraw.Draw(image)
    pen.rectangle((number % 36 * 16, 360, number % 36 * 16 + 20, 400), fill="red")
    pen.text((10, 10), str(number), fill="white", font_size=60)
    out = io.BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


@lru_cache(maxsize=1)
def sheet() -> bytes:
    image = Image.new("RGB", (6 * 300, 4 * 200))
    for n in range(24):
        cell = Image.open(io.BytesIO(spin(n + 1))).resize((300, 200))
        image.paste(cell, (n % 6 * 300, n // 6 * 200))
    out = io.BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()
