"""What an export has to hide: what people drew, a detector found, or a cascade proposes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from bodyshop.export.hiding import MARGIN, PROPOSED, Hidden, HiddenIn, box_of_pixels, kind_of
from bodyshop.export.proposed import decided_regions, proposals
from bodyshop_core.catalog import schema
from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


def find_hidden(
    workspace: Workspace,
    pictures: Mapping[str, Callable[[], bytes]],
    kinds: Collection[str],
    *,
    progress: Progress = SILENT,
) -> dict[str, HiddenIn]:
    """Find what is to be hidden.

    Parameters
    ----------
    workspace : Workspace
        Its regions and detections count.
    pictures : mapping
        sha256 -> what returns the bytes.
    kinds : collection of str
        Of `KINDS`.
    progress : Progress
        Told how many pictures were searched.

    What a cascade proposed is kept in the catalog: a picture is searched once.

    Returns
    -------
    dict
        sha256 -> regions, of the pictures that have some.

    Raises
    ------
    UnreadableImageError
        A picture can't be decoded, so that nobody knows what it shows.
    TransientError
        The file of a picture can't be read.
    """
    drawn, seen = _drawn(workspace, kinds), _detected(workspace, kinds)
    said = decided_regions(workspace)
    found: dict[str, HiddenIn] = {}
    with progress.task("search", total=len(pictures)) as tick:
        for sha256, proposed in proposals(workspace, pictures, kinds):
            tick(1)
            width, height = proposed.size
            decided = said.get(sha256, {})
            boxes = [
                *drawn.get(sha256, ()),
                *(
                    Hidden(kind, "detector", _pixels(box, width, height))
                    for kind, box in seen.get(sha256, ())
                ),
                *(
                    Hidden(kind, "confirmed", box)
                    for (kind, box), is_one in decided.items()
                    if is_one and kind in kinds
                ),
                *(Hidden(kind, PROPOSED, box) for kind, box in proposed.undecided(decided)),
            ]
            grown = tuple(
                Hidden(one.kind, one.by, box)
                for one in boxes
                if all((box := _grown(one.box, width, height))[2:])
            )
            if grown:
                found[sha256] = HiddenIn((width, height), grown)
    return found


def _drawn(workspace: Workspace, kinds: Collection[str]) -> dict[str, list[Hidden]]:
    """Return what people drew: regions, and masks that have none."""
    import numpy as np

    from labeling.formats.instances import box_of
    from labeling.formats.mask_file import read_mask

    regions, masks = schema.regions, schema.annotations
    in_use = (masks.c.kind == "mask", masks.c.state == "current")
    found: dict[str, list[Hidden]] = {}
    with workspace.catalog.read() as connection:
        rows = connection.execute(
            select(regions.c.sha256, regions.c.label, regions.c.box, regions.c.mask)
            .join(masks, masks.c.key == regions.c.mask)
            .where(*in_use)
        ).all()
        files = connection.execute(
            select(masks.c.key, masks.c.sha256, masks.c.label, masks.c.file).where(*in_use)
        ).all()
    for sha256, label, box, _ in rows:
        if kind := kind_of(label, kinds):
            found.setdefault(sha256, []).append(Hidden(kind, "person", box_of_pixels(*box)))
    whole = {row.mask for row in rows}
    for key, sha256, label, file in files:
        kind = kind_of(label or "", kinds)
        if kind and file and key not in whole:
            around = box_of(np.asarray(read_mask(workspace.derived.ref(file))))
            if around:
                found.setdefault(sha256, []).append(Hidden(kind, "person", box_of_pixels(*around)))
    return found


def _detected(
    workspace: Workspace, kinds: Collection[str]
) -> dict[str, list[tuple[str, list[float]]]]:
    table = schema.detections
    query = select(table.c.sha256, table.c.label, table.c.box).where(table.c.label.is_not(None))
    found: dict[str, list[tuple[str, list[float]]]] = {}
    with workspace.catalog.read() as connection:
        for sha256, label, box in connection.execute(query):
            if box and (kind := kind_of(label, kinds)):
                found.setdefault(sha256, []).append((kind, box))
    return found


def _pixels(box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return box_of_pixels(
        left * width, top * height, (right - left) * width, (bottom - top) * height
    )


def _grown(box: Sequence[int], width: int, height: int) -> tuple[int, int, int, int]:
    """Return a box with its margin, inside of the picture."""
    x, y = round(box[2] * MARGIN) + 1, round(box[3] * MARGIN) + 1
    left, top = max(0, box[0] - x), max(0, box[1] - y)
    right, bottom = min(width, box[0] + box[2] + x), min(height, box[1] + box[3] + y)
    return left, top, max(0, right - left), max(0, bottom - top)
