"""VGG Image Annotator projects and exports, versions 1, 2 and 3.

Sources: https://www.robots.ox.ac.uk/~vgg/software/via/docs/, its ``via_project`` JSON, and for
version 3 https://gitlab.com/vgg/via/-/blob/master/via-3.x.y/CodeDoc.md (``metadata`` with ``xy``).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.errors import ConfigError
from labeling.formats import via_csv
from labeling.formats.documents import (
    FACTS,
    FAULTS,
    JSON_FILES,
    closed,
    damaged_files,
    facts_of,
    files_of,
    number,
    read_json,
    rectangle,
    ring_of,
    sentence,
    side,
    text_of,
)
from labeling.formats.instances import instances_of, single_ring
from labeling.formats.polygons import ellipse
from labeling.formats.shapes import ExportPicture, MaskFormatError, PictureShapes, Shape

FILE_NAME = "via_project.json"
ATTRIBUTE = "damage"

NAMES = ("damage", "label", "class", "type", "name", "category")
"""Region attributes that hold the class when a region has several attributes."""


def find(source: Path) -> list[Path]:
    """Return the VIA files of a file or folder."""
    if source.is_file():
        return [source] if _is_via(source) else []
    paths = sorted(source.glob(JSON_FILES))
    named = [path for path in paths if path.name == FILE_NAME]
    found = [path for path in named or paths if _is_via(path)]
    return found or [path for path in sorted(source.glob("*.csv")) if _is_via(path)]


def read(source: Path) -> Iterator[PictureShapes]:
    """Read a VIA project or an export (JSON, CSV); coordinates are pixels of the picture as shown.

    Parameters
    ----------
    source : Path
        The JSON file, or a folder with it.

    Raises
    ------
    ConfigError
        It is not a VIA file.
    """
    files = files_of(source, find, "VIA file")
    if files[0].suffix.lower() == ".json":
        yield from damaged_files(source, files)
    for path in files:
        if path.suffix.lower() == ".csv":
            for place, entry in via_csv.entries(path).items():
                yield _picture_shapes(place, entry, path)
            continue
        data = read_json(path)
        if isinstance(data, dict) and _is_version_3(data):
            yield from _read_version_3(data, path)
            continue
        entries = _entries(data)
        if not entries or not any(_is_entry(entry) for _, entry in entries):
            raise ConfigError(
                "not a VIA file, which has entries with filename and regions", file=path
            )
        for place, entry in entries:
            yield _picture_shapes(place, entry, path)


def write(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> Path:
    """Write a VIA 2 project with one region per instance.

    Returns
    -------
    Path
        The file written.
    """
    entries: dict[str, Any] = {}
    for picture in pictures:
        regions = [
            {"shape_attributes": attributes, "region_attributes": _region_attributes(shape)}
            for shape in instances_of(picture)
            if (attributes := _shape_attributes(shape, picture.height, picture.width)) is not None
        ]
        size = {"width": str(picture.width), "height": str(picture.height)}
        entries[f"{picture.name}-1"] = {
            "filename": f"images/{picture.name}",
            "size": -1,
            "regions": regions,
            "file_attributes": size | {"sha256": picture.sha256},
        }
    options = dict.fromkeys(classes, "")
    radio = {"type": "radio", "description": "", "options": options}
    text = {"type": "text", "description": "", "default_value": ""}
    document = {
        "_via_settings": {"project": {"name": "bodyshop"}},
        "_via_img_metadata": entries,
        "_via_attributes": {
            "region": {ATTRIBUTE: radio} | dict.fromkeys(FACTS, text),
            "file": {},
        },
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(entries),
    }
    path = dest / FILE_NAME
    atomic.write_text(path, json.dumps(document, ensure_ascii=False) + "\n")
    return path


def _is_via(path: Path) -> bool:
    try:
        if path.suffix.lower() == ".csv":
            return bool(via_csv.rows(path))
        data = read_json(path) if path.suffix.lower() == ".json" else None
    except ConfigError:
        return False
    if isinstance(data, dict) and _is_version_3(data):
        return True
    return any(_is_entry(entry) for _, entry in _entries(data))


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, Mapping) and "filename" in entry and "regions" in entry


def _entries(data: Any) -> list[tuple[str, Any]]:
    if isinstance(data, dict):
        data = data.get("_via_img_metadata", data)
    if isinstance(data, dict):
        return [(str(key), entry) for key, entry in data.items()]
    if isinstance(data, list):
        return [(f"entry {index}", entry) for index, entry in enumerate(data)]
    return []


def _picture_shapes(place: str, entry: Any, path: Path) -> PictureShapes:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("filename"), str):
        problem = f"{path.name}: {place}: it has no filename"
        return PictureShapes("", (0, 0), problems=(problem,))
    name = entry["filename"]
    regions = entry.get("regions")
    if regions is None:
        problem = f"{name}: it has no regions"
        return PictureShapes(name, (0, 0), problems=(problem,))
    # Version 1 keeps regions in an object, version 2 in a list.
    regions = list(regions.values()) if isinstance(regions, dict) else regions
    if not isinstance(regions, list):
        return PictureShapes(name, (0, 0), problems=(f"{name}: its regions are no list",))
    shapes: list[Shape] = []
    problems: list[str] = []
    for index, region in enumerate(regions):
        try:
            given = region.get("region_attributes") or {}
            label, facts = _label(given), facts_of(_all_chosen(given))
            rings, kind = _rings(region["shape_attributes"])
            shapes.append(Shape(label, (rings,), kind=kind, place=f"region {index}", **facts))
        except FAULTS as error:
            problems.append(f"{name}: region {index}: {sentence(error)}")
    about = entry.get("file_attributes")
    about = about if isinstance(about, Mapping) else {}
    size = (0, 0)  # pixels, but the file does not give the size of the picture
    stated = (about.get("width"), about.get("height"))
    if all(value not in (None, "") for value in stated):
        try:
            size = (side(stated[0], "its width"), side(stated[1], "its height"))
        except MaskFormatError as error:
            problems.append(f"{name}: {error.message}")
    sha256, length = about.get("sha256"), entry.get("size")
    return PictureShapes(
        name, size, tuple(shapes), sha256 if isinstance(sha256, str) else None, tuple(problems),
        bytes=length if isinstance(length, int) and length > 1 else None, folder=path.parent,
    )  # fmt: skip


def _label(attributes: Mapping[str, Any]) -> str:
    """Return the class among a region's attributes; empty when there is none."""
    given = _all_chosen(attributes)
    named = [key for key in NAMES if key in given]
    keys = named or [key for key in given if key not in FACTS]
    if not keys:
        return ""
    if len(keys) > 1 and not named:
        raise MaskFormatError(f"which of its attributes {sorted(keys)} is the class?")
    return given[keys[0]]


