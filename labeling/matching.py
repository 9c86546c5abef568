"""Which picture of the catalog a foreign mask file means."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.catalog.labels import nfc
from labeling.pictures import Picture, load_pictures

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from labeling.formats.drawing import Drawing

EXPORTED = 16
"""Letters of the sha256 that name a picture in an export."""


class Finder:
    """Finds pictures by sha256, by the bytes of a file, or by an original name that is unique.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    folder : Path or None
        Where the files are that drawings name.
    """

    def __init__(self, workspace: Workspace, folder: Path | None) -> None:
        self._pictures = {picture.sha256: picture for picture in load_pictures(workspace)}
        self._own = {
            name: sha256 for sha256 in self._pictures for name in (sha256, sha256[:EXPORTED])
        }
        self._names = _original_names(workspace, self._pictures)
        self._files = _files(folder) if folder is not None else {}

    def find(self, drawing: Drawing) -> Picture | None:
        """Return the picture a drawing belongs to; None when there is none or it is not clear."""
        if drawing.sha256 in self._pictures:
            return self._pictures[drawing.sha256]
        name = nfc(drawing.name.replace("\\", "/"))
        base = PurePosixPath(name)
        own = self._own.get(base.stem)
        if own is not None:
            return self._pictures[own]
        for key in (name, base.name):
            files = self._files.get(key, [])
            if len(files) == 1:
                # Other bytes under that name are another picture: the name alone proves nothing.
                return self._pictures.get(_sha256(files[0]))
        known = self._names.get(base.name, set())
        return self._pictures[next(iter(known))] if len(known) == 1 else None


def _original_names(workspace: Workspace, pictures: dict[str, Picture]) -> dict[str, set[str]]:
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
    """Index a folder by relative path, by file name, and by both without the extension."""
    files: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        relative = PurePosixPath(nfc(path.relative_to(folder).as_posix()))
        for key in {str(relative), str(relative.with_suffix("")), *_spellings(relative)}:
            files[key].append(path)
        # COCO files of bodyshop name images/x.jpg, seen from the folder above.
        files[f"{folder.name}/{relative}"].append(path)
    return files


def _spellings(path: PurePosixPath) -> set[str]:
    return {path.name, path.stem}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
