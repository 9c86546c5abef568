"""COCO instance files (https://cocodataset.org/#format-data)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.errors import ConfigError
from labeling.formats import coco_rle
from labeling.formats.polygons import outlines, signed_area
from labeling.formats.shapes import ExportPicture, MaskFormatError, PictureShapes, Shape

FILE_NAME = "annotations.json"


def read(source: Path) -> Iterator[PictureShapes]:
    """Read a COCO file: polygons (all of one annotation are united) and both kinds of RLE.

    Parameters
    ----------
    source : Path
        The JSON file, or a folder with ``annotations.json`` in it.

    Raises
    ------
    ConfigError
        It is not a COCO file.
    """
    path = source / FILE_NAME if source.is_dir() else source
    data = load_json(path)
    try:
        names = {category["id"]: str(category["name"]) for category in data["categories"]}
        images = list(data["images"])
        by_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for annotation in data["annotations"]:
            by_image[annotation["image_id"]].append(annotation)
        identities = {image["id"] for image in images}
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"not a COCO file, which has images, annotations and categories: {error}",
            file=path,
        ) from error
    orphans = sum(len(found) for key, found in by_image.items() if key not in identities)
    if orphans:
        raise ConfigError(
            f"{orphans} annotations refer to pictures that the file does not list", file=path
        )
    for image in images:
        yield _picture_shapes(image, by_image[image["id"]], names, path)


def write(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> Path:
    """Write one annotation per connected region: a polygon, or RLE where it has a hole.

    Polygons follow pixel edges, so filling them gives exactly the same mask.

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
        for label, mask in picture.load().items():
            for segment in _segments(mask):
                head = {"id": len(annotations) + 1, "image_id": image_id, "iscrowd": 0}
                annotations.append(head | {"category_id": numbers[label]} | segment)
    categories = [
        {"id": number, "name": label, "supercategory": "damage"}
        for label, number in numbers.items()
    ]
    document = {
        "info": {"description": "damage masks, written by bodyshop"},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    path = dest / FILE_NAME
    atomic.write_text(path, json.dumps(document, ensure_ascii=False) + "\n")
    return path


def load_json(path: Path) -> Any:
    """Read a JSON file that another program wrote.

    Raises
    ------
    ConfigError
        It does not exist, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError("the file does not exist", file=path) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the file can't be read: {error}", file=path) from error
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise ConfigError(f"this is not valid JSON: {error}", file=path, line=line) from error


def _picture_shapes(
    image: dict[str, Any], annotations: list[dict[str, Any]], names: dict[Any, str], path: Path
) -> PictureShapes:
    try:
        name, size = str(image["file_name"]), (int(image["width"]), int(image["height"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"picture {image.get('id')} has no file_name, width or height", file=path
        ) from error
    shapes: list[Shape] = []
    problems: list[str] = []
    for annotation in annotations:
        label = names.get(annotation.get("category_id"))
        if label is None:
            problems.append(f"{name}: an annotation has an unknown category")
            continue
        try:
            shapes += _shapes(label, annotation.get("segmentation"), size)
        except (MaskFormatError, ValueError, TypeError, KeyError) as error:
            problems.append(f"{name}: annotation {annotation.get('id')} of {label}: {error}")
    sha256 = image.get("sha256")
    return PictureShapes(name, size, tuple(shapes), sha256, tuple(problems))


def _shapes(label: str, segmentation: Any, size: tuple[int, int]) -> list[Shape]:
    width, height = size
    if isinstance(segmentation, dict):
        if tuple(segmentation.get("size", ())) != (height, width):
            raise MaskFormatError("its RLE has a different size than its picture")
        return [Shape(label, mask=coco_rle.decode(segmentation["counts"], height, width))]
    if not isinstance(segmentation, list) or not segmentation:
        raise MaskFormatError("it has no segmentation")
    shapes = []
    for polygon in segmentation:
        ring = np.asarray(polygon, np.float64).reshape(-1, 2)
        if len(ring) < 3 or not np.isfinite(ring).all():
            raise MaskFormatError("a polygon needs at least three finite corners")
        shapes.append(Shape(label, (ring,)))
    return shapes


def _segments(mask: Any) -> Iterator[dict[str, Any]]:
    from scipy import ndimage

    parts, count = ndimage.label(mask)
    for number, (rows, columns) in enumerate(ndimage.find_objects(parts, count), 1):
        part = parts[rows, columns] == number
        rings = outlines(part)
        x, y = columns.start, rows.start
        fact = {
            "bbox": [x, y, columns.stop - x, rows.stop - y],
            "area": int(part.sum()),
        }
        if all(signed_area(ring) > 0 for ring in rings):
            polygons = [np.add(ring, (x, y)).astype(int).ravel().tolist() for ring in rings]
            yield fact | {"segmentation": polygons}
        else:
            whole = np.zeros(mask.shape, bool)
            whole[rows, columns] = part
            packed = {"size": list(mask.shape), "counts": coco_rle.encode(whole)}
            yield fact | {"segmentation": packed}
