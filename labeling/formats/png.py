"""Masks as picture files: ``masks/<class>/<picture>.png``, or one folder of them for one class."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.errors import ConfigError, UnreadableImageError
from bodyshop_core.imaging import open_image
from labeling.annotations import mask_png
from labeling.formats.brush_rle import THRESHOLD
from labeling.formats.drawing import Drawing, Part, Sheet

if TYPE_CHECKING:
    from labeling.formats.drawing import Mask

FOLDER = "masks"


def read(source: Path, *, label: str = "damage") -> Iterator[Drawing]:
    """Read mask pictures; a picture in a subfolder is of that class, one beside them of `label`.

    Grey values from 128 on count; a file with no value above 1 is read as 0 and 1.

    Parameters
    ----------
    source : Path
        The folder, or one with a folder ``masks`` in it.
    label : str
        Class of the files that lie in no class folder.

    Raises
    ------
    ConfigError
        There is no PNG file.
    """
    root = source / FOLDER if (source / FOLDER).is_dir() else source
    files = sorted(root.glob("*.png")) + sorted(root.glob("*/*.png"))
    if not files:
        raise ConfigError("there is no mask (*.png) in the folder or its class folders", file=root)
    by_stem: dict[str, list[tuple[str, Path]]] = {}
    for file in files:
        named = label if file.parent == root else file.parent.name
        by_stem.setdefault(file.stem, []).append((named, file))
    for stem, found in sorted(by_stem.items()):
        parts: list[Part] = []
        problems: list[str] = []
        sizes: set[tuple[int, int]] = set()
        for named, file in found:
            try:
                mask = _load(file)
            except UnreadableImageError as error:
                problems.append(f"{file.name}: {error.message}")
                continue
            sizes.add((mask.shape[1], mask.shape[0]))
            parts.append(Part(named, mask=mask))
        if len(sizes) > 1:
            problems.append(f"{stem}: its masks differ in size: {sorted(sizes)}")
            parts = []
        size = next(iter(sizes), (0, 0))
        yield Drawing(stem, size, tuple(parts), None, tuple(problems))


def write(dest: Path, sheets: Sequence[Sheet], classes: Sequence[str]) -> Path:
    """Write ``masks/<class>/<picture>.png``, 8-bit grey, 0 and 255.

    Returns
    -------
    Path
        The folder ``masks``.
    """
    folders = {label: folder_name(label) for label in classes}
    for sheet in sheets:
        for label, mask in sheet.load().items():
            path = dest / FOLDER / folders[label] / f"{Path(sheet.name).stem}.png"
            atomic.write_bytes(path, mask_png(mask))
    return dest / FOLDER


def folder_name(label: str) -> str:
    """Return a class name that is safe as a folder on every system; Hangul stays."""
    return re.sub(r"[^\w.-]+", "_", label).strip("._") or "class"


def _load(file: Path) -> Mask:
    with open_image(file) as image:
        try:
            values = np.asarray(image.convert("L"))
        except OSError as error:
            raise UnreadableImageError(f"{file} can't be decoded: {error}") from error
    return np.asarray(values > 0 if values.max(initial=0) <= 1 else values >= THRESHOLD)
