"""YOLO labels: one text file per picture, in fractions of it.

A line is ``class x1 y1 x2 y2 ...`` (an outline) or ``class x y width height`` (a box, by its
centre); either may end in a confidence. Sources:
https://docs.ultralytics.com/datasets/segment/ and https://docs.ultralytics.com/datasets/detect/.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bodyshop_core import atomic
from bodyshop_core.config import read_yaml
from bodyshop_core.errors import ConfigError
from labeling.formats.documents import (
    FAULTS,
    TEXT_FILES,
    number,
    read_text,
    rectangle,
    sentence,
    text_of,
)
from labeling.formats.instances import instances_of, single_ring
from labeling.formats.shapes import (
    EXTENSIONS,
    ExportPicture,
    MaskFormatError,
    PictureShapes,
    Shape,
)

CONFIG = "data.yaml"

NAME_LISTS = ("classes.txt", "obj.names", "labels.txt", "names.txt", "*.names")

NO_LABELS = {
    "classes.txt", "labels.txt", "names.txt", "train.txt", "valid.txt", "val.txt", "test.txt",
    "trainval.txt", "notes.txt", "requirements.txt",
}  # fmt: skip
"""Text files that lists and descriptions are in; Roboflow adds README.*.txt."""


BEYOND = 1.0
"""An outline may leave the picture by its width or height; larger numbers are no fractions."""


def find(source: Path) -> list[Path]:
    """Return the label files of a data set in a folder: Ultralytics', Roboflow's or CVAT's."""
    if source.is_file():
        return find(source.parent) if source.suffix.lower() in (".yaml", ".yml") else []
    files = [path for path in sorted(source.rglob(TEXT_FILES)) if _is_label_file(path)]
    inside = [path for path in files if "labels" in path.relative_to(source).parts[:-1]]
    if inside or source.name == "labels":
        return inside or files
    named = any(_first(source, pattern) for pattern in (*NAME_LISTS, "*.yaml", "*.yml"))
    return files if named else []


def read(source: Path) -> Iterator[PictureShapes]:
    """Read a data set with its class names.

    Parameters
    ----------
    source : Path
        The data set's folder, with label files in ``labels`` or anywhere below, and class names in
        a YAML file (``data.yaml``, also one or two folders above) or a list (``classes.txt``,
        ``obj.names``); or the YAML file. Pictures are looked for as Ultralytics does, in ``images``
        for ``labels``, and beside the label files.

    Raises
    ------
    ConfigError
        The folder has no labels or no class names.
    """
    folder = source if source.is_dir() else source.parent
    files = find(source)
    if not files:
        raise ConfigError("no label file in the folder labels", file=source)
    config = _config(source)
    beside = _Pictures(folder)
    for file in files:
        shapes: list[Shape] = []
        problems: list[str] = []
        try:
            text = read_text(file)
        except ConfigError as error:
            yield PictureShapes("", None, problems=(error.message,))
            continue
        for line_number, line in enumerate(text.splitlines(), 1):
            place = f"{file.name}:{line_number}"
            if not line.strip():
                continue
            try:
                shapes.append(_shape(line, config, place))
            except FAULTS as error:
                problems.append(f"{place}: {sentence(error)}")
        if picture := beside.of(file):
            yield PictureShapes(
                picture, None, tuple(shapes), None, tuple(problems), folder=folder
            )  # fmt: skip
            continue
        # The file does not contain the picture's extension: it is found by its stem.
        parts = [part for part in file.relative_to(folder).parts if part != "labels"]
        name = Path(*parts).with_suffix("").as_posix() if parts else file.stem
        if len(file.suffixes) > 1:  # with_suffix would cut a name such as a.rf.0f
            name = (Path(*parts).parent / file.name.removesuffix(file.suffix)).as_posix()
        yield PictureShapes(name, None, tuple(shapes), None, tuple(problems))


