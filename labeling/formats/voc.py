"""Pascal VOC: one XML file per picture with boxes (VOC 2012 development kit, section 5.1)."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path

from bodyshop_core import atomic
from bodyshop_core.errors import ConfigError
from labeling.formats.documents import (
    FAULTS,
    XML_FILES,
    damaged_files,
    facts_of,
    files_of,
    number,
    read_xml,
    rectangle,
    ring_of,
    sentence,
    side,
    text_of,
    turned,
)
from labeling.formats.instances import box_of, instances_of, shape_mask
from labeling.formats.shapes import ExportPicture, MaskFormatError, PictureShapes, Shape

FOLDER = "Annotations"


def find(source: Path) -> list[Path]:
    """Return the VOC files of a file or folder."""
    paths = [source] if source.is_file() else sorted(source.rglob(XML_FILES))
    return [path for path in paths if path.suffix.lower() == ".xml" and _is_voc(path)]


def read(source: Path) -> Iterator[PictureShapes]:
    """Read boxes, also turned ones, and polygons where a tool added them.

    Roboflow adds ``polygon`` with ``x1``, ``y1``, ..., LabelMe with ``pt``; CVAT writes the
    rotation of a box among its ``attributes``, roLabelImg a ``robndbox``.

    Parameters
    ----------
    source : Path
        An XML file, or a folder with them.

    Raises
    ------
    ConfigError
        There is none.
    """
    files = files_of(source, find, "Pascal VOC file")
    yield from damaged_files(source, files)
    for path in files:
        root = read_xml(path)
        if root.tag != "annotation":
            raise ConfigError("not a Pascal VOC file, which has <annotation>", file=path)
        yield _picture_shapes(root, path)


def write(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> Path:
    """Write ``Annotations/<picture>.xml`` with one box per instance; outlines are lost.

    Returns
    -------
    Path
        The folder.
    """
    for picture in pictures:
        root = ET.Element("annotation")
        ET.SubElement(root, "folder").text = "images"
        ET.SubElement(root, "filename").text = picture.name
        size = ET.SubElement(root, "size")
        for key, value in (("width", picture.width), ("height", picture.height), ("depth", 3)):
            ET.SubElement(size, key).text = str(value)
        ET.SubElement(root, "segmented").text = "0"
        for shape in instances_of(picture):
            _add(root, shape, picture.height, picture.width)
        ET.indent(root)
        path = dest / FOLDER / f"{Path(picture.name).stem}.xml"
        atomic.write_text(path, ET.tostring(root, encoding="unicode") + "\n")
    return dest / FOLDER


def _is_voc(path: Path) -> bool:
    try:
        return read_xml(path).tag == "annotation"
    except ConfigError:
        return False


def _picture_shapes(root: ET.Element, path: Path) -> PictureShapes:
    name = text_of(root.findtext("filename") or "") or path.stem
    problems: list[str] = []
    shapes: list[Shape] = []
    size = (0, 0)
    stated = (root.findtext("size/width"), root.findtext("size/height"))
    # LabelImg writes 0 when it does not know the size.
    if all(stated) and stated != ("0", "0"):
        try:
            size = (side(stated[0], "its width"), side(stated[1], "its height"))
        except MaskFormatError as error:
            problems.append(f"{path.name}: {error.message}")
    for index, node in enumerate(root.findall("object")):
        place = f"object {index}"
        try:
            shapes.append(_shape(node, place))
        except FAULTS as error:
            problems.append(f"{path.name}: {place}: {sentence(error)}")
    more = (path.stem,) if Path(name).stem != path.stem else ()
    return PictureShapes(name, size, tuple(shapes), None, tuple(problems), more, folder=path.parent)


def _shape(node: ET.Element, place: str) -> Shape:
    label = text_of(node.findtext("name") or "")
    attributes = {
        str(each.findtext("name")).strip().casefold(): each.findtext("value")
        for each in node.findall("attributes/attribute")
    }
    facts = facts_of(attributes) | facts_of({child.tag: child.text for child in node})
    polygon = node.find("polygon")
    if polygon is not None and polygon.find("pt") is not None:
        points = polygon.findall("pt")
        ring = ring_of(*([point.findtext(key) for point in points] for key in ("x", "y")))
        return Shape(label, (ring,), place=place, **facts)
    if polygon is not None and polygon.find("x1") is not None:
        values = {child.tag: child.text for child in polygon}
        count = sum(tag.startswith("x") for tag in values)
        x = [values[f"x{n}"] for n in range(1, count + 1)]
        y = [values[f"y{n}"] for n in range(1, count + 1)]
        return Shape(label, (ring_of(x, y),), place=place, **facts)
    if (box := node.find("robndbox")) is not None:
        cx, cy, w, h, angle = (number(box.findtext(key)) for key in ("cx", "cy", "w", "h", "angle"))
        ring = turned(rectangle(cx - w / 2, cy - h / 2, w, h), math.degrees(angle))
        return Shape(label, (ring,), kind="rectangle", place=place, **facts)
    box = node.find("bndbox")
    if box is None:
        raise MaskFormatError("it has no box")
    x0, y0, x1, y1 = (
        number((box.findtext(key) or "").strip()) for key in ("xmin", "ymin", "xmax", "ymax")
    )
    ring = rectangle(x0, y0, x1 - x0, y1 - y0)
    if text_of(attributes.get("rotation")):
        ring = turned(ring, number(attributes["rotation"], "its rotation"))
    return Shape(label, (ring,), kind="rectangle", place=place, **facts)


def _add(root: ET.Element, shape: Shape, height: int, width: int) -> None:
    box = box_of(shape_mask(shape, height, width))
    if box is None:
        return
    node = ET.SubElement(root, "object")
    ET.SubElement(node, "name").text = shape.label
    for key, value in (("severity", shape.severity), ("part", shape.part)):
        if value:
            ET.SubElement(node, key).text = value
    for key in ("truncated", "difficult"):
        ET.SubElement(node, key).text = "0"
    corners = ET.SubElement(node, "bndbox")
    left, top, wide, high = box
    for key, place in (
        ("xmin", left), ("ymin", top), ("xmax", left + wide), ("ymax", top + high)
    ):  # fmt: skip
        ET.SubElement(corners, key).text = str(place)
