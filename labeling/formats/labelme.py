"""labelme: one JSON file per picture (https://github.com/wkentaro/labelme, ``label_file.py``)."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.errors import ConfigError
from labeling.formats.documents import (
    FAULTS,
    IMAGE_FAULTS,
    JSON_FILES,
    damaged_files,
    facts_of,
    files_of,
    placed,
    read_json,
    rectangle,
    ring_of_points,
    sentence,
    side,
    text_of,
)
from labeling.formats.instances import instances_of, single_ring
from labeling.formats.polygons import ellipse
from labeling.formats.shapes import ExportPicture, MaskFormatError, PictureShapes, Shape

VERSION = "5.5.0"
FOLDER = "images"


def find(source: Path) -> list[Path]:
    """Return the labelme files of a file or folder."""
    paths = [source] if source.is_file() else sorted(source.rglob(JSON_FILES))
    return [path for path in paths if path.suffix.lower() == ".json" and _is_labelme(path)]


def read(source: Path) -> Iterator[PictureShapes]:
    """Read labelme files; shapes of one label and ``group_id`` are parts of one instance.

    Parameters
    ----------
    source : Path
        A JSON file, or a folder with them.

    Raises
    ------
    ConfigError
        There is none.
    """
    files = files_of(source, find, "labelme file")
    yield from damaged_files(source, files)
    for path in files:
        data = read_json(path)
        if isinstance(data, dict) and isinstance(data.get("shapes"), list):
            yield _picture_shapes(data, path)
        elif source.is_file():
            raise ConfigError("not a labelme file, which has a list of shapes", file=path)
        else:
            problem = f"{path.name}: it has no list of shapes"
            yield PictureShapes("", (0, 0), problems=(problem,))


def write(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> Path:
    """Write ``images/<picture>.json`` beside each picture, one shape per instance.

    Returns
    -------
    Path
        The folder.
    """
    for picture in pictures:
        document: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": [
                entry
                for shape in instances_of(picture)
                if (entry := _entry(shape, picture.height, picture.width)) is not None
            ],
            "imagePath": picture.name,
            "imageData": None,
            "imageHeight": picture.height,
            "imageWidth": picture.width,
            "sha256": picture.sha256,
        }
        path = dest / FOLDER / f"{Path(picture.name).stem}.json"
        atomic.write_text(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    return dest / FOLDER


def _is_labelme(path: Path) -> bool:
    try:
        data = read_json(path)
    except ConfigError:
        return False
    return isinstance(data, dict) and "shapes" in data and "imagePath" in data


def _picture_shapes(data: Mapping[str, Any], path: Path) -> PictureShapes:
    name = data.get("imagePath")
    if not isinstance(name, str) or not name:
        name = path.stem
    problems: list[str] = []
    size = (0, 0)
    try:
        size = (side(data["imageWidth"], "its width"), side(data["imageHeight"], "its height"))
    except FAULTS as error:
        if data.get("imageWidth") is not None:
            problems.append(f"{path.name}: {sentence(error)}")
    groups: dict[tuple[str, str], list[Shape]] = defaultdict(list)
    for index, entry in enumerate(data["shapes"]):
        place = f"shape {index}"
        try:
            shape = _shape(entry, size, place)
            group = entry.get("group_id")
            key = (shape.label, place if group is None else f"group {group}")
            groups[key].append(shape)
        except FAULTS as error:
            problems.append(f"{path.name}: {place}: {sentence(error)}")
    sha256 = data.get("sha256")
    return PictureShapes(
        name, size, tuple(each for group in groups.values() for each in _merged(group)),
        sha256 if isinstance(sha256, str) else None, tuple(problems),
        (path.stem,) if Path(name.replace("\\", "/")).stem != path.stem else (),
        folder=path.parent,
    )  # fmt: skip


def _shape(entry: Mapping[str, Any], size: tuple[int, int], place: str) -> Shape:
    label, kind, points = text_of(entry["label"]), entry.get("shape_type"), entry["points"]
    facts = facts_of(entry)
    # X-AnyLabeling writes four corners of a rectangle, and of one that is turned.
    cornered = kind == "rectangle" and isinstance(points, list) and len(points) == 4
    if kind in ("rotation", "oriented_rectangle") or cornered:
        return Shape(label, (ring_of_points(points),), kind="rectangle", place=place, **facts)
    if kind in ("polygon", None, ""):
        return Shape(label, (ring_of_points(points),), place=place, **facts)
    if kind in ("rectangle", "circle", "mask"):
        if not isinstance(points, list) or len(points) != 2:
            raise MaskFormatError(f"a {kind} needs two points")
        (x0, y0), (x1, y1) = ring_of_points([*points, points[0]])[:2].tolist()
        if kind == "circle":
            radius = float(np.hypot(x1 - x0, y1 - y0))
            rings = (ellipse(x0, y0, radius, radius),)
            return Shape(label, rings, kind="ellipse", place=place, **facts)
        left, top = min(x0, x1), min(y0, y1)
        if kind == "mask":
            mask = _mask(entry.get("mask"), round(left), round(top), size)
            return Shape(label, mask=mask, kind="mask", place=place, **facts)
        ring = rectangle(left, top, abs(x1 - x0), abs(y1 - y0))
        return Shape(label, (ring,), kind="rectangle", place=place, **facts)
    raise MaskFormatError(f"a {kind} has no area")


def _mask(text: Any, left: int, top: int, size: tuple[int, int]) -> Any:
    from bodyshop_core.imaging import open_image

    if not isinstance(text, str):
        raise MaskFormatError("a mask needs its pixels")
    try:
        with open_image(base64.b64decode(text, validate=True)) as image:
            part = np.asarray(image.convert("L")) > 0
    except IMAGE_FAULTS as error:
        raise MaskFormatError(f"a mask can't be decoded: {error}") from error
    return placed(part, left, top, size)


def _merged(shapes: list[Shape]) -> list[Shape]:
    if len(shapes) == 1 or any(shape.mask is not None for shape in shapes):
        return shapes
    rings = tuple(ring for shape in shapes for ring in shape.rings)
    first = shapes[0]
    return [
        Shape(
            first.label, rings, united=True, severity=first.severity, part=first.part,
            place=first.place,
        )
    ]  # fmt: skip


def _entry(shape: Shape, height: int, width: int) -> dict[str, Any] | None:
    ring = single_ring(shape, height, width)
    if ring is None:
        return None
    facts = {"severity": shape.severity, "part": shape.part}
    return {
        "label": shape.label,
        "points": ring.tolist(),
        "group_id": None,
        "description": "",
        "shape_type": "polygon",
        "flags": {},
        "mask": None,
    } | {key: value for key, value in facts.items() if value}
