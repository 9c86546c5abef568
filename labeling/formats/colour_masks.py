"""Masks of several classes in one picture, a colour each: Pascal VOC's and CVAT's layout.

``SegmentationClass/<picture>.png`` has the classes, ``SegmentationObject`` the instances, and
``labelmap.txt`` names the colours: ``label:red,green,blue:parts:actions``. Sources: VOC 2012
development kit, section 5.2; https://docs.cvat.ai/docs/dataset_management/formats/format-smask/.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.errors import ConfigError, UnreadableImageError
from bodyshop_core.imaging import open_image
from labeling.formats.documents import IMAGE_FAULTS, read_text
from labeling.formats.shapes import PictureShapes, Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES, OBJECTS, NAMES = "SegmentationClass", "SegmentationObject", "labelmap.txt"

NO_CLASS = {"background", "void", "ignored"}

MANY = 4096
"""Colours in one picture; with more it is a photo."""


def find(source: Path) -> list[Path]:
    """Return the class pictures of such a data set."""
    return sorted((source / CLASSES).glob("*.png")) if source.is_dir() else []


def read(source: Path) -> Iterator[PictureShapes]:
    """Read one mask per instance, or per class where there are no instances.

    Raises
    ------
    ConfigError
        ``labelmap.txt`` is missing or damaged.
    """
    names = _names(source / NAMES)
    for file in find(source):
        problems: list[str] = []
        shapes: list[Shape] = []
        size = (0, 0)
        try:
            classes = _numbers(file)
            size = (classes.shape[1], classes.shape[0])
            objects = source / OBJECTS / file.name
            if objects.is_file():
                shapes = _instances(classes, _numbers(objects), names, problems)
            else:
                shapes = _classes(classes, names, problems)
        except UnreadableImageError as error:
            problems.append(error.message)
        told = tuple(f"{file.name}: {problem}" for problem in problems)
        yield PictureShapes(file.stem, size, tuple(shapes), None, told)


def _classes(classes: NDArray[np.int32], names: dict[int, str], problems: list[str]) -> list[Shape]:
    shapes = []
    for colour in np.unique(classes).tolist():
        label = _label(colour, names, problems)
        if label:
            shapes.append(Shape(label, mask=classes == colour, kind="class", place=label))
    return shapes


def _instances(
    classes: NDArray[np.int32], objects: NDArray[np.int32], names: dict[int, str],
    problems: list[str],
) -> list[Shape]:  # fmt: skip
    if objects.shape != classes.shape:
        raise UnreadableImageError(f"{OBJECTS} and {CLASSES} differ in size")
    shapes = []
    for number, colour in enumerate(np.unique(objects[objects != 0]).tolist()):
        mask = objects == colour
        found, counts = np.unique(classes[mask], return_counts=True)
        label = _label(int(found[counts.argmax()]), names, problems)
        if label:
            shapes.append(Shape(label, mask=mask, kind="mask", place=f"object {number}"))
    return shapes


def _label(colour: int, names: dict[int, str], problems: list[str]) -> str:
    """Return the class of a colour; empty for the background and for what has no name."""
    label = names.get(colour, "" if colour == 0 else None)
    if label is None:
        rgb = (colour >> 16, colour >> 8 & 255, colour & 255)
        problems.append(f"the colour {rgb} has no class in {NAMES}")
    return "" if label is None or label in NO_CLASS else label


def _names(path: Path) -> dict[int, str]:
    names = {}
    for line_number, line in enumerate(read_text(path).splitlines(), 1):
        label, _, rest = line.partition(":")
        if not line.strip() or label.startswith("#"):
            continue
        parts = rest.partition(":")[0].split(",")
        if len(parts) != 3 or not all(p.strip().isdecimal() and int(p) < 256 for p in parts):
            raise ConfigError("a class needs a colour such as dent:128,0,0::", file=path,
                              line=line_number)  # fmt: skip
        red, green, blue = (int(part) for part in parts)
        names[red << 16 | green << 8 | blue] = label.strip()
    return names


def _numbers(file: Path) -> NDArray[np.int32]:
    """Return red, green and blue of each pixel as one number."""
    try:
        with open_image(file) as image:
            colours = image.convert("RGB")
            if colours.getcolors(MANY) is None:
                raise UnreadableImageError(f"{file} has more than {MANY} colours: it is a photo")
            values = np.asarray(colours).astype(np.int32)
    except UnreadableImageError:
        raise
    except IMAGE_FAULTS as error:
        raise UnreadableImageError(f"{file} can't be decoded: {error}") from error
    return np.asarray(values[:, :, 0] << 16 | values[:, :, 1] << 8 | values[:, :, 2])
