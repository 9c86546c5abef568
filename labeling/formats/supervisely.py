"""Supervisely: ``<dataset>/ann/<picture>.json`` (https://docs.supervisely.com, JSON format)."""

from __future__ import annotations

import base64
import io
import json
import zlib
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
    number,
    placed,
    read_json,
    rectangle,
    ring_of_points,
    sentence,
    side,
    text_of,
)
from labeling.formats.instances import box_of, instances_of, shape_mask
from labeling.formats.shapes import ExportPicture, MaskFormatError, PictureShapes, Shape

DATASET = "dataset"
UNPACKED = 64 << 20
"""Bytes that a bitmap may have once it is unpacked."""


def find(source: Path) -> list[Path]:
    """Return the annotation files of a project, a dataset, or one file."""
    paths = [source] if source.is_file() else sorted(source.rglob(JSON_FILES))
    paths = [path for path in paths if path.name not in ("meta.json", "obj_class_to_machine.json")]
    return [path for path in paths if path.suffix.lower() == ".json" and _is_supervisely(path)]


def read(source: Path) -> Iterator[PictureShapes]:
    """Read polygons with their holes, rectangles and bitmaps.

    Parameters
    ----------
    source : Path
        The project, a dataset of it, or one annotation file.

    Raises
    ------
    ConfigError
        There is no annotation.
    """
    files = files_of(source, find, "Supervisely annotation")
    yield from damaged_files(source, files)
    titles = _titles(source)
    for path in files:
        data = read_json(path)
        if isinstance(data, dict) and isinstance(data.get("objects"), list):
            yield _picture_shapes(data, path, titles)
        elif source.is_file():
            raise ConfigError("not a Supervisely annotation, which has objects", file=path)
        else:
            problem = f"{path.name}: it has no list of objects"
            yield PictureShapes("", (0, 0), problems=(problem,))


def write(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> Path:
    """Write ``meta.json`` and ``dataset/ann/*.json``: one bitmap per instance.

    Returns
    -------
    Path
        The folder ``dataset``.
    """
    meta = {
        "classes": [
            {"title": label, "shape": "any", "color": "#FF9F1C"} for label in classes
        ],
        "tags": [{"name": name, "value_type": "any_string"} for name in ("severity", "part")],
    }  # fmt: skip
    atomic.write_text(dest / "meta.json", json.dumps(meta, ensure_ascii=False) + "\n")
    for picture in pictures:
        document = {
            "description": "",
            "tags": [],
            "size": {"height": picture.height, "width": picture.width},
            "objects": [
                entry
                for shape in instances_of(picture)
                if (entry := _entry(shape, picture.height, picture.width)) is not None
            ],
        }
        path = dest / DATASET / "ann" / f"{picture.name}.json"
        atomic.write_text(path, json.dumps(document, ensure_ascii=False) + "\n")
    return dest / DATASET


def _is_supervisely(path: Path) -> bool:
    try:
        data = read_json(path)
    except ConfigError:
        return False
    return isinstance(data, dict) and "objects" in data and isinstance(data.get("size"), dict)


def _titles(source: Path) -> dict[str, str]:
    """Return class id -> class as the project's ``meta.json`` has it."""
    folders = [source, *source.parents][:4]
    meta = next((f for each in folders if (f := each / "meta.json").is_file()), None)
    try:
        classes = read_json(meta).get("classes", []) if meta else []
        return {str(each["id"]): text_of(each["title"]) for each in classes if "id" in each}
    except (ConfigError, *FAULTS):
        return {}  # a damaged file is named by `damaged_files`; most annotations do without


def _picture_shapes(
    data: Mapping[str, Any], path: Path, titles: Mapping[str, str]
) -> PictureShapes:
    # The file is called as its picture, with .json behind it: a.jpg.json.
    name = path.name.removesuffix(path.suffix)
    problems: list[str] = []
    size = (0, 0)
    try:
        stated = data["size"]
        size = (side(stated["width"], "its width"), side(stated["height"], "its height"))
    except FAULTS as error:
        problems.append(f"{path.name}: {sentence(error)}")
    shapes: list[Shape] = []
    for index, entry in enumerate(data["objects"]):
        place = f"object {index}"
        try:
            shapes.append(_shape(entry, size, place, titles))
        except FAULTS as error:
            problems.append(f"{path.name}: {place}: {sentence(error)}")
    folder = path.parent.parent / "img"
    return PictureShapes(name, size, tuple(shapes), None, tuple(problems), folder=folder)


def _shape(
    entry: Mapping[str, Any], size: tuple[int, int], place: str, titles: Mapping[str, str]
) -> Shape:
    label, kind = text_of(entry.get("classTitle")), entry.get("geometryType")
    label = label or titles.get(str(entry.get("classId")), "")
    facts = _facts(entry.get("tags")) | {"place": place}
    if kind in ("bitmap", "alpha_mask"):
        return Shape(label, mask=_bitmap(entry["bitmap"], size), kind="mask", **facts)
    exterior = entry["points"]["exterior"]
    if kind == "rectangle":
        (x0, y0), (x1, y1) = ring_of_points([*exterior, exterior[0]])[:2].tolist()
        ring = rectangle(min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0))
        return Shape(label, (ring,), **facts | {"kind": "rectangle"})
    if kind == "polygon":
        holes = entry["points"].get("interior") or []
        return Shape(label, tuple(map(ring_of_points, [exterior, *holes])), **facts)
    raise MaskFormatError(f"a {kind} has no area")


def _facts(tags: Any) -> dict[str, Any]:
    known = [tag for tag in tags if isinstance(tag, Mapping)] if isinstance(tags, list) else []
    return facts_of({tag.get("name"): tag.get("value") for tag in known})


def _bitmap(bitmap: Mapping[str, Any], size: tuple[int, int]) -> Any:
    from bodyshop_core.imaging import open_image

    left, top = (int(number(value)) for value in bitmap["origin"])
    try:
        packed = base64.b64decode(bitmap["data"], validate=True)
        unpack = zlib.decompressobj()
        data = unpack.decompress(packed, UNPACKED)
        with open_image(data) as image:
            channel = image.convert("RGBA").getchannel("A") if image.mode != "L" else image
            part = np.asarray(channel) > 0
            if image.mode not in ("RGBA", "LA", "PA", "P", "L"):
                part = np.asarray(image.convert("L")) > 0
    except IMAGE_FAULTS as error:
        raise MaskFormatError(f"a bitmap can't be decoded: {error}") from error
    return placed(part, left, top, size)


def _entry(shape: Shape, height: int, width: int) -> dict[str, Any] | None:
    from PIL import Image

    mask = shape_mask(shape, height, width)
    box = box_of(mask)
    if box is None:
        return None
    left, top, wide, high = box
    buffer = io.BytesIO()
    alpha = mask[top : top + high, left : left + wide].astype(np.uint8) * 255
    Image.merge("RGBA", [Image.fromarray(alpha)] * 4).save(buffer, "PNG")
    data = base64.b64encode(zlib.compress(buffer.getvalue())).decode("ascii")
    facts = {"severity": shape.severity, "part": shape.part}
    return {
        "classTitle": shape.label,
        "geometryType": "bitmap",
        "tags": [{"name": key, "value": value} for key, value in facts.items() if value],
        "bitmap": {"data": data, "origin": [left, top]},
        "points": {"exterior": [], "interior": []},
    }
