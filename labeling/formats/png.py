"""Folders of mask files: ``masks/<class>/<picture>.png``, or one folder for one class."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.errors import ConfigError, UnreadableImageError
from bodyshop_core.imaging import open_image
from labeling.formats.documents import IMAGE_FAULTS
from labeling.formats.mask_file import THRESHOLD, encode_mask
from labeling.formats.shapes import ExportPicture, PictureShapes, Shape

if TYPE_CHECKING:
    from labeling.formats.shapes import Mask

FOLDER = "masks"


def find(source: Path) -> list[Path]:
    """Return the mask files of a folder."""
    if not source.is_dir():
        return []
    root = source / FOLDER if (source / FOLDER).is_dir() else source
    return sorted(root.glob("*.png")) + sorted(root.glob("*/*.png"))


def read(source: Path) -> Iterator[PictureShapes]:
    """Read mask files; those in a subfolder belong to that class, the others have no class.

    Grey values from 128 on belong to the mask; in a file without a value above 1, the value 1 does.

    Parameters
    ----------
    source : Path
        The folder, or its parent when it is called ``masks``.
    label : str
        Class of the files that are not in a class folder.

    Raises
    ------
    ConfigError
        It has no PNG file.
    """
    root = source / FOLDER if (source / FOLDER).is_dir() else source
    files = find(source)
    if not files:
        raise ConfigError("no mask (*.png) in the folder or its class folders", file=root)
    by_stem: dict[str, list[tuple[str, Path]]] = {}
    for file in files:
        named = "" if file.parent == root else file.parent.name
        by_stem.setdefault(file.stem, []).append((named, file))
    for stem, found in sorted(by_stem.items()):
        shapes: list[Shape] = []
        problems: list[str] = []
        sizes: set[tuple[int, int]] = set()
        for named, file in found:
            try:
                mask = _load(file)
            except UnreadableImageError as error:
                problems.append(f"{file.name}: {error.message}")
                continue
            sizes.add((mask.shape[1], mask.shape[0]))
            shapes.append(Shape(named, mask=mask, kind="class", place=file.name))
        if len(sizes) > 1:
            problems.append(f"{stem}: its masks differ in size: {sorted(sizes)}")
            shapes = []
        size = next(iter(sizes), (0, 0))
        yield PictureShapes(stem, size, tuple(shapes), None, tuple(problems))


def write(dest: Path, pictures: Sequence[ExportPicture], classes: Sequence[str]) -> Path:
    """Write ``masks/<class>/<picture>.png``, 8-bit grey, 0 and 255.

    Returns
    -------
    Path
        The folder ``masks``.
    """
    folders = {label: folder_name(label) for label in classes}
    for picture in pictures:
        for label, mask in picture.load().items():
            path = dest / FOLDER / folders[label] / f"{Path(picture.name).stem}.png"
            atomic.write_bytes(path, encode_mask(mask))
    return dest / FOLDER


def folder_name(label: str) -> str:
    """Return a folder name for a class that every file system accepts; Hangul is kept."""
    return re.sub(r"[^\w.-]+", "_", label).strip("._") or "class"


def _load(file: Path) -> Mask:
    try:
        with open_image(file) as image:
            values = np.asarray(image.convert("L"))
    except UnreadableImageError:
        raise
    except IMAGE_FAULTS as error:
        raise UnreadableImageError(f"{file} can't be decoded: {error}") from error
    return np.asarray(values > 0 if values.max(initial=0) <= 1 else values >= THRESHOLD)
