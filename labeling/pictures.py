"""What goes to a labelling server: pictures and the head start a model gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from bodyshop_core.catalog import schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class Picture:
    """A picture of the catalog, as a labeler sees it.

    Parameters
    ----------
    sha256 : str
        Of the original bytes.
    path : Path
        The original bytes.
    format : str
        Pillow's name.
    width, height : int
        Upright, that is after EXIF rotation, in pixels: the size of every mask of it.
    exif_orientation : int
        1 to 8.
    """

    sha256: str
    path: Path
    format: str
    width: int
    height: int
    exif_orientation: int = 1


@dataclass(frozen=True)
class Prediction:
    """A model's proposal for one picture: shown to the labeler, never taken for an annotation.

    Parameters
    ----------
    sha256 : str
        Which picture.
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


Predictor = Callable[[Sequence[Picture]], Iterable[Prediction]]
"""Turns pictures into proposals; pictures it has nothing to say about may be left out."""


def load_pictures(workspace: Workspace, sha256s: Sequence[str] | None = None) -> list[Picture]:
    """Return pictures of the catalog that can be decoded, in the order asked for.

    Parameters
    ----------
    workspace : Workspace
        Where they are.
    sha256s : sequence of str, optional
        Which ones; default all. Those unknown or undecodable are left out.
    """
    table = schema.images
    query = select(
        table.c.sha256, table.c.extension, table.c.format, table.c.width, table.c.height,
        table.c.exif_orientation,
    ).where(table.c.width.is_not(None)).order_by(table.c.sha256)  # fmt: skip
    with workspace.catalog.read() as connection:
        known = {row.sha256: row for row in connection.execute(query)}
    pictures = []
    for sha256 in known if sha256s is None else sha256s:
        row = known.get(sha256)
        if row is None:
            continue
        orientation = row.exif_orientation or 1
        # Orientations 5 to 8 lie on their side (EXIF 2.3, tag 0x0112).
        turned = orientation in {5, 6, 7, 8}
        width, height = (row.height, row.width) if turned else (row.width, row.height)
        path = workspace.blobs.path(sha256, row.extension)
        pictures.append(Picture(sha256, path, row.format or "", width, height, orientation))
    return pictures
