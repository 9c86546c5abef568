"""YOLO segmentation labels: one text file per picture, ``class x1 y1 x2 y2 ...`` in fractions.

Source: https://docs.ultralytics.com/datasets/segment/ (images/ beside labels/, and data.yaml).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bodyshop_core import atomic
from bodyshop_core.errors import ConfigError
from labeling.formats.polygons import keyhole_polygons
from labeling.formats.shapes import ExportPicture, MaskFormatError, PictureShapes, Shape

CONFIG = "data.yaml"


def read(source: Path) -> Iterator[PictureShapes]:
    """Read the ``labels`` folder of a data set with its ``data.yaml`` (or ``classes.txt``).

    Parameters
    ----------
    source : Path
        The data set's folder. Boxes (four numbers) are reported as problems: they are not masks.

    Raises
    ------
    ConfigError
        The folder has no labels or no class names.
    """
    names = _names(source)
    labels = source / "labels"
    files = sorted(labels.rglob("*.txt"))
    if not files:
        raise ConfigError("no label file in the folder labels", file=source)
    for file in files:
        shapes: list[Shape] = []
        problems: list[str] = []
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            try:
                shapes.append(_shape(line, names))
            except (MaskFormatError, ValueError) as error:
                problems.append(f"{file.name}:{number}: {error}")
        # The file does not contain the picture's extension: it is found by its stem.
        name = file.relative_to(labels).with_suffix("").as_posix()
        yield PictureShapes(name, None, tuple(shapes), None, tuple(problems))


def write(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> Path:
    """Write ``labels/*.txt`` and ``data.yaml``; fractions have 9 digits, so masks stay pixel-exact.

    Returns
    -------
    Path
        ``data.yaml``.
    """
    write_labels(dest, pictures, classes)
    config = {
        "path": ".",
        "train": "images",
        "val": "images",
        "names": dict(enumerate(classes)),
    }
    path = dest / CONFIG
    atomic.write_text(path, yaml.safe_dump(config, allow_unicode=True, sort_keys=False))
    return path


def write_labels(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> None:
    """Write only ``labels/*.txt``; a picture without masks gets an empty file."""
    numbers = {label: number for number, label in enumerate(classes)}
    for picture in pictures:
        lines = []
        for label, mask in picture.load().items():
            for ring in keyhole_polygons(mask):
                fractions = (ring / (picture.width, picture.height)).ravel().tolist()
                text = " ".join(f"{value:.9g}" for value in fractions)
                lines.append(f"{numbers[label]} {text}\n")
        atomic.write_text(dest / "labels" / f"{Path(picture.name).stem}.txt", "".join(lines))


def _names(source: Path) -> list[str]:
    config, plain = source / CONFIG, source / "classes.txt"
    try:
        if config.exists():
            names: Any = yaml.safe_load(config.read_text(encoding="utf-8"))["names"]
            if isinstance(names, dict):
                names = [names[number] for number in range(len(names))]
            return [str(name) for name in names]
        if plain.exists():
            return plain.read_text(encoding="utf-8").split("\n")
    except (yaml.YAMLError, KeyError, TypeError, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the class names can't be read: {error!r}", file=source) from error
    raise ConfigError(f"the folder has neither {CONFIG} nor classes.txt", file=source)


def _shape(line: str, names: list[str]) -> Shape:
    first, *rest = line.split()
    number = int(first)
    if not 0 <= number < len(names) or not names[number].strip():
        raise MaskFormatError(f"class {number} has no name")
    values = np.asarray(rest, np.float64)
    if len(values) == 4:
        raise MaskFormatError("a box, not an outline")
    if len(values) < 6 or len(values) % 2 or not np.isfinite(values).all():
        raise MaskFormatError("an outline needs at least three finite points")
    return Shape(names[number].strip(), (values.reshape(-1, 2),))
