"""COCO instance files (https://cocodataset.org/#format-data)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.errors import ConfigError
from bodyshop_core.imaging import coco_rle
from labeling.formats.documents import (
    FAULTS,
    JSON_FILES,
    damaged_files,
    facts_of,
    files_of,
    number,
    read_json,
    rectangle,
    ring_of_flat,
    ring_of_points,
    sentence,
    side,
    text_of,
    turned,
)
from labeling.formats.instances import (
    box_of,
    instances_of,
    is_inside,
    pixel_rings,
    shape_mask,
)
from labeling.formats.polygons import signed_area, with_seams
from labeling.formats.shapes import ExportPicture, MaskFormatError, PictureShapes, Shape

FILE_NAME = "annotations.json"

PATTERNS = (
    FILE_NAME, "_annotations.coco.json", "annotations/instances_*.json", "*/_annotations.coco.json",
    "instances_*.json", "*/annotations.json", "annotations/*.json", JSON_FILES,
)  # fmt: skip
"""Where tools put their files in a folder; the first pattern that finds COCO files counts."""


NAME_KEYS = ("file_name", "path", "filename")
"""What a picture's name is called."""


def find(source: Path) -> list[Path]:
    """Return the COCO files of a file or folder (also those of Roboflow and CVAT)."""
    if source.is_file():
        return [source] if source.suffix.lower() == ".json" and _is_coco(source) else []
    for pattern in PATTERNS:
        found = [path for path in sorted(source.glob(pattern)) if _is_coco(path)]
        if found:
            return found
    return []


def read(source: Path) -> Iterator[PictureShapes]:
    """Read COCO files: polygons, both kinds of RLE, and boxes where there is nothing else.

    The polygons of one annotation are parts of one instance. CVAT's ``attributes`` give severity,
    part and the rotation of a box.

    Parameters
    ----------
    source : Path
        The JSON file, or a folder of one of the layouts in `PATTERNS`.

    Raises
    ------
    ConfigError
        It is not a COCO file.
    """
    files = files_of(source, find, "COCO file")
    yield from damaged_files(source, files)
    for path in files:
        yield from _read_file(path)


