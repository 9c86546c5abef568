"""Match entries of annotation files to pictures of the catalog; in doubt, to none.

A name proves little: two data sets both have a 0001.jpg. So a picture is identified, in this order,

1. by its sha256, which bodyshop's own exports state;
2. by the bytes of the picture file that belongs to the annotations, or by its pixels if a tool
   wrote it again (perceptual hash);
3. by path and size;
4. by name, if the name is unique in the catalog and the stated size agrees.

A tool that augments pictures writes several files for one, such as a_jpg.rf.1.jpg and
a_jpg.rf.2.jpg, one of them mirrored. Only their files tell which is the picture itself (`settled`).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from sqlalchemy import select

from bodyshop_core.catalog import BlobRef, schema
from bodyshop_core.errors import DamagedBlobError, LostBlobError, UnreadableImageError
from bodyshop_core.imaging import load_rgb
from labeling.exchange.picture_names import PLAIN_FOLDERS, PictureName, plain, spellings
from labeling.records.pictures import CatalogPicture, load_pictures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace
    from labeling.formats.shapes import PictureShapes

NAME_LENGTH = 16
"""Characters of the sha256 that name a picture in an export."""

HASH_SIZE = 16
"""Side of the perceptual hash: 256 bits (`imagehash.phash`)."""

SAME_PIXELS = 32
"""Two pictures are the same one, written again, up to this many of 256 bits apart."""

T = TypeVar("T")

How = Literal["sha256", "bytes", "pixels", "path", "name", ""]


@dataclass(frozen=True)
class Match:
    """The picture of an entry, and how it was identified.

    Parameters
    ----------
    picture : CatalogPicture or None
        None: none, or it would be a guess.
    how : str
        ``sha256``, ``bytes``, ``pixels``, ``path`` or ``name``; empty without a picture.
    doubt : str
        Why a picture with such a name was not taken; empty when there is none.
    by_name : bool
        Only a name says that the entry is of this picture, and not of a copy that a tool made.
    """

    picture: CatalogPicture | None
    how: How = ""
    doubt: str = ""
    by_name: bool = False


class PictureMatcher:
    """Find the pictures of annotation files.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    folder : Path or None
        Folder with the picture files that the annotations belong to.
    final : bool
        A picture that is not in `folder` is not looked for by its name.
    """

    def __init__(self, workspace: Workspace, folder: Path | None, *, final: bool = False) -> None:
        self._pictures = {picture.sha256: picture for picture in load_pictures(workspace)}
        self._by_export_name = {
            name: sha256 for sha256 in self._pictures for name in (sha256, sha256[:NAME_LENGTH])
        }
        self._places, self._bytes = _places(workspace, self._pictures)
        self._folder, self._final = folder, final
        self._hashes: dict[Path | BlobRef, NDArray[np.bool_] | None] = {}
        self._files = _files(folder) if folder is not None else {}

    def match(self, shapes: PictureShapes) -> Match:
        """Return the picture that an entry belongs to."""
        if shapes.sha256 in self._pictures:
            return Match(self._pictures[shapes.sha256], "sha256")
        names = [each for name in (shapes.name, *shapes.names) for each in spellings(name)]
        literal = {name.stem for name in spellings(shapes.name)[:1]}
        if found := self._by_export(names, literal, by_name=False):
            return found
        own = None if self._final else _own_file(shapes.name, shapes)
        if own is not None:
            found = self._by_file(names, _sha256(own), own)
            return self._undisputed(found, shapes)
        if self._folder is not None and (found := self._in_folder(names, literal)):
            return self._undisputed(found, shapes)
        names_of_others = {name.stem for name in names} - literal
        if found := self._by_export(names, names_of_others, by_name=True):
            return found
        if self._folder is not None and self._final:
            return Match(None, doubt=f"there is no such file in {self._folder}")
        return self._undisputed(self._by_name(names, shapes), shapes)

    def _undisputed(self, found: Match, shapes: PictureShapes) -> Match:
        """Refuse a match when another name of the entry leads to another picture.

        Someone who renames pictures leaves their old names inside the annotation files.
        """
        for other in shapes.names if found.picture is not None else ():
            rival = self._alone(replace(shapes, name=other, names=()))
            if rival is not None and rival.sha256 != found.picture.sha256:  # type: ignore[union-attr]
                return Match(None, doubt=f"{other} is another picture, and it has both names")
        return found

    def _alone(self, shapes: PictureShapes) -> CatalogPicture | None:
        """Return the picture that one name of an entry would lead to."""
        names = spellings(shapes.name)
        if not self._final and (own := _own_file(shapes.name, shapes)):
            return self._by_file(names, _sha256(own), own).picture
        if self._folder is not None:
            found = self._in_folder(names, set())
            if found or self._final:
                return found.picture if found else None
        return self._by_name(names, shapes).picture

    def _by_export(
        self, names: list[PictureName], stems: set[str], *, by_name: bool
    ) -> Match | None:
        for name in names:
            if name.stem in stems and name.stem in self._by_export_name:
                picture = self._pictures[self._by_export_name[name.stem]]
                return Match(picture, "sha256", by_name=by_name)
        return None

    def _in_folder(self, names: list[PictureName], literal: set[str]) -> Match | None:
        """Match by the picture's own file; None when it is not there."""
        for name in names:
            files = _closest(name, self._files.get(name.stem, []))
            known = {_sha256(file): file for _, file in files}
            if len(known) > 1:
                return Match(None, doubt=f"{len(known)} different files have its name")
            for sha256, file in known.items():
                found = self._by_file(names, sha256, file)
                return replace(found, by_name=name.stem not in literal)
        return None

    def _by_file(self, names: list[PictureName], sha256: str, file: Path) -> Match:
        if sha256 in self._pictures:
            return Match(self._pictures[sha256], "bytes")
        return self._by_pixels(names, file)

    def _by_pixels(self, names: list[PictureName], file: Path) -> Match:
        """Match a file that a tool wrote again; with other pixels it is another picture."""
        hashed = self._hash(file)
        candidates = {s for name in names for _, s in self._places.get(name.stem, [])}
        exported = self._by_export_name
        candidates |= {exported[name.stem] for name in names if name.stem in exported}
        same = set()
        for sha256 in candidates:
            other = self._hash(self._pictures[sha256].path)
            known = hashed is not None and other is not None
            if known and int((hashed != other).sum()) <= SAME_PIXELS:  # type: ignore[union-attr]
                same.add(sha256)
        if len(same) == 1:
            return Match(self._pictures[same.pop()], "pixels")
        if same:
            return Match(None, doubt=f"{len(same)} pictures of its name look like {file.name}")
        return Match(None, doubt=f"{file.name} is not in the workspace")

    def _hash(self, path: Path | BlobRef) -> NDArray[np.bool_] | None:
        """Return the 256-bit perceptual hash of the upright picture; None: it can't be read."""
        if path not in self._hashes:
            import imagehash
            from PIL import Image

            try:
                pixels = Image.fromarray(load_rgb(path))
                self._hashes[path] = imagehash.phash(pixels, hash_size=HASH_SIZE).hash
            except (UnreadableImageError, LostBlobError, DamagedBlobError):
                self._hashes[path] = None
        return self._hashes[path]

    def _by_name(self, names: list[PictureName], shapes: PictureShapes) -> Match:
        for name in names:
            closest = _closest(name, self._places.get(name.stem, []))
            if not closest:
                continue
            known = {sha256 for _, sha256 in closest}
            if len(known) > 1:
                return Match(None, doubt=f"{len(known)} pictures have its name")
            by_path = any(name.folders_in_common(place) for place, _ in closest)
            return self._checked(known.pop(), "path" if by_path else "name", shapes)
        return Match(None)

    def _checked(self, sha256: str, how: How, shapes: PictureShapes) -> Match:
        """Return the match if the entry's size says so, too."""
        picture = self._pictures[sha256]
        if shapes.bytes is not None and shapes.bytes == self._bytes[sha256]:
            return Match(picture, how, by_name=True)
        if not shapes.size or shapes.size == (0, 0):
            return Match(None, doubt="only its name is known, not its size or its bytes")
        width, height = picture.width, picture.height
        if shapes.size in {(width, height), (height, width) if _is_turned(picture) else None}:
            return Match(picture, how, by_name=True)
        return Match(
            None,
            doubt=f"it has {shapes.size[0]} x {shapes.size[1]} pixels, the picture of that name "
            f"{width} x {height}",
        )


