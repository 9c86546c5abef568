"""Pictures of the catalog as labelers see them, and what a model proposes for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, select

from bodyshop_core.catalog import BlobRef, schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class CatalogPicture:
    """A picture of the catalog, as a labeler sees it.

    Parameters
    ----------
    sha256 : str
        Of the original bytes.
    path : BlobRef
        The original: `open` and Pillow take it as they take a path.
    format : str
        Pillow's name.
    width, height : int
        Upright size, that is after EXIF rotation, in pixels: the size of each of its masks.
    exif_orientation : int
        1 to 8.
    """

    sha256: str
    path: BlobRef
    format: str
    width: int
    height: int
    exif_orientation: int = 1


@dataclass(frozen=True)
class PreAnnotation:
    """What a model proposes for one picture: shown to the labeler, never used as an annotation.

    Parameters
    ----------
    sha256 : str
        The picture.
    masks : mapping
        Damage class -> bool array of shape (height, width), upright.
    choices : mapping
        Control -> value, such as ``{"state": "damaged"}``.
    score : float, optional
        0 to 1; the labeler can sort by it.
    """

    sha256: str
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    score: float | None = None


PreAnnotator = Callable[[Sequence[CatalogPicture]], Iterable[PreAnnotation]]
"""Proposes annotations for pictures; it may leave pictures out."""


def load_pictures(
    workspace: Workspace, sha256s: Sequence[str] | None = None
) -> list[CatalogPicture]:
    """Return pictures of the catalog that can be decoded, in the order asked for.

    Pictures that were erased are left out, also when ``bodyshop forget`` was interrupted before it
    removed their rows.

    Parameters
    ----------
    workspace : Workspace
        Where they are.
    sha256s : sequence of str, optional
        Which ones; default all. Unknown and undecodable pictures are left out.
    """
    table = schema.images
    query = select(
        table.c.sha256, table.c.extension, table.c.format, table.c.width, table.c.height,
        table.c.exif_orientation,
    ).where(table.c.width.is_not(None), not_erased()).order_by(table.c.sha256)  # fmt: skip
    with workspace.catalog.read() as connection:
        known = {row.sha256: row for row in connection.execute(query)}
    pictures = []
    for sha256 in known if sha256s is None else sha256s:
        row = known.get(sha256)
        if row is None:
            continue
        orientation = row.exif_orientation or 1
        # Orientations 5 to 8 exchange width and height (EXIF 2.3, tag 0x0112).
        turned = orientation in {5, 6, 7, 8}
        width, height = (row.height, row.width) if turned else (row.width, row.height)
        path = workspace.blobs.ref(sha256, row.extension)
        pictures.append(CatalogPicture(sha256, path, row.format or "", width, height, orientation))
    return pictures


def erased_pictures(connection: Connection, sha256s: Iterable[str]) -> set[str]:
    """Return those of some pictures that have a tombstone or are no longer in the catalog."""
    asked = set(sha256s)
    images = schema.images
    query = select(images.c.sha256).where(images.c.sha256.in_(asked), not_erased())
    return asked - set(connection.scalars(query))


def not_erased() -> ColumnElement[bool]:
    """Return the condition on `images` that a picture has no tombstone."""
    tombstones = schema.tombstones
    erased = select(tombstones.c.value).where(tombstones.c.kind == "sha256")
    return schema.images.c.sha256.not_in(erased)
