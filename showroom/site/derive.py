"""What a CDN makes of an original: smaller copies, sprite sheets, packed and scrambled frames."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Sequence
from functools import lru_cache
from math import ceil
from pathlib import Path

from PIL import Image

PACK_MAGIC = b"SPN1"
STRIPS = 8


@lru_cache(maxsize=1024)
def resized(path: Path, width: int, fmt: str = "JPEG") -> bytes:
    """Return the picture in `path` at `width` pixels across (never larger), as JPEG or WEBP."""
    with Image.open(path) as source:
        if fmt == "JPEG":
            source.draft("RGB", (width * 2, width * 2))
        picture = source.convert("RGB")
    if picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return _encode(picture, fmt)


def pack(frames: Sequence[bytes]) -> bytes:
    """Return frames as one binary that no image tool recognises.

    Magic, frame count and lengths (unsigned 32-bit, little endian), then the frames, each byte
    exclusive-or 0x5A, so that only the page's own viewer shows the pictures.
    """
    header = struct.pack(f"<4sI{len(frames)}I", PACK_MAGIC, len(frames), *map(len, frames))
    table = bytes(value ^ 0x5A for value in range(256))
    return header + b"".join(frame.translate(table) for frame in frames)


def sprite_sheet(paths: Sequence[Path], columns: int) -> bytes:
    """Return frames side by side, row by row, as one JPEG."""
    frames = [_rgb(path) for path in paths]
    width, height = frames[0].size
    sheet = Image.new("RGB", (width * columns, height * ceil(len(frames) / columns)))
    for index, frame in enumerate(frames):
        sheet.paste(frame, (index % columns * width, index // columns * height))
    return _encode(sheet, "JPEG")


def strip_order(seed: str, frame: int) -> list[int]:
    """Return where each upright strip of a scrambled frame really belongs."""
    order = list(range(STRIPS))
    random.Random(f"{seed}/{frame}").shuffle(order)
    return order


def scrambled_atlas(paths: Sequence[Path], columns: int, seed: str) -> bytes:
    """Return a sprite sheet whose frames are cut into upright strips and mixed up.

    Strip ``i`` of the sheet's frame belongs at place ``strip_order(seed, frame)[i]``; columns left
    over by a width that `STRIPS` does not divide stay where they are, at the right edge.
    """
    frames = [_rgb(path) for path in paths]
    width, height = frames[0].size
    strip = width // STRIPS
    sheet = Image.new("RGB", (width * columns, height * ceil(len(frames) / columns)))
    for index, frame in enumerate(frames):
        left, top = index % columns * width, index // columns * height
        sheet.paste(frame, (left, top))
        for here, there in enumerate(strip_order(seed, index)):
            piece = frame.crop((there * strip, 0, (there + 1) * strip, height))
            sheet.paste(piece, (left + here * strip, top))
    return _encode(sheet, "JPEG", quality=95)


def _rgb(path: Path) -> Image.Image:
    with Image.open(path) as source:
        return source.convert("RGB")


def _encode(picture: Image.Image, fmt: str, quality: int = 80) -> bytes:
    out = io.BytesIO()
    # Above quality 90 the colours keep their full resolution, so that strips meet without a seam.
    options = {"subsampling": 0} if quality > 90 else {}
    picture.save(out, fmt, quality=quality, **options)
    return out.getvalue()