def settled(
    found: Sequence[tuple[PictureShapes, Match]],
) -> tuple[list[tuple[PictureShapes, Match]], list[tuple[PictureShapes, str]]]:
    """Return which entries of one picture are used, and the others with the reason.

    Entries of different names that only these names lead to one picture may be augmented copies of
    it, whose masks lie elsewhere: none of them is used.
    """
    sure = {_literal(shapes) for shapes, match in found if not match.by_name}
    names = {_literal(shapes): shapes.name for shapes, _ in reversed(found)}
    if len(names) == 1:
        return list(found), []
    used, doubtful = [], []
    for shapes, match in found:
        own = _literal(shapes)
        if not match.by_name or own in sure:
            used.append((shapes, match))
            continue
        others = ", ".join(sorted(name for key, name in names.items() if key != own)[:3])
        reason = f"only its name says that it is of the same picture as {others}"
        doubtful.append((shapes, reason))
    return used, doubtful


def _literal(shapes: PictureShapes) -> tuple[object, ...]:
    name = (spellings(shapes.name) or [PictureName(shapes.name, ())])[0]
    folders = tuple(each for each in name.folders if each not in PLAIN_FOLDERS)
    return name.stem, name.extension, folders


def _own_file(text: str, shapes: PictureShapes) -> Path | None:
    """Return the file that a name of an entry means, where it lies beside its annotations."""
    name = Path(text.replace("\\", "/"))
    if shapes.folder is None or name.is_absolute():
        return None
    try:
        file = shapes.folder / name
        return file if file.is_file() else None
    except OSError:
        return None  # a name that no file can have


