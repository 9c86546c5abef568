"""Label Studio: its exports JSON and JSON_MIN (https://labelstud.io/guide/export)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bodyshop_core import atomic
from bodyshop_core.errors import ConfigError
from labeling.formats.documents import (
    FAULTS,
    JSON_FILES,
    damaged_files,
    files_of,
    read_json,
    sentence,
    side,
    text_of,
)
from labeling.formats.instances import instances_of
from labeling.formats.label_studio_regions import (
    BARE,
    PER_REGION,
    REGIONS,
    region_kind,
    region_shape,
    region_value,
)
from labeling.formats.shapes import (
    EXTENSIONS,
    ExportPicture,
    MaskFormatError,
    PictureShapes,
    Shape,
)

FILE_NAME = "label-studio.json"

SILENT = ("choices", "textarea", "rating", "number", "pairwise", "relation")
"""Entries of a result that mark no place."""

SHA_LENGTH = 64


def find(source: Path) -> list[Path]:
    """Return the Label Studio exports of a file or folder."""
    paths = [source] if source.is_file() else sorted(source.glob(JSON_FILES))
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
        (value for value in task.values() if isinstance(value, str) and _is_picture(value)),
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
    # ``image_rotation`` says how the labeler had turned the page; tried on version 1.23: the region
    # is in coordinates of the picture as it was before.
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