def write(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> Path:
    """Write ``labels/*.txt`` and ``data.yaml``; fractions have all digits: masks stay pixel-exact.

    Returns
    -------
    Path
        ``data.yaml``.
    """
    write_labels(dest, pictures, classes)
    # Without `path`, Ultralytics resolves the folders relative to this file.
    config = {"train": "images", "val": "images", "names": dict(enumerate(classes))}
    path = dest / CONFIG
    atomic.write_text(path, yaml.safe_dump(config, allow_unicode=True, sort_keys=False))
    return path


def write_labels(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> None:
    """Write only ``labels/*.txt``: one line per instance; no masks give an empty file."""
    numbers = {label: number for number, label in enumerate(classes)}
    for picture in pictures:
        lines = []
        for shape in instances_of(picture):
            ring = single_ring(shape, picture.height, picture.width)
            if ring is None:
                continue
            fractions = (ring / (picture.width, picture.height)).ravel().tolist()
            text = " ".join(f"{value!r}" for value in fractions)
            lines.append(f"{numbers[shape.label]} {text}\n")
        atomic.write_text(dest / "labels" / f"{Path(picture.name).stem}.txt", "".join(lines))


@dataclass(frozen=True)
class _Config:
    """Number -> class, and how many numbers of a line are keypoints behind a box."""

    names: dict[int, str]
    keypoints: int = 0


class _Pictures:
    """The picture files of label files, as paths relative to the data set's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Path, dict[str, list[str]]] = {}

    def of(self, file: Path) -> str | None:
        """Return the picture of a label file; None unless there is exactly one."""
        parts = list(file.parent.parts)
        places = [file.parent]
        if "labels" in parts:
            last = len(parts) - 1 - parts[::-1].index("labels")
            places.insert(0, Path(*parts[:last], "images", *parts[last + 1 :]))
        for place in places:
            found = self._in(place).get(file.name.removesuffix(file.suffix), [])
            if len(found) == 1:
                return Path(os.path.relpath(place / found[0], self._folder)).as_posix()
        return None

    def _in(self, place: Path) -> dict[str, list[str]]:
        if place not in self._known:
            by_stem: dict[str, list[str]] = {}
            for path in sorted(place.iterdir()) if place.is_dir() else ():
                if path.suffix.lower().removeprefix(".") in EXTENSIONS:
                    by_stem.setdefault(path.name.removesuffix(path.suffix), []).append(path.name)
            self._known[place] = by_stem
        return self._known[place]


def _is_label_file(path: Path) -> bool:
    name = path.name.lower()
    return name not in NO_LABELS and not name.startswith("readme")


def _first(folder: Path, pattern: str) -> Path | None:
    return next(iter(sorted(folder.glob(pattern))), None)


def _config(source: Path) -> _Config:
    """Return the classes; numbers may have gaps, and start at 1."""
    if source.is_file():
        return _from_yaml(source)
    named = [source / CONFIG] if (source / CONFIG).exists() else []
    others = sorted({*source.glob("*.yaml"), *source.glob("*.yml")} - set(named))
    fault: ConfigError | None = None
    for path in [*named, *others]:
        try:
            return _from_yaml(path)
        except ConfigError as error:
            fault = fault or error
    lists = {pattern: _first(source, pattern) for pattern in NAME_LISTS}
    lists |= {f"labels/{p}": _first(source / "labels", p) for p in NAME_LISTS}
    for found in lists.values():
        if found is not None:
            lines = read_text(found).splitlines()
            return _Config(dict(enumerate(line.strip() for line in lines)))
    for above in source.resolve().parents[:2]:
        if (above / CONFIG).is_file():
            return _from_yaml(above / CONFIG)
    if fault is not None:
        raise fault
    raise ConfigError(f"the folder has neither {CONFIG} nor classes.txt", file=source)


def _from_yaml(path: Path) -> _Config:
    content = read_yaml(read_text(path), name=str(path))
    names: Any = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise ConfigError("no class names", file=path, key="names")
    found = {}
    for key, value in names.items():
        if not str(key).isdigit():
            raise ConfigError(f"a class has the number {key!r}", file=path, key="names")
        found[int(key)] = text_of(value)
    # A data set of poses: so many keypoints, of two or three numbers each, follow the box.
    shape = content.get("kpt_shape")
    pose = isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape)
    return _Config(found, shape[0] * shape[1] if pose else 0)


def _shape(line: str, config: _Config, place: str) -> Shape:
    first, *rest = line.replace(",", " ").split()
    value = number(first, "the class")
    label = config.names.get(int(value), "") if value == int(value) else ""
    if not label:
        raise MaskFormatError(f"class {value:g} has no name")
    values = [number(each) for each in rest]
    if config.keypoints and len(values) - config.keypoints in (4, 5):
        values = values[:4]
    if any(not -BEYOND <= each <= 1 + BEYOND for each in values):
        raise MaskFormatError("its coordinates are not fractions of the picture")
    if len(values) in (4, 5):
        # Four numbers are a box, a fifth one its confidence.
        x, y, w, h = values[:4]
        return Shape(label, (rectangle(x - w / 2, y - h / 2, w, h),), kind="rectangle", place=place)
    if len(values) % 2:
        values = values[:-1]  # a confidence
    if len(values) < 6:
        raise MaskFormatError(f"an outline needs at least three points, not {len(values) // 2}")
    return Shape(label, (np.asarray(values).reshape(-1, 2),), place=place)
