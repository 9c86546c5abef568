"""VGG Image Annotator projects and exports, versions 1 and 2.

Source: https://www.robots.ox.ac.uk/~vgg/software/via/docs/ and its ``via_project`` JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.errors import ConfigError
from labeling.formats.coco import load_json
from labeling.formats.polygons import ellipse, keyhole_polygons
from labeling.formats.shapes import ExportPicture, MaskFormatError, PictureShapes, Shape

FILE_NAME = "via_project.json"
ATTRIBUTE = "damage"

NAMES = ("damage", "label", "class", "type", "name", "category")
"""Region attributes that hold the class when a region has several attributes."""


def read(source: Path) -> Iterator[PictureShapes]:
    """Read a VIA project or annotation export; coordinates are in pixels of the picture as shown.

    Parameters
    ----------
    source : Path
        The JSON file, or a folder with ``via_project.json`` in it.

    Raises
    ------
    ConfigError
        It is not a VIA file.
    """
    path = source / FILE_NAME if source.is_dir() else source
    data = load_json(path)
    entries = data.get("_via_img_metadata", data) if isinstance(data, dict) else None
    if not isinstance(entries, dict) or not all(
        isinstance(entry, dict) and "filename" in entry and "regions" in entry
        for entry in entries.values()
    ):
        raise ConfigError("not a VIA file, which has entries with filename and regions", file=path)
    for entry in entries.values():
        yield _picture_shapes(entry)


def write(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> Path:
    """Write a VIA 2 project with one polygon per connected region.

    Returns
    -------
    Path
        The file written.
    """
    entries: dict[str, Any] = {}
    for picture in pictures:
        regions = [
            {
                "shape_attributes": {
                    "name": "polygon",
                    "all_points_x": ring[:, 0].astype(int).tolist(),
                    "all_points_y": ring[:, 1].astype(int).tolist(),
                },
                "region_attributes": {ATTRIBUTE: label},
            }
            for label, mask in picture.load().items()
            for ring in keyhole_polygons(mask)
        ]
        size = {"width": str(picture.width), "height": str(picture.height)}
        attributes = size | {"sha256": picture.sha256}
        entries[f"{picture.name}-1"] = {
            "filename": f"images/{picture.name}",
            "size": -1,
            "regions": regions,
            "file_attributes": attributes,
        }
    options = dict.fromkeys(classes, "")
    document = {
        "_via_settings": {"project": {"name": "bodyshop"}},
        "_via_img_metadata": entries,
        "_via_attributes": {
            "region": {ATTRIBUTE: {"type": "radio", "description": "", "options": options}},
            "file": {},
        },
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(entries),
    }
    path = dest / FILE_NAME
    atomic.write_text(path, json.dumps(document, ensure_ascii=False) + "\n")
    return path


def _picture_shapes(entry: dict[str, Any]) -> PictureShapes:
    name = str(entry["filename"])
    regions = entry["regions"]
    # Version 1 keeps regions in an object, version 2 in a list.
    regions = list(regions.values()) if isinstance(regions, dict) else list(regions)
    shapes: list[Shape] = []
    problems: list[str] = []
    for number, region in enumerate(regions):
        try:
            label = _label(region.get("region_attributes") or {})
            shapes.append(Shape(label, (_ring(region["shape_attributes"]),)))
        except (MaskFormatError, KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(f"{name}: region {number}: {error}")
    facts = entry.get("file_attributes")
    facts = facts if isinstance(facts, dict) else {}
    size = None
    if str(facts.get("width", "")).isdigit() and str(facts.get("height", "")).isdigit():
        size = (int(facts["width"]), int(facts["height"]))
    # (0, 0): pixels, but the file does not give the size of the picture.
    return PictureShapes(name, size or (0, 0), tuple(shapes), facts.get("sha256"), tuple(problems))


def _label(attributes: dict[str, Any]) -> str:
    named = [key for key in NAMES if attributes.get(key)]
    keys = named or [key for key, value in attributes.items() if value]
    if len(keys) == 0 or (len(keys) > 1 and not named):
        raise MaskFormatError(f"no class among its attributes {sorted(attributes)}")
    value = attributes[keys[0]]
    if isinstance(value, dict):
        # Checkboxes: {"dent": true}.
        ticked = [key for key, on in value.items() if on]
        if len(ticked) != 1:
            raise MaskFormatError(f"{len(ticked)} classes are ticked instead of one")
        return str(ticked[0])
    return str(value)


def _ring(shape: dict[str, Any]) -> Any:
    kind = shape["name"]
    if kind in {"polygon", "polyline"}:
        ring = np.stack(
            (
                np.asarray(shape["all_points_x"], np.float64),
                np.asarray(shape["all_points_y"], np.float64),
            ),
            axis=1,
        )
        if len(ring) < 3:
            raise MaskFormatError("a polygon needs at least three corners")
    elif kind == "rect":
        x, y, w, h = (float(shape[key]) for key in ("x", "y", "width", "height"))
        ring = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
    elif kind in {"circle", "ellipse"}:
        rx = float(shape["r"] if kind == "circle" else shape["rx"])
        ry = float(shape["r"] if kind == "circle" else shape["ry"])
        # VIA stores the rotation of an ellipse in radians.
        turn = np.rad2deg(float(shape.get("theta", 0.0)))
        ring = ellipse(float(shape["cx"]), float(shape["cy"]), rx, ry, turn)
    else:
        raise MaskFormatError(f"a {kind} has no area")
    if not np.isfinite(ring).all():
        raise MaskFormatError("coordinates must be finite")
    return ring
