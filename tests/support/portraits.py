"""Kept pictures in which the cascade sees faces."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from sqlalchemy import select

from bodyshop_core.catalog import now, register_image, schema
from bodyshop_core.imaging import read_header


def add_faces(workspace, number: int) -> str:
    """Add a kept picture in which the cascade sees faces: NASA's portrait, in a workshop."""
    from skimage.data import astronaut

    face = Image.fromarray(np.asarray(astronaut()))
    picture = Image.new("RGB", (1100, 560), (90 + 30 * number, 96, 102))
    picture.paste(face, (10, 20))
    picture.paste(face.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (560, 20))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95)
    data, catalog = out.getvalue(), workspace.catalog
    blob = workspace.blobs.put_bytes(data, "jpg")
    with catalog.begin() as connection:
        register_image(connection, blob, extension="jpg", facts=read_header(data))
    row = {"sha256": blob.sha256, "verdict": "keep", "reasons": [], "policy": "p"}
    catalog.upsert(schema.verdicts, [row | {"group": blob.sha256[:8], "decided_at": now()}])
    with catalog.read() as connection:
        name = connection.scalar(select(schema.split_sets.c.name))
    split = {"split_set": name, "sha256": blob.sha256, "split": "train", "label": "whole"}
    with catalog.begin() as connection:
        connection.execute(schema.splits.insert().values(**split, group=blob.sha256[:8]))
    return blob.sha256