def write(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> Path:
    """Write one annotation per instance, with its severity and part as ``attributes``.

    Polygons are written as they were drawn. Masks are written as polygons along pixel edges; holes
    are joined to them by seams, because few readers accept RLE. Filling a polygon by the even-odd
    rule gives exactly the same mask.

    Returns
    -------
    Path
        The file written.
    """
    numbers = {label: number for number, label in enumerate(classes, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, picture in enumerate(pictures, 1):
        image = {
            "id": image_id,
            "file_name": f"images/{picture.name}",
            "width": picture.width,
            "height": picture.height,
            "sha256": picture.sha256,
        }
        images.append(image | ({"licence": picture.licence} if picture.licence else {}))
        for shape in instances_of(picture):
            facts = _facts(shape, picture.height, picture.width)
            if facts is not None:
                head = {"id": len(annotations) + 1, "image_id": image_id, "iscrowd": 0}
                annotations.append(head | {"category_id": numbers[shape.label]} | facts)
    categories = [
        {"id": number, "name": label, "supercategory": "damage"}
        for label, number in numbers.items()
    ]
    document = {
        "info": {"description": "damage masks, written by bodyshop"},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    path = dest / FILE_NAME
    atomic.write_text(path, json.dumps(document, ensure_ascii=False) + "\n")
    return path


def _is_coco(path: Path) -> bool:
    try:
        data = read_json(path)
    except ConfigError:
        return False
    listed = isinstance(data, dict) and isinstance(data.get("images"), list)
    return listed and ("annotations" in data or "categories" in data)


def _read_file(path: Path) -> Iterator[PictureShapes]:
    data = read_json(path)
    if not isinstance(data, dict) or not isinstance(data.get("images"), list):
        raise ConfigError(
            "not a COCO file, which has images, annotations and categories", file=path
        )
    problems: list[str] = []
    names = _names(data.get("categories"), problems)
    found = data.get("annotations")
    if not isinstance(found, list):
        problems.append("the file has no list of annotations")
        found = []
    by_image: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    for index, annotation in enumerate(found):
        if not isinstance(annotation, Mapping) or annotation.get("image_id") is None:
            problems.append(f"annotations[{index}]: it lacks 'image_id'")
            continue
        try:
            by_image[_id(annotation["image_id"])].append((index, annotation))
        except FAULTS as error:
            problems.append(f"annotations[{index}]: its image_id: {sentence(error)}")
    info = data.get("info")
    # https://github.com/HumanSignal/label-studio/issues/6608
    shown = isinstance(info, Mapping) and info.get("contributor") == "Label Studio"
    seen: set[str] = set()
    for index, image in enumerate(data["images"]):
        try:
            key = _id(image["id"])
            shapes = _picture_shapes(image, by_image.get(key, []), names)
        except FAULTS as error:
            problems.append(f"images[{index}]: {sentence(error)}")
            continue
        if key in seen:
            problems.append(f"images[{index}]: another picture has its id {key}")
            continue
        seen.add(key)
        yield replace(shapes, folder=path.parent, shown=shown)
    for key, orphans in by_image.items():
        if key not in seen:
            ids = ", ".join(str(a.get("id", index)) for index, a in orphans[:5])
            problems.append(
                f"{len(orphans)} annotations ({ids}) refer to picture {key}, "
                "which the file does not list"
            )
    if problems:
        yield PictureShapes("", (0, 0), problems=tuple(f"{path.name}: {p}" for p in problems))


def _id(value: Any) -> str:
    """Return an identity as text: some tools write 1 in one place and "1" in another."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise MaskFormatError(f"an id must be a number or text, not {value!r:.60}")
    return str(value)


def _names(categories: Any, problems: list[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for index, category in enumerate(categories if isinstance(categories, list) else []):
        try:
            key, name = _id(category["id"]), text_of(category["name"])
        except FAULTS as error:
            problems.append(f"categories[{index}]: {sentence(error)}")
            continue
        if names.setdefault(key, name) != name:
            problems.append(
                f"categories[{index}]: {name} has the id {key} of {names[key]}, which counts"
            )
    return names


def _picture_shapes(
    image: Mapping[str, Any], annotations: list[tuple[int, Any]], names: Mapping[str, str]
) -> PictureShapes:
    key = next((each for each in NAME_KEYS if each in image), NAME_KEYS[0])
    name = image[key]
    if not isinstance(name, str) or not name:
        raise MaskFormatError("its file_name is not a text")
    stated = (image.get("width"), image.get("height"))
    size = (0, 0)
    problems: list[str] = []
    if all(value is not None for value in stated):
        try:
            size = (side(stated[0], "its width"), side(stated[1], "its height"))
        except MaskFormatError as error:
            problems.append(f"{name}: {error.message}")
    shapes: list[Shape] = []
    for index, annotation in annotations:
        place = f"annotation {annotation.get('id', index)}"
        try:
            label = _label(annotation, names)
            shapes.append(_shape(label, annotation, size, place, problems, name))
        except FAULTS as error:
            problems.append(f"{name}: {place}: {sentence(error)}")
    extra = image.get("extra")
    more = [extra.get("name")] if isinstance(extra, Mapping) else []
    more += [image.get("coco_url"), image.get("flickr_url")]
    sha256 = image.get("sha256")
    return PictureShapes(
        name, size, tuple(shapes), sha256 if isinstance(sha256, str) else None, tuple(problems),
        tuple(each for each in more if isinstance(each, str) and each),
    )  # fmt: skip


def _label(annotation: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return the class; empty where the file has no categories at all."""
    if "category_id" not in annotation:
        if label := text_of(annotation.get("category_name")):
            return label
        raise MaskFormatError("it lacks 'category_id'")
    key = _id(annotation["category_id"])
    if names and key not in names:
        raise MaskFormatError(f"its category {annotation['category_id']} is unknown")
    return names.get(key, "")


def _shape(
    label: str,
    annotation: Mapping[str, Any],
    size: tuple[int, int],
    place: str,
    problems: list[str],
    name: str,
) -> Shape:
    facts = _attributes(annotation) | {"place": place}
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, Mapping):
        return Shape(label, mask=_rle(segmentation, size), **facts | {"kind": "mask"})
    if segmentation and not isinstance(segmentation, list | tuple):
        raise MaskFormatError(f"its segmentation is no list: {segmentation!r:.40}")
    polygons = _polygons(segmentation)
    if polygons and all(isinstance(each, Mapping) for each in polygons):
        masks = [_rle(each, size) for each in polygons]
        return Shape(label, mask=np.logical_or.reduce(masks), **facts | {"kind": "mask"})
    if polygons:
        rings: list[Any] = []
        for part, polygon in enumerate(polygons):
            try:
                rings.append(_ring(polygon))
            except MaskFormatError as error:
                if len(polygons) == 1:
                    raise
                problems.append(f"{name}: {place}, part {part}: {error.message}")
        if rings:
            return Shape(label, tuple(rings), united=len(rings) > 1, **facts)
    box = annotation.get("bbox")
    if isinstance(box, list | tuple) and len(box) == 4:
        ring = turned(rectangle(*box), _rotation(annotation))
        return Shape(label, (ring,), **facts | {"kind": "rectangle"})
    raise MaskFormatError("it has neither a segmentation nor a box")


def _polygons(segmentation: Any) -> list[Any]:
    """Return the parts of a segmentation, also where one ring is not in a list of its own."""
    if not isinstance(segmentation, list | tuple):
        return []
    parts = [each for each in segmentation if each not in ([], ())]
    if not parts:
        return []
    flat = not isinstance(parts[0], list | tuple | Mapping)
    pairs = all(isinstance(each, list | tuple) and len(each) == 2 for each in parts)
    numbers = pairs and not any(isinstance(value, list | tuple) for each in parts for value in each)
    return [parts] if flat or (numbers and len(parts) > 2) else parts


def _ring(polygon: Any) -> Any:
    """Return a ring from x1, y1, x2, y2, ... or from pairs."""
    paired = isinstance(polygon, list | tuple) and polygon and isinstance(polygon[0], list | tuple)
    return ring_of_points(polygon) if paired else ring_of_flat(polygon)


def _rotation(annotation: Mapping[str, Any]) -> float:
    """Return the degrees by which CVAT turns a box around its centre, clockwise."""
    given = annotation.get("attributes")
    value = given.get("rotation") if isinstance(given, Mapping) else None
    return number(value, "its rotation") if value not in (None, "") else 0.0


def _rle(segmentation: Mapping[str, Any], size: tuple[int, int]) -> Any:
    stated = segmentation.get("size")
    if not isinstance(stated, list | tuple) or len(stated) != 2:
        raise MaskFormatError("its RLE has no size")
    height, width = (side(value, "the size of its RLE") for value in stated)
    if size != (0, 0) and size != (width, height):
        raise MaskFormatError(
            f"its RLE has {width} x {height} pixels, but its picture {size[0]} x {size[1]}"
        )
    return coco_rle.decode(segmentation["counts"], height, width)


def _attributes(annotation: Mapping[str, Any]) -> dict[str, Any]:
    given = annotation.get("attributes")
    if not isinstance(given, Mapping):
        return {}
    facts = facts_of(given)
    if given.get("kind") in ("rectangle", "ellipse"):
        facts["kind"] = str(given["kind"])
    return facts


def _facts(shape: Shape, height: int, width: int) -> dict[str, Any] | None:
    """Return box, area, segmentation and attributes; None for a shape without a pixel."""
    mask = shape_mask(shape, height, width)
    box = box_of(mask)
    if box is None:
        return None
    facts: dict[str, Any] = {"bbox": list(box), "area": int(mask.sum())}
    attributes = {"severity": shape.severity, "part": shape.part}
    attributes = {key: value for key, value in attributes.items() if value}
    if shape.kind in ("rectangle", "ellipse"):
        attributes["kind"] = shape.kind
    if attributes:
        facts["attributes"] = attributes
    return facts | {"segmentation": [_flat(ring) for ring in _rings(shape, mask)]}


def _rings(shape: Shape, mask: Any) -> list[Any]:
    drawn = shape.mask is None and (shape.united or len(shape.rings) == 1)
    if drawn and all(is_inside(ring, *mask.shape) for ring in shape.rings):
        return list(shape.rings)
    rings = pixel_rings(mask)
    if all(signed_area(ring) > 0 for ring in rings):
        return rings
    return [with_seams(rings[0], rings[1:])]


def _flat(ring: Any) -> list[float]:
    values = np.asarray(ring).ravel().tolist()
    return [int(value) if value == int(value) else value for value in values]
