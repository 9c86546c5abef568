"""Where the car is in each picture, as a detector left it in the catalog."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.workspace import Workspace

BoxFractions = tuple[float, float, float, float]
"""Left, top, right, bottom as fractions of the upright picture."""


def car_boxes(workspace: Workspace) -> dict[str, BoxFractions]:
    """Return sha256 -> box of the largest car, for the pictures in which one was found.

    When several detectors have been run, the one that covered most pictures counts.

    Raises
    ------
    NothingFoundError
        No detector has been run on this workspace.
    """
    table = schema.detections
    with workspace.catalog.read() as connection:
        rows = connection.execute(select(table.c.sha256, table.c.detector, table.c.box)).all()
    if not rows:
        raise NothingFoundError(
            f"the recipe crops to detected cars, but no detector has been run on {workspace.root}",
            hint="run: bodyshop detect FILE.tflite, or leave data.crop at none",
        )
    counts = Counter(row.detector for row in rows)
    chosen = min(counts, key=lambda name: (-counts[name], name))
    return {
        row.sha256: (row.box[0], row.box[1], row.box[2], row.box[3])
        for row in rows
        if row.detector == chosen and row.box
    }
