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
from labeling.formats import colour_masks
from labeling.formats.documents import IMAGE_FAULTS
from labeling.formats.mask_file import THRESHOLD, encode_mask
from labeling.formats.shapes import ExportPicture, PictureShapes, Shape

if TYPE_CHECKING:
    from labeling.formats.shapes import Mask

FOLDER = "masks"

DARK = 32
"""Grey values of the edge of a mask that was antialiased or once a JPEG lie closer to 0 or 255."""

FIRM = 0.8
"""Part of a mask's pixels that have to be nearly 0 or 255; photos have fewer."""


def find(source: Path) -> list[Path]:
    """Return the mask files of a folder."""
    if not source.is_dir():
        return []
    if coloured := colour_masks.find(source):
        return coloured
    root = source / FOLDER if (source / FOLDER).is_dir() else source
    return sorted(root.glob("*.png")) + sorted(root.glob("*/*.png"))


def read(source: Path) -> Iterator[PictureShapes]:
    """Read mask files; those in a subfolder belong to that class, the others have no class.

    Of black and one colour (or transparent and not), the colour is the mask. With other grey
    values, those from 128 on belong to it, if most pixels are nearly black or white.
    Other pictures are no masks: photos, or numbers of classes. Classes in colours are read in the
    layout of Pascal VOC and CVAT (`colour_masks`).

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
    if colour_masks.find(source):
        yield from colour_masks.read(source)
        return
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
        plain = re.sub(r"[_-](mask|seg|segmentation)$", "", stem)
        more = () if plain == stem else (plain,)
        yield PictureShapes(stem, size, tuple(shapes), None, tuple(problems), more)


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
            if "A" in image.getbands() or "transparency" in image.info:
                alpha = np.asarray(image.convert("RGBA").getchannel("A"))
                if alpha.min(initial=255) < THRESHOLD <= alpha.max(initial=0):
                    return np.asarray(alpha >= THRESHOLD)
            if image.mode in ("P", "RGB", "RGBA", "L", "1"):
                colours = image.convert("RGB") if image.mode != "L" else image
                found = [colour for _, colour in colours.getcolors(2) or ()]
                if found == [1] or any(not np.any(colour) for colour in found):
                    pixels = np.asarray(colours)
                    return np.asarray(pixels.any(axis=2) if pixels.ndim == 3 else pixels > 0)
            grey = np.asarray(image.convert("RGB"))
            if (grey != grey[:, :, :1]).any():
                raise UnreadableImageError(
                    f"{file} has several colours: it is no mask of one class"
                )
            values = np.asarray(image.convert("L"))
    except UnreadableImageError:
        raise
    except IMAGE_FAULTS as error:
        raise UnreadableImageError(f"{file} can't be decoded: {error}") from error
    firm = ((values < DARK) | (values > 255 - DARK)).mean()
    if values.max(initial=0) < THRESHOLD or firm < FIRM:
        raise UnreadableImageError(
            f"{file} has grey values from {values.min()} to {values.max()}, not 0 and 255: it is a "
            "photo, or holds numbers of classes"
        )
    return np.asarray(values >= THRESHOLD)
