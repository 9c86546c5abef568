"""Instances in the catalog: one row per region, of which a class mask is the union.

A region belongs to the row of its class mask (``regions.mask``) and counts while that row is
``current``. Masks without regions, such as PNG files, are cut into their connected parts when they
are read (see `labeling.formats.instances`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Row, delete, select

from bodyshop_core.catalog import schema
from bodyshop_core.imaging import coco_rle
from labeling.formats.instances import box_of, shape_mask, shapes_of_masks
from labeling.formats.mask_file import read_mask
from labeling.formats.shapes import Shape

if TYPE_CHECKING:
    from bodyshop_core.storage.blobs import BlobRef
    from bodyshop_core.workspace import Workspace
    from labeling.formats.shapes import Mask

CHUNK = 400
"""Keys per statement."""


@dataclass(frozen=True)
class PictureInstances:
    """The instances of one picture that count; geometry is decoded when it is asked for.

    Parameters
    ----------
    rows : tuple of Row
        Of the table ``regions``, in the order they were drawn.
    masks : mapping
        Class -> a class mask that has no regions.
    """

    rows: tuple[Row[Any], ...]
    masks: Mapping[str, BlobRef]

    def shapes(self) -> list[Shape]:
        """Return the instances in pixels of the upright picture."""
        shapes = [shape_of(row) for row in self.rows]
        return shapes + shapes_of_masks({k: read_mask(file) for k, file in self.masks.items()})


def current_instances(
    workspace: Workspace, *, imported: bool = False, states: Sequence[str] = ("current",)
) -> dict[str, PictureInstances]:
    """Return sha256 -> the instances of the masks in use.

    Parameters
    ----------
    workspace : Workspace
        Where they are.
    imported : bool
        Only of imported masks.
    states : sequence of str
        Of their class masks; by default only of those that count.
    """
    annotations, regions = schema.annotations, schema.regions
    in_use = [annotations.c.kind == "mask", annotations.c.state.in_(tuple(states))]
    if imported:
        in_use.append(annotations.c.project.startswith("import:"))
    masks = select(annotations.c.key, annotations.c.sha256, annotations.c.label, annotations.c.file)
    drawn = (
        select(regions)
        .join(annotations, annotations.c.key == regions.c.mask)
        .where(*in_use)
        .order_by(regions.c.sha256, regions.c.number, regions.c.key)
    )
    rows: dict[str, list[Row[Any]]] = {}
    files: dict[str, dict[str, BlobRef]] = {}
    with workspace.catalog.read() as connection:
        whole: set[str] = set()
        for row in connection.execute(drawn):
            rows.setdefault(row.sha256, []).append(row)
            whole.add(row.mask)
        for key, sha256, label, file in connection.execute(masks.where(*in_use)):
            of_picture = files.setdefault(sha256, {})
            if key not in whole and file:
                of_picture[label or "damage"] = workspace.derived.ref(file)
    return {
        sha256: PictureInstances(tuple(rows.get(sha256, ())), of_picture)
        for sha256, of_picture in files.items()
    }


def regions_of(connection: Connection, masks: Iterable[str]) -> dict[str, list[Row[Any]]]:
    """Return key of a class mask -> its regions, in the order they were drawn."""
    table = schema.regions
    found: dict[str, list[Row[Any]]] = {}
    for part in _parts(sorted(set(masks))):
        query = select(table).where(table.c.mask.in_(part)).order_by(table.c.number, table.c.key)
        for row in connection.execute(query):
            found.setdefault(row.mask, []).append(row)
    return found


def replace_regions(
    connection: Connection,
    workspace: Workspace,
    masks: Iterable[str],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Write the regions of some class masks in place of those they had."""
    table = schema.regions
    for part in _parts(sorted(set(masks))):
        connection.execute(delete(table).where(table.c.mask.in_(part)))
    workspace.catalog.upsert(table, rows, connection=connection)


def region_row(
    shape: Shape, mask: Mask, *, key: str, sha256: str, of: str, number: int, annotator: str
) -> dict[str, Any]:
    """Return a row of ``regions``.

    Parameters
    ----------
    shape : Shape
        In pixels of the upright picture.
    mask : ndarray of bool, shape (height, width)
        Its pixels, at least one.
    key, sha256, of, number, annotator
        Its key, the picture, the key of its class mask, its order, and who drew it.
    """
    return {
        "key": key,
        "sha256": sha256,
        "mask": of,
        "number": number,
        "label": shape.label,
        "severity": shape.severity,
        "part": shape.part,
        "annotator": annotator,
        "origin": shape.origin,
        "kind": "mask" if shape.mask is not None else shape.kind,
        "geometry": _geometry(shape, mask),
        "box": list(box_of(mask) or (0, 0, 0, 0)),
        "area": int(mask.sum()),
    }


def shape_of(row: Row[Any]) -> Shape:
    """Return the shape of a row of ``regions``."""
    about = {
        "severity": row.severity, "part": row.part, "origin": row.origin, "place": row.key
    }  # fmt: skip
    geometry = row.geometry
    if "counts" in geometry:
        height, width = geometry["size"]
        mask = coco_rle.decode(geometry["counts"], height, width)
        return Shape(row.label, mask=mask, kind="mask", **about)
    rings = tuple(np.asarray(ring, np.float64).reshape(-1, 2) for ring in geometry["rings"])
    united = bool(geometry.get("united"))
    return Shape(row.label, rings, kind=row.kind, united=united, **about)


def _geometry(shape: Shape, mask: Mask) -> dict[str, Any]:
    if shape.mask is not None:
        return {"size": list(mask.shape), "counts": coco_rle.encode(mask)}
    rings = [np.asarray(ring, np.float64).ravel().tolist() for ring in shape.rings]
    return {"rings": rings, "united": shape.united}


def mask_of(row: Row[Any], height: int, width: int) -> Mask:
    """Return the pixels of a row of ``regions``, bool, shape (height, width)."""
    return shape_mask(shape_of(row), height, width)


def _parts(values: list[str]) -> Iterable[list[str]]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))
