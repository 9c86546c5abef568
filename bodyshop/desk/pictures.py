"""Pictures for the desk's page: decoded here, so that no scraped byte reaches the browser."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image
from sqlalchemy import select

from bodyshop_core.catalog import BlobRef, schema
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.imaging import load_rgb
from curate.measure.thumbnail import store_thumbnail, thumbnail_of, thumbnail_path

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

SIDE = 1600
"""Longest side of a picture that is looked at closely, in pixels."""


def thumbnail(workspace: Workspace, sha256: str, *, keep: bool = True) -> bytes:
    """Return a picture's thumbnail: that of the report, or one that is made now.

    Parameters
    ----------
    workspace : Workspace
        Holds the picture.
    sha256 : str
        Which one.
    keep : bool
        Write one that is made now into the workspace.

    Raises
    ------
    NothingFoundError
        There is no such picture.
    UnreadableImageError
        It can't be decoded.
    """
    for folder in (workspace.reports / "curate", workspace.root / "desk"):
        path = thumbnail_path(folder, sha256)
        if _is_hash(sha256) and path.exists():
            return path.read_bytes()
    data = thumbnail_of(_opened(workspace, sha256, 240))
    if keep:
        store_thumbnail(thumbnail_path(workspace.root / "desk", sha256), data)
    return data


def show(workspace: Workspace, sha256: str) -> bytes:
    """Return a picture as a JPEG of at most `SIDE` pixels, upright; errors as `thumbnail`."""
    image = _opened(workspace, sha256, SIDE)
    image.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()


def _opened(workspace: Workspace, sha256: str, at_least: int) -> Image.Image:
    return Image.fromarray(load_rgb(_blob(workspace, sha256), at_least=at_least))


def _blob(workspace: Workspace, sha256: str) -> BlobRef:
    images = schema.images
    with workspace.catalog.read() as connection:
        query = select(images.c.extension).where(images.c.sha256 == sha256)
        extension = connection.scalar(query)
    if extension is None:
        raise NothingFoundError(f"{sha256[:12]} is not in this workspace")
    return workspace.blobs.ref(sha256, extension)


def _is_hash(sha256: str) -> bool:
    return len(sha256) == 64 and all(each in "0123456789abcdef" for each in sha256)
