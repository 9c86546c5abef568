"""Label Studio: the regions of a result, and its exports JSON and JSON_MIN.

Source: https://labelstud.io/guide/export and the region types in https://labelstud.io/tags/.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.errors import ConfigError
from labeling.formats import brush_rle
from labeling.formats.documents import (
    FAULTS,
    IMAGE_FAULTS,
    damaged_files,
    files_of,
    number,
    read_json,
    ring_of_points,
    sentence,
    side,
    text_of,
)
from labeling.formats.instances import instances_of, is_inside, shape_mask
from labeling.formats.mask_file import THRESHOLD
from labeling.formats.polygons import ellipse
from labeling.formats.shapes import (
    EXTENSIONS,
    ExportPicture,
    MaskFormatError,
    PictureShapes,
    Shape,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labeling.formats.shapes import Mask

FILE_NAME = "label-studio.json"

REGIONS = ("brushlabels", "polygonlabels", "bitmasklabels", "rectanglelabels", "ellipselabels")
"""Types of regions that have an area."""

BARE = {kind.removesuffix("labels"): kind for kind in REGIONS}
"""Types of regions whose class is in another entry of the same id (tags Labels and Polygon, ...)."""

SILENT = ("choices", "textarea", "rating", "number", "pairwise", "relation")
"""Entries of a result that mark no place."""

PER_REGION = ("severity", "part")
"""Controls whose choices belong to a region."""

SHA_LENGTH = 64


def region_shape(kind: str, value: Mapping[str, Any], width: int, height: int) -> Shape:
    """Return the outline or mask of a region, without a class.

    Parameters
    ----------
    kind : str
        One of `REGIONS`.
    value : mapping
        The region's ``value``.
    width, height : int
        Size of the picture in pixels.

    Raises
    ------
    MaskFormatError
        The region is damaged, or of another size.
    """
    try:
        if kind == "brushlabels":
            mask = brush_rle.decode_mask(value.get("rle") or [], height, width)
            return Shape("", mask=mask, kind="mask")
        if kind == "bitmasklabels":
            mask = _bitmask(str(value.get("imageDataURL", "")), width, height)
            return Shape("", mask=mask, kind="mask")
        if kind == "polygonlabels":
            return Shape("", (_pixels(value["points"], width, height),))
        # Rectangles rotate around their top left corner, in pixels and not in percent.
        angle = number(value.get("rotation") or 0.0)
        x, y = number(value["x"]) * width / 100, number(value["y"]) * height / 100
        if kind == "ellipselabels":
            rx, ry = number(value["radiusX"]), number(value["radiusY"])
            ring = ellipse(x, y, rx * width / 100, ry * height / 100, angle)
            return Shape("", (ring,), kind="ellipse")
        w, h = number(value["width"]) * width / 100, number(value["height"]) * height / 100
        corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float64)
        if angle:
            cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
            corners = corners @ np.array([[cos, sin], [-sin, cos]])
        return Shape("", (np.add(corners, (x, y)),), kind="rectangle")
    except MaskFormatError:
        raise
    except FAULTS as error:
        raise MaskFormatError(f"a {kind} region is damaged: {error!r}") from error


def region_value(shape: Shape, kind: str, width: int, height: int) -> dict[str, Any]:
    """Return the ``value`` of a region of a type, without its label (see `region_shape`)."""
    if kind == "polygonlabels":
        (ring,) = shape.rings
        return {"points": (ring * (100 / width, 100 / height)).tolist(), "closed": True}
    if kind == "rectanglelabels":
        (ring,) = shape.rings
        (x, y), along, down = ring[0], ring[1] - ring[0], ring[3] - ring[0]
        turn = float(np.rad2deg(np.arctan2(along[1], along[0])))
        return {
            "x": float(x * 100 / width),
            "y": float(y * 100 / height),
            "width": float(np.hypot(*along) * 100 / width),
            "height": float(np.hypot(*down) * 100 / height),
            "rotation": turn,
        }
    mask = shape_mask(shape, height, width)
    return {"format": "rle", "rle": brush_rle.encode(mask)}


def region_kind(shape: Shape, width: int, height: int) -> str:
    """Return the type of region that shows a shape as it was drawn; else a brush region."""
    one = shape.mask is None and len(shape.rings) == 1
    if one and shape.kind == "rectangle" and len(shape.rings[0]) == 4:
        return "rectanglelabels"
    if one and shape.kind == "polygon" and is_inside(shape.rings[0], height, width):
        return "polygonlabels"
    return "brushlabels"


def find(source: Path) -> list[Path]:
    """Return the Label Studio exports of a file or folder."""
    paths = [source] if source.is_file() else sorted(source.glob("*.json"))
    return [path for path in paths if path.suffix.lower() == ".json" and _is_export(path)]


def read(source: Path) -> Iterator[PictureShapes]:
    """Read the exports JSON and JSON_MIN.

    Of several annotations of a task the newest counts; skipped ones and predictions never do.

    Parameters
    ----------
    source : Path
        The JSON file, or a folder with it.

    Raises
    ------
    ConfigError
        It is not such an export.
    """
    files = files_of(source, find, "Label Studio export")
    yield from damaged_files(source, files)
    for path in files:
        tasks = read_json(path)
        if not isinstance(tasks, list):
            raise ConfigError("not a Label Studio export, which is a list of tasks", file=path)
        for index, task in enumerate(tasks):
            place = f"task {task.get('id', index) if isinstance(task, Mapping) else index}"
            try:
                yield _picture_shapes(task, place)
            except FAULTS as error:
                problem = f"{path.name}: {place}: {sentence(error)}"
                yield PictureShapes("", (0, 0), problems=(problem,))


def write(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> Path:
    """Write tasks with one annotation each, to be imported by Label Studio.

    Returns
    -------
    Path
        The file written.
    """
    tasks: list[dict[str, Any]] = []
    for picture in pictures:
        regions: list[dict[str, Any]] = []
        for index, shape in enumerate(instances_of(picture)):
            regions += _regions(shape, f"{picture.sha256}|{index}", picture.width, picture.height)
        data = {"image": f"images/{picture.name}", "ext_id": picture.sha256}
        number = len(tasks) + 1
        # Label Studio numbers anew what it imports; its converter asks for these numbers.
        annotation = {"id": number, "result": regions}
        tasks.append({"id": number, "data": data, "annotations": [annotation]})
    path = dest / FILE_NAME
    atomic.write_text(path, json.dumps(tasks, ensure_ascii=False) + "\n")
    return path


def _regions(shape: Shape, seed: str, width: int, height: int) -> list[dict[str, Any]]:
    kind = region_kind(shape, width, height)
    names = {"brushlabels": "brush", "polygonlabels": "polygon", "rectanglelabels": "rectangle"}
    head = {
        "id": hashlib.sha256(seed.encode()).hexdigest()[:10],
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    value = region_value(shape, kind, width, height)
    regions = [
        head | {"type": kind, "from_name": names[kind], "value": value | {kind: [shape.label]}}
    ]
    for name in PER_REGION:
        chosen = getattr(shape, name)
        if chosen:
            more = {"type": "choices", "from_name": name, "value": value | {"choices": [chosen]}}
            regions.append(head | more)
    return regions


def _is_export(path: Path) -> bool:
    try:
        data = read_json(path)
    except ConfigError:
        return False
    if not isinstance(data, list) or not data:
        return False
    return any(isinstance(task, Mapping) and _is_task(task) for task in data[:20])


def _is_task(task: Mapping[str, Any]) -> bool:
    return isinstance(task.get("data"), Mapping) or (_minimal(task) is not None and "id" in task)


def _minimal(task: Mapping[str, Any]) -> str | None:
    """Return the picture of a JSON_MIN task: it has no ``data``."""
    image = task.get("image")
    if isinstance(image, str):
        return image
    return next(
        (
            value
            for value in task.values()
            if isinstance(value, str) and _is_picture(value)
        ),
        None,
    )


def _is_picture(value: str) -> bool:
    path = value.partition("?")[0].lower() if "://" in value else value.lower()
    return path.rpartition(".")[2] in EXTENSIONS


def _picture_shapes(task: Mapping[str, Any], place: str) -> PictureShapes:
    problems: list[str] = []
    data = task.get("data")
    if isinstance(data, Mapping):
        name = _minimal(data)
        regions = _newest_result(task, place, problems)
        sha256 = data.get("ext_id")
    else:
        name, sha256 = _minimal(task), None
        regions = _minimal_result(task)
    if name is None:
        raise MaskFormatError("its data name no picture")
    upload = task.get("file_upload")
    facts = _choices_of_regions(regions)
    regions = _with_classes(regions)
    shapes: list[Shape] = []
    sizes: list[tuple[int, int]] = []
    for index, region in enumerate(regions):
        where = f"{place}, region {index}"
        try:
            found = _shapes(region, facts, where)
        except FAULTS as error:
            problems.append(f"{name}: {where}: {sentence(error)}")
            continue
        for size, shape in found:
            if sizes and size != sizes[0]:
                problems.append(f"{name}: {where}: it was drawn on another size of the picture")
                continue
            sizes.append(size)
            shapes.append(shape)
    known = isinstance(sha256, str) and len(sha256) == SHA_LENGTH
    return PictureShapes(
        name, sizes[0] if sizes else (0, 0), tuple(shapes), sha256 if known else None,
        tuple(problems), (upload,) if isinstance(upload, str) and upload else (),
    )  # fmt: skip


def _newest_result(task: Mapping[str, Any], place: str, problems: list[str]) -> list[Any]:
    annotations = task.get("annotations", task.get("completions"))
    if not isinstance(annotations, list):
        raise MaskFormatError("it has no list of annotations")
    counting = [
        each
        for each in annotations
        if isinstance(each, Mapping) and not each.get("was_cancelled") and each.get("result")
    ]
    counting.sort(key=lambda each: str(each.get("updated_at") or each.get("created_at") or ""))
    if len(counting) > 1:
        problems.append(f"{place}: the newest of its {len(counting)} annotations counts")
    result = counting[-1]["result"] if counting else []
    if not isinstance(result, list):
        raise MaskFormatError("the result of its annotation is no list")
    return result


def _minimal_result(task: Mapping[str, Any]) -> list[Any]:
    regions = []
    for key, values in task.items():
        for value in values if isinstance(values, list) else []:
            if not isinstance(value, Mapping):
                continue
            kind = next((kind for kind in REGIONS if kind in value), None)
            if kind is not None:
                sizes = {name: value.get(name) for name in ("original_width", "original_height")}
                regions.append({"type": kind, "from_name": key, "value": value} | sizes)
    return regions


def _with_classes(regions: Sequence[Any]) -> list[Any]:
    """Join regions to their classes where a configuration keeps these in a tag of their own."""
    known = [each for each in regions if isinstance(each, Mapping)]
    classes = {
        str(each.get("id")): each["value"]["labels"]
        for each in known
        if each.get("type") == "labels" and isinstance(each.get("value"), Mapping)
        and isinstance(each["value"].get("labels"), list)
    }  # fmt: skip
    drawn = {str(each.get("id")) for each in known if each.get("type") in BARE}
    joined: list[Any] = []
    for region in regions:
        kind = region.get("type") if isinstance(region, Mapping) else None
        if kind == "labels" and str(region.get("id")) in drawn:
            continue
        if kind in BARE and isinstance(region.get("value"), Mapping):
            labels = {BARE[kind]: classes.get(str(region.get("id")), [""])}
            region = {**region, "type": BARE[kind], "value": {**region["value"], **labels}}
        joined.append(region)
    return joined


def _choices_of_regions(regions: Sequence[Any]) -> dict[str, dict[str, str]]:
    """Return region id -> severity and part."""
    facts: dict[str, dict[str, str]] = {}
    for region in regions:
        if not isinstance(region, Mapping) or region.get("type") != "choices":
            continue
        name, value = region.get("from_name"), region.get("value")
        chosen = value.get("choices") if isinstance(value, Mapping) else None
        if name in PER_REGION and isinstance(chosen, list) and chosen and text_of(chosen[0]):
            facts.setdefault(str(region.get("id")), {})[str(name)] = text_of(chosen[0])
    return facts


def _shapes(
    region: Any, facts: Mapping[str, Mapping[str, str]], place: str
) -> list[tuple[tuple[int, int], Shape]]:
    kind = region["type"]
    if kind in SILENT:
        return []
    if kind not in REGIONS:
        raise MaskFormatError(f"a {kind} region has no area or no class")
    width = side(region.get("original_width"), "its original_width")
    height = side(region.get("original_height"), "its original_height")
    if number(region.get("image_rotation") or 0, "its image_rotation"):
        raise MaskFormatError("it was drawn on a picture that the labeler had turned on the page")
    labels = region["value"].get(kind) or [""]
    if not isinstance(labels, list):
        raise MaskFormatError(f"a {kind} region has no list of labels")
    shape = region_shape(kind, region["value"], width, height)
    own = facts.get(str(region.get("id")), {})
    return [
        (
            (width, height),
            Shape(
                text_of(label), shape.rings, shape.mask, shape.kind, place=place,
                severity=own.get("severity"), part=own.get("part"),
            ),
        )
        for label in labels
    ]  # fmt: skip


def _pixels(points: Any, width: int, height: int) -> NDArray[np.float64]:
    """Convert percent of the picture to pixels."""
    return ring_of_points(points) * (width / 100, height / 100)


def _bitmask(url: str, width: int, height: int) -> Mask:
    """Decode a bitmask region: black on transparent, or grey without alpha from some programs."""
    from bodyshop_core.imaging import open_image

    head, _, payload = url.partition(",")
    if head != "data:image/png;base64":
        raise MaskFormatError("a bitmask region holds no PNG")
    try:
        with open_image(base64.b64decode(payload, validate=True)) as image:
            grey = image.mode in {"1", "L", "I;16", "I"}
            channel = image.convert("L") if grey else image.convert("RGBA").getchannel("A")
            array = np.asarray(channel)
    except IMAGE_FAULTS as error:
        raise MaskFormatError(f"a bitmask region can't be decoded: {error}") from error
    if array.shape != (height, width):
        raise MaskFormatError(
            f"a bitmask has {array.shape[1]} x {array.shape[0]} pixels, "
            f"but the picture has {width} x {height}"
        )
    return array >= THRESHOLD
