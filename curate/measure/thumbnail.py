"""Small copies of pictures for the report."""

from __future__ import annotations

import io
import os
from pathlib import Path

from PIL import Image

SIDE = 220
"""Longest side in pixels."""

QUALITY = 72


def thumbnail_of(image: Image.Image) -> bytes:
    """Return a decoded picture as a JPEG of at most `SIDE` pixels."""
    scale = SIDE / max(image.size)
    small = image
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        small = image.resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def thumbnail_path(folder: Path, sha256: str) -> Path:
    """Return the place of a picture's thumbnail in a report's folder."""
    return folder / "thumbnails" / sha256[:2] / f"{sha256}.jpg"


def store_thumbnail(path: Path, data: bytes) -> None:
    """Write a thumbnail, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # One that is lost in a power cut is made again: rename without fsync is ten times faster.
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    temporary.write_bytes(data)
    temporary.replace(path)