def _all_chosen(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes that have a value; tools write their names in any letter case."""
    chosen = ((key, _chosen(value)) for key, value in attributes.items())
    return {str(key).strip().casefold(): text for key, text in chosen if text}


def _chosen(value: Any) -> str:
    if isinstance(value, Mapping):
        # Checkboxes: {"dent": true}.
        ticked = [str(key) for key, on in value.items() if on]
        if len(ticked) > 1:
            raise MaskFormatError(f"{len(ticked)} classes are ticked instead of one: {ticked}")
        return ticked[0] if ticked else ""
    return text_of(value)


def _rings(shape: Mapping[str, Any]) -> tuple[Any, str]:
    kind = shape["name"]
    if kind in ("polygon", "polyline"):
        ring = ring_of(shape["all_points_x"], shape["all_points_y"])
        return (closed(ring) if kind == "polyline" else ring), "polygon"
    if kind == "rect":
        return rectangle(*(shape[key] for key in ("x", "y", "width", "height"))), "rectangle"
    if kind in ("circle", "ellipse"):
        rx = number(shape["r"] if kind == "circle" else shape["rx"])
        ry = number(shape["r"] if kind == "circle" else shape["ry"])
        # VIA stores the rotation of an ellipse in radians.
        turn = float(np.rad2deg(number(shape.get("theta", 0.0))))
        return ellipse(number(shape["cx"]), number(shape["cy"]), rx, ry, turn), "ellipse"
    raise MaskFormatError(f"a {kind} has no area")


def _region_attributes(shape: Shape) -> dict[str, str]:
    facts = {"severity": shape.severity, "part": shape.part}
    return {ATTRIBUTE: shape.label} | {key: value for key, value in facts.items() if value}


def _shape_attributes(shape: Shape, height: int, width: int) -> dict[str, Any] | None:
    ring = single_ring(shape, height, width)
    if ring is None:
        return None
    if shape.kind == "rectangle" and shape.mask is None and is_upright(ring):
        (x, y), (w, h) = ring.min(axis=0).tolist(), np.ptp(ring, axis=0).tolist()
        return {"name": "rect", "x": x, "y": y, "width": w, "height": h}
    x_values, y_values = ring.T.tolist()
    return {"name": "polygon", "all_points_x": x_values, "all_points_y": y_values}


def is_upright(ring: Any) -> bool:
    """Return whether a ring is a rectangle along the axes."""
    return len(ring) == 4 and all(len(set(ring[:, axis].tolist())) == 2 for axis in (0, 1))


# Version 3: https://gitlab.com/vgg/via/-/blob/master/via-3.x.y/CodeDoc.md

_POINT, _RECTANGLE, _CIRCLE, _ELLIPSE, _LINE, _POLYLINE, _POLYGON, _EXTREME_BOX, _EXTREME_CIRCLE = (
    1, 2, 3, 4, 5, 6, 7, 8, 9
)  # fmt: skip


def _is_version_3(data: Mapping[str, Any]) -> bool:
    return all(isinstance(data.get(key), Mapping) for key in ("file", "metadata"))


def _read_version_3(data: Mapping[str, Any], path: Path) -> Iterator[PictureShapes]:
    attributes = data.get("attribute")
    attributes = attributes if isinstance(attributes, Mapping) else {}
    views = data.get("view")
    views = views if isinstance(views, Mapping) else {}
    by_file: dict[str, tuple[list[Shape], list[str]]] = defaultdict(lambda: ([], []))
    lost: list[str] = []
    for key, metadata in data["metadata"].items():
        place = f"metadata {key}"
        try:
            view = views.get(str(metadata["vid"]))
            files = view["fid_list"] if isinstance(view, Mapping) else [metadata["vid"]]
            shapes, problems = by_file[str(files[0])]
        except FAULTS as error:
            lost.append(f"{path.name}: {place}: {sentence(error)}")
            continue
        try:
            given = _named(metadata.get("av") or {}, attributes)
            ring, kind = _version_3_ring(metadata["xy"])
            shapes.append(Shape(_label(given), (ring,), kind=kind, place=place,
                                **facts_of(_all_chosen(given))))  # fmt: skip
        except FAULTS as error:
            problems.append(f"{place}: {sentence(error)}")
    for key, file in data["file"].items():
        shapes, problems = by_file.pop(str(key), ([], []))
        try:
            name = file["fname"] if "fname" in file else file["src"]
            if not isinstance(name, str) or not name:
                raise MaskFormatError("it has no name")
        except FAULTS as error:
            lost.append(f"{path.name}: file {key}: {sentence(error)}")
            continue
        source = file.get("src")
        yield PictureShapes(
            name, (0, 0), tuple(shapes), None, tuple(f"{name}: {each}" for each in problems),
            (source,) if isinstance(source, str) and source and source != name else (),
            folder=path.parent,
        )  # fmt: skip
    lost += [f"{path.name}: file {key} is not listed, but has regions" for key in by_file]
    if lost:
        yield PictureShapes("", (0, 0), problems=tuple(lost))


def _named(values: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attribute name -> chosen option, or ticked ones; the file stores numbers of both."""
    named: dict[str, Any] = {}
    for key, value in values.items():
        about = attributes.get(key)
        about = about if isinstance(about, Mapping) else {}
        options = about.get("options")
        options = options if isinstance(options, Mapping) else {}
        text = text_of(value)
        chosen: Any = text_of(options.get(text, text))
        ticked = [part.strip() for part in text.split(",")]
        if text not in options and len(ticked) > 1 and all(each in options for each in ticked):
            chosen = {text_of(options[each]): True for each in ticked}
        if chosen:
            named[text_of(about.get("aname")) or str(key)] = chosen
    return named


def _version_3_ring(xy: Any) -> tuple[Any, str]:
    if not isinstance(xy, list) or not xy:
        raise MaskFormatError("it marks no place in the picture")
    kind, values = int(number(xy[0])), [number(value) for value in xy[1:]]
    if kind == _RECTANGLE and len(values) == 4:
        return rectangle(*values), "rectangle"
    if kind == _CIRCLE and len(values) == 3:
        return ellipse(values[0], values[1], values[2], values[2]), "ellipse"
    if kind == _ELLIPSE and len(values) in (4, 5):
        turn = float(np.rad2deg(values[4])) if len(values) == 5 else 0.0
        cx, cy, rx, ry = values[:4]
        return ellipse(cx, cy, rx, ry, turn), "ellipse"
    if kind in (_POLYGON, _POLYLINE):
        ring = ring_of(values[0::2], values[1::2])
        return (closed(ring) if kind == _POLYLINE else ring), "polygon"
    if kind == _EXTREME_BOX and len(values) == 8:
        corners = np.asarray(values).reshape(-1, 2)
        (left, top), (w, h) = corners.min(axis=0), np.ptp(corners, axis=0)
        return rectangle(float(left), float(top), float(w), float(h)), "rectangle"
    names = {_POINT: "a point", _LINE: "a line"}
    raise MaskFormatError(f"{names.get(kind, f'a shape of kind {kind}')} has no area")
