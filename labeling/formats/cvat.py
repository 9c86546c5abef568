"""CVAT for images 1.1 (https://docs.cvat.ai/docs/manual/advanced/xml_format/)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.errors import ConfigError
from bodyshop_core.imaging.limits import MAX_PIXELS
from labeling.formats.documents import (
    FAULTS,
    XML_FILES,
    closed,
    damaged_files,
    facts_of,
    files_of,
    number,
    placed,
    read_xml,
    rectangle,
    ring_of_points,
    sentence,
    side,
    text_of,
    turned,
)
from labeling.formats.instances import instances_of, single_ring
from labeling.formats.polygons import ellipse
from labeling.formats.shapes import ExportPicture, MaskFormatError, PictureShapes, Shape

FILE_NAME = "annotations.xml"

SHAPES = ("polygon", "box", "ellipse", "mask", "polyline", "points", "cuboid", "skeleton", "tag")


def find(source: Path) -> list[Path]:
    """Return the CVAT files of a file or folder."""
    paths = [source] if source.is_file() else sorted(source.rglob(XML_FILES))
    return [path for path in paths if path.suffix.lower() == ".xml" and _is_cvat(path)]


def read(source: Path) -> Iterator[PictureShapes]:
    """Read polygons, boxes, ellipses and masks with their attributes.

    Parameters
    ----------
    source : Path
        The XML file, or the folder with it.

    Raises
    ------
    ConfigError
        It is not a CVAT file.
    """
    files = files_of(source, find, "CVAT file")
    yield from damaged_files(source, files)
    for path in files:
        root = read_xml(path)
        if root.tag != "annotations":
            raise ConfigError("not a CVAT file, which has <annotations> with <image>", file=path)
        if root.find("track") is not None:
            problem = f"{path.name}: tracks of a video are not read, only <image> entries"
            yield PictureShapes("", (0, 0), problems=(problem,))
        for image in root.findall("image"):
            yield replace(_picture_shapes(image), folder=path.parent)


def write(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> Path:
    """Write ``annotations.xml`` with one polygon, or box, per instance.

    Returns
    -------
    Path
        The file written.
    """
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    labels = ET.SubElement(task, "labels")
    for label in classes:
        ET.SubElement(ET.SubElement(labels, "label"), "name").text = label
    for index, picture in enumerate(pictures):
        image = ET.SubElement(
            root, "image", id=str(index), name=picture.name, width=str(picture.width),
            height=str(picture.height),
        )  # fmt: skip
        for shape in instances_of(picture):
            _add(image, shape, picture.height, picture.width)
    ET.indent(root)
    path = dest / FILE_NAME
    text = ET.tostring(root, encoding="unicode")
    atomic.write_text(path, f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n')
    return path


def _is_cvat(path: Path) -> bool:
    try:
        return read_xml(path).tag == "annotations"
    except ConfigError:
        return False


def _picture_shapes(image: ET.Element) -> PictureShapes:
    name = image.get("name") or ""
    problems: list[str] = []
    shapes: list[Shape] = []
    size = (0, 0)
    try:
        size = (side(image.get("width"), "its width"), side(image.get("height"), "its height"))
    except MaskFormatError as error:
        if image.get("width") is not None:
            problems.append(f"{name}: {error.message}")
    if not name:
        problems.append(f"image {image.get('id')}: it has no name")
    for index, node in enumerate(each for each in image if each.tag in SHAPES):
        place = f"shape {index}"
        try:
            shapes.append(_shape(node, size, place))
        except FAULTS as error:
            problems.append(f"{name}: {place}: {sentence(error)}")
    return PictureShapes(name, size, tuple(shapes), None, tuple(problems))


def _shape(node: ET.Element, size: tuple[int, int], place: str) -> Shape:
    facts = facts_of({each.get("name"): each.text for each in node.findall("attribute")})
    facts["place"] = place
    label = text_of(node.get("label") or "")
    if node.tag in ("polygon", "polyline") and node.get("points"):
        pairs = [pair.split(",") for pair in str(node.get("points")).split(";") if pair.strip()]
        ring = ring_of_points(pairs)
        return Shape(label, (closed(ring) if node.tag == "polyline" else ring,), **facts)
    if node.tag == "box":
        x0, y0, x1, y1 = (number(node.get(key)) for key in ("xtl", "ytl", "xbr", "ybr"))
        ring = rectangle(x0, y0, x1 - x0, y1 - y0)
        turn = number(node.get("rotation") or 0.0)
        return Shape(label, (turned(ring, turn),), kind="rectangle", **facts)
    if node.tag == "ellipse":
        cx, cy, rx, ry = (number(node.get(key)) for key in ("cx", "cy", "rx", "ry"))
        turn = number(node.get("rotation") or 0.0)
        return Shape(label, (ellipse(cx, cy, rx, ry, turn),), kind="ellipse", **facts)
    if node.tag == "mask":
        return Shape(label, mask=_mask(node, size), kind="mask", **facts)
    raise MaskFormatError(f"a {node.tag} has no area")


def _mask(node: ET.Element, size: tuple[int, int]) -> Any:
    """Decode a mask: run lengths, row by row from background on, inside its box."""
    left, top = (int(number(node.get(key))) for key in ("left", "top"))
    width, height = (side(node.get(key), f"its {key}") for key in ("width", "height"))
    if width * height > MAX_PIXELS:
        raise MaskFormatError(f"a mask of {width} x {height} pixels is too large")
    runs = [int(number(run)) for run in str(node.get("rle")).replace(",", " ").split()]
    if any(run < 0 for run in runs) or sum(runs) != width * height:
        raise MaskFormatError(f"its run lengths do not match {width} x {height} pixels")
    values = np.arange(len(runs)) % 2 == 1
    return placed(np.repeat(values, runs).reshape(height, width), left, top, size)


def _add(image: ET.Element, shape: Shape, height: int, width: int) -> None:
    from labeling.formats.via import is_upright

    ring = single_ring(shape, height, width)
    if ring is None:
        return
    if shape.kind == "rectangle" and shape.mask is None and is_upright(ring):
        (x0, y0), (x1, y1) = ring.min(axis=0).tolist(), ring.max(axis=0).tolist()
        node = ET.SubElement(
            image, "box", label=shape.label, occluded="0", source="manual", xtl=repr(x0),
            ytl=repr(y0), xbr=repr(x1), ybr=repr(y1), z_order="0",
        )  # fmt: skip
    else:
        points = ";".join(f"{x!r},{y!r}" for x, y in ring.tolist())
        node = ET.SubElement(
            image, "polygon", label=shape.label, occluded="0", source="manual", points=points,
            z_order="0",
        )  # fmt: skip
    for key, value in (("severity", shape.severity), ("part", shape.part)):
        if value:
            ET.SubElement(node, "attribute", name=key).text = value
