"""Match mask files of other tools to pictures of the catalog."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.catalog.labels import nfc
from labeling.records.pictures import CatalogPicture, load_pictures

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from labeling.formats.shapes import PictureShapes

NAME_LENGTH = 16
"""Characters of the sha256 that name a picture in an export."""


class PictureMatcher:
    """Find pictures by sha256, by the bytes of a file, or by a unique original name.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    folder : Path or None
        Folder with the picture files that the mask files name.
    """

    def __init__(self, workspace: Workspace, folder: Path | None) -> None:
        self._pictures = {picture.sha256: picture for picture in load_pictures(workspace)}
        self._by_export_name = {
            name: sha256 for sha256 in self._pictures for name in (sha256, sha256[:NAME_LENGTH])
        }
        self._by_original_name = _original_names(workspace, self._pictures)
        self._files = _files(folder) if folder is not None else {}

    def match(self, shapes: PictureShapes) -> CatalogPicture | None:
        """Return the picture that shapes belong to; None when no picture or several match."""
        if shapes.sha256 in self._pictures:
            return self._pictures[shapes.sha256]
        name = nfc(shapes.name.replace("\\", "/"))
        path = PurePosixPath(name)
        exported = self._by_export_name.get(path.stem)
        if exported is not None:
            return self._pictures[exported]
        for key in (name, path.name):
            files = self._files.get(key, [])
            if len(files) == 1:
                # A file with other bytes is another picture, even when the names are equal.
                return self._pictures.get(_sha256(files[0]))
        known = self._by_original_name.get(path.name, set())
        return self._pictures[next(iter(known))] if len(known) == 1 else None


def _original_names(
    workspace: Workspace, pictures: dict[str, CatalogPicture]
) -> dict[str, set[str]]:
    names: dict[str, set[str]] = defaultdict(set)
    table = schema.sightings
    with workspace.catalog.read() as connection:
        rows = connection.execute(select(table.c.sha256, table.c.file, table.c.url)).all()
    for sha256, file, url in rows:
        if sha256 not in pictures:
            continue
        for place in (file, urlsplit(url).path if url else None):
            if place:
                for name in _spellings(PurePosixPath(nfc(str(place).replace("\\", "/")))):
                    names[name].add(sha256)
    return names


def _files(folder: Path) -> dict[str, list[Path]]:
    """Index a folder by relative path and by file name, each with and without the extension."""
    files: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        relative = PurePosixPath(nfc(path.relative_to(folder).as_posix()))
        for key in {str(relative), str(relative.with_suffix("")), *_spellings(relative)}:
            files[key].append(path)
        # COCO files of bodyshop name images/x.jpg, relative to the parent folder.
        files[f"{folder.name}/{relative}"].append(path)
    return files


def _spellings(path: PurePosixPath) -> set[str]:
    return {path.name, path.stem}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