def _is_turned(picture: CatalogPicture) -> bool:
    return picture.exif_orientation in {5, 6, 7, 8}


def _closest(name: PictureName, found: list[tuple[PictureName, T]]) -> list[tuple[PictureName, T]]:
    """Return those places that agree best with a name: by extension, folders, and split."""
    found = [each for each in found if each[0].extension == name.extension] or found
    most = max((name.folders_in_common(place) for place, _ in found), default=0)
    found = [(place, what) for place, what in found if name.folders_in_common(place) == most]
    return [each for each in found if name.split and each[0].split == name.split] or found


def _places(
    workspace: Workspace, pictures: dict[str, CatalogPicture]
) -> tuple[dict[str, list[tuple[PictureName, str]]], dict[str, int]]:
    """Return stem -> where its pictures were found; and sha256 -> bytes of the original."""
    places: dict[str, list[tuple[PictureName, str]]] = defaultdict(list)
    seen, images = schema.sightings, schema.images
    with workspace.catalog.read() as connection:
        rows = connection.execute(select(seen.c.sha256, seen.c.file, seen.c.url)).all()
        sizes = dict(connection.execute(select(images.c.sha256, images.c.bytes)).all())
    for sha256, *addresses in rows:
        for address in addresses:
            if address and sha256 in pictures:
                for name in spellings(str(address)):
                    for key in {name.stem, plain(name.stem)}:
                        places[key].append((name, sha256))
    return places, sizes


def _files(folder: Path) -> dict[str, list[tuple[PictureName, Path]]]:
    files: dict[str, list[tuple[PictureName, Path]]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            for name in spellings(path.relative_to(folder.parent).as_posix()):
                for key in {name.stem, plain(name.stem)}:
                    files[key].append((name, path))
    return files


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
