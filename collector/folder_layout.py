"""What the path of a file in a folder of pictures says: class, brand, model and split."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bodyshop_core.catalog import nfc

PICTURE_EXTENSIONS = {
    ".jpg": "jpg", ".jpeg": "jpg", ".jpe": "jpg", ".jfif": "jpg", ".png": "png", ".webp": "webp",
    ".gif": "gif", ".bmp": "bmp", ".tif": "tif", ".tiff": "tif", ".avif": "avif",
}  # fmt: skip
"""File extension -> the extension that the catalog uses for the format."""

_SPLITS = (
    ("train", re.compile(r"train", re.IGNORECASE)),
    ("validation", re.compile(r"val", re.IGNORECASE)),
    ("test", re.compile(r"test", re.IGNORECASE)),
)


@dataclass(frozen=True)
class PicturePath:
    """What the path of a file says about it."""

    file: Path
    relative: str
    split: str | None
    labels: tuple[tuple[str, str], ...]


def picture_paths(
    folder: Path, *, field: str, label: str | None, brand: str | None, model: str | None
) -> list[PicturePath]:
    """List the files of a folder with what their paths say.

    Parameters
    ----------
    folder : Path
        Searched to any depth; hidden files and folders are skipped.
    field : str
        What the class folders stand for.
    label, brand, model : str, optional
        Given for all files; they take precedence over the folders' names.
    """
    files = list(_files(folder))
    wrapper = _shared_wrapper(folder, files)
    return [
        _place(file, folder, wrapper, field=field, label=label, brand=brand, model=model)
        for file in files
    ]


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(root) / name


def _shared_wrapper(folder: Path, files: list[Path]) -> int:
    """Return how many leading folders all pictures share: these do not name a class."""
    parts = [
        file.relative_to(folder).parts[:-1]
        for file in files
        if file.suffix.lower() in PICTURE_EXTENSIONS
    ]
    depth = 0
    while parts and all(len(each) > depth + 1 for each in parts):
        if len({each[depth] for each in parts}) > 1 or _split_of(parts[0][depth]):
            break
        depth += 1
    return depth


def _place(
    file: Path, folder: Path, wrapper: int, *, field: str, label: str | None, brand: str | None,
    model: str | None,
) -> PicturePath:  # fmt: skip
    relative = file.relative_to(folder)
    folders = [nfc(part) for part in relative.parts[wrapper:-1]]
    split = next((name for part in folders if (name := _split_of(part))), None)
    classes = [part for part in folders if not _split_of(part)]
    said: dict[str, str] = {}
    if brand:
        said["brand"] = nfc(brand)
    if model:
        said["model"] = f"{nfc(brand or '')} {nfc(model)}"
    if label:
        said[field] = nfc(label)
    elif classes and field == "model":
        maker = brand and nfc(brand)
        if maker is None and len(classes) > 1:
            maker, classes = classes[0], classes[1:]
            said["brand"] = maker
        said["model"] = f"{maker} {classes[0]}" if maker else classes[0]
    elif classes:
        said[field] = classes[0]
    return PicturePath(file, nfc(relative.as_posix()), split, tuple(said.items()))


def _split_of(name: str) -> str | None:
    return next((split for split, pattern in _SPLITS if pattern.match(name)), None)
