"""Pictures for the labelling tests."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from bodyshop_core.catalog import register_image
from bodyshop_core.imaging import read_header, sniff
from bodyshop_core.workspace import Workspace


def picture_bytes(width, height, *, seed=0, orientation=1, form="JPEG"):
    """A photo-like picture as bytes; width and height are those stored, before EXIF rotation."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    base = np.stack((rows % 256, columns % 256, (rows + columns + seed * 37) % 256), axis=2)
    noisy = (base + rng.integers(0, 20, base.shape)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(noisy)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, form, exif=exif)
    return buffer.getvalue()


def add_picture(workspace: Workspace, data: bytes) -> str:
    """Register bytes as the collector does; returns the sha256."""
    extension = sniff(data[:16])
    blob = workspace.blobs.put_bytes(data, extension)
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension=extension, facts=read_header(data))
    return blob.sha256
