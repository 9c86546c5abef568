"""Import masks and their instances from annotation files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.catalog.labels import nfc
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from labeling.consensus.imported import counting_imports, deleted_of
from labeling.consensus.update import prepare_consensus, update_consensus
from labeling.exchange.fitting import frame_unknown, upright_shape
from labeling.exchange.matching import Match, PictureMatcher, settled
from labeling.formats.instances import shape_mask
from labeling.formats.shapes import SEVERITIES, MaskFormatError, PictureShapes, Shape
from labeling.formats.table import (
    MaskFormat,
    detect,
    format_named,
    read_entries,
    unread_files,
)
from labeling.records.annotations import Annotation, store_annotations, upload_masks
from labeling.records.pictures import CatalogPicture

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bodyshop_core.workspace import Workspace
    from labeling.formats.shapes import Mask

BATCH = 50
"""Pictures per transaction."""

ANONYMOUS = "import"
"""Annotator of imports without a name."""

PNG_LABEL = "damage"
"""Class of mask files that are in no class folder, when none is given."""


PICTURE_FOLDERS = ("images", "JPEGImages", "data")
"""Where tools keep pictures beside annotations: most of them, Pascal VOC, FiftyOne."""

ANNOTATION_FOLDERS = {"annotations", "labels", "ann"}
"""Folders of annotations that have the pictures' folder beside them."""


@dataclass(frozen=True)
class MaskImportSummary(Summary):
    """Result of `import_masks`.

    Parameters
    ----------
    format : str
        Of the files.
    pictures, masks, regions : int
        Pictures of the catalog that the files name, class masks imported for them, and instances.
    boxes : int
        Of the instances, how many are rectangles: their masks cover more than the damage.
    unmatched : tuple of str
        Pictures in the files that are not in the catalog.
    refused : tuple of str
        Entries whose picture would be a guess, one sentence each: several pictures of that name, or
        a size that does not agree.
    by_name : tuple of str
        Entries whose picture was identified by its name and size only.
    turned : tuple of str
        Entries of photos that EXIF turns, where nothing says whether their shapes were drawn on the
        photo as stored or as shown: as shown was assumed.
    replaced : tuple of str
        Masks that no longer count, and why, one sentence each.
    problems : tuple of str
        Shapes that could not be used, one sentence each.
    """

    format: str
    pictures: int
    masks: int
    regions: int
    boxes: int
    unmatched: tuple[str, ...]
    refused: tuple[str, ...]
    by_name: tuple[str, ...]
    turned: tuple[str, ...]
    replaced: tuple[str, ...]
    problems: tuple[str, ...]


def import_masks(
    workspace: Workspace,
    format: str | None,
    source: Path,
    *,
    pictures: Path | None = None,
    classes: Mapping[str, str] | None = None,
    name: str | None = None,
    label: str | None = None,
    progress: Progress = SILENT,
) -> MaskImportSummary:
    """Import masks from files, for pictures that are already in the catalog.

    A file states what it contains: files with different pictures or classes are united. Imported
    again, it replaces what it said before. Of the same picture and class, the later import of one
    `name` counts; imports of several names have to agree.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    format : str or None
        One of `labeling.formats.table.FORMATS`; None: found out from the content.
    source : Path
        The file or folder.
    pictures : Path, optional
        Folder with the picture files that `source` names; each is found in the catalog by its
        bytes or pixels, and one that is not in the folder is not looked for elsewhere. Default:
        beside the file, then the folder ``images`` (``JPEGImages``, ``data``) beside it or beside
        its folder ``annotations``, and then path or name and size.
    classes : mapping, optional
        Class in the file -> class in the catalog, or ``class/severity``; an empty value leaves the
        class out.
    name : str, optional
        Name of the person who drew the masks.
    label : str, optional
        Class of shapes for which the file gives none; of mask files: default ``damage``.
    progress : Progress
        Reports every picture.

    Returns
    -------
    MaskImportSummary
        With the pictures that were not found and the shapes that could not be used.

    Raises
    ------
    ConfigError
        The file does not have that format, or none that is known.
    UsageError
        There is no such file or format.
    NothingFoundError
        None of its pictures is in the catalog.
    """
    source = Path(source)
    form = detect(source) if format is None else format_named(format)
    entries = read_entries(form, source)
    folder = pictures or _images_beside(source)
    matcher = PictureMatcher(workspace, folder, final=pictures is not None)
    found = _Found(
        dict(classes or {}), label or (PNG_LABEL if form.name == "png" else None)
    )  # fmt: skip
    for entry in entries:
        found.add(entry, matcher)
    found.settle()
    found.problems += unread_files(form, source)
    statement = _Statement(workspace, form, source, name)
    with progress.task("import masks", total=len(found.by_picture)) as tick:
        for picture, of_picture in found.by_picture.values():
            known = len(found.problems)
            shapes = found.shapes_of(picture, of_picture)
            bad = len(found.problems) > known or any(e.problems for e, _ in of_picture)
            name_of_picture = of_picture[0][0].name
            if shapes or not bad:
                statement.add(picture, shapes, name_of_picture)
            elif kept := statement.kept(picture):
                found.problems.append(
                    f"{name_of_picture}: none of its shapes can be used; its {kept} masks of an "
                    "earlier import stay"
                )
            tick(1)
    statement.save()
    if not found.by_picture:
        raise _nothing_found(source, entries, found)
    return MaskImportSummary(
        form.name, len(found.by_picture), statement.masks, statement.regions, statement.boxes,
        tuple(found.unmatched), tuple(found.refused), tuple(found.by_name),
        tuple(found.turned), tuple(statement.replaced), tuple(found.problems),
    )  # fmt: skip


class _Found:
    """Entries by the picture they belong to, and what could not be used."""

    def __init__(self, classes: Mapping[str, str], label: str | None) -> None:
        self.classes, self.label = classes, label
        # A file may list a picture several times, for example in a train and a val folder.
        self.by_picture: dict[
            str, tuple[CatalogPicture, list[tuple[PictureShapes, Match]]]
        ] = {}  # fmt: skip
        self.unmatched: list[str] = []
        self.refused: list[str] = []
        self.by_name: list[str] = []
        self.turned: list[str] = []
        self.problems: list[str] = []

    def add(self, entry: PictureShapes, matcher: PictureMatcher) -> None:
        self.problems += entry.problems
        if not entry.name:
            return  # it only carries problems
        match = matcher.match(entry)
        if match.picture is None:
            self._refuse(entry, match.doubt)
            return
        sha256 = match.picture.sha256
        self.by_picture.setdefault(sha256, (match.picture, []))[1].append((entry, match))

    def settle(self) -> None:
        """Refuse entries that may be of augmented copies; to be called after all were added."""
        for sha256, (picture, found) in list(self.by_picture.items()):
            used, doubtful = settled(found)
            for entry, reason in doubtful:
                self._refuse(entry, reason)
            if used:
                self.by_picture[sha256] = picture, used
            else:
                del self.by_picture[sha256]
            for entry, match in used:
                if match.how in ("name", "pixels"):
                    self.by_name.append(f"{entry.name} ({match.how})")

    def _refuse(self, entry: PictureShapes, doubt: str) -> None:
        if doubt:
            self.refused.append(f"{entry.name}: {doubt}")
        self.unmatched.append(entry.name)

    def shapes_of(
        self, picture: CatalogPicture, found: Sequence[tuple[PictureShapes, Match]]
    ) -> list[Shape]:
        """Return the shapes of a picture, in its upright pixels, with the catalog's classes."""
        shapes = []
        for entry, match in found:
            # bodyshop's own exports are upright.
            if entry.shapes and match.how != "sha256" and frame_unknown(entry.size, picture):
                self.turned.append(entry.name)
            for shape in entry.shapes:
                try:
                    usable = self._usable(shape, entry, match, picture)
                except MaskFormatError as error:
                    what = " ".join(part for part in (shape.place, shape.label) if part)
                    self.problems.append(f"{entry.name}: {what or 'a shape'}: {error.message}")
                    continue
                if usable is not None:
                    shapes.append(usable)
        return shapes

    def _usable(
        self, shape: Shape, entry: PictureShapes, match: Match, picture: CatalogPicture
    ) -> Shape | None:
        theirs = shape.label or self.label
        if theirs is None:
            raise MaskFormatError("it has no class; name one with --label")
        label = self.classes.get(theirs, theirs)
        if not label:
            return None
        severity = shape.severity
        head, slash, tail = label.rpartition("/")
        if slash and theirs in self.classes and tail in SEVERITIES:
            label, severity = head, tail
        if match.how != "sha256" and _in_one_pixel(shape, entry.size):
            raise MaskFormatError("it lies in one pixel: are its coordinates fractions?")
        stretched = match.how == "pixels"
        fitted = upright_shape(
            shape, entry.size, picture, stretched=stretched, shown=entry.shown
        )  # fmt: skip
        if not shape_mask(fitted, picture.height, picture.width).any():
            raise MaskFormatError("it covers no pixel of the picture")
        return replace(fitted, label=label, severity=severity, origin="import")


def _in_one_pixel(shape: Shape, size: tuple[int, int] | None) -> bool:
    """Return whether an outline in pixels has no coordinate above 1: it may be in fractions."""
    pixels = size is not None and shape.mask is None
    return pixels and all(((ring >= 0) & (ring <= 1)).all() for ring in shape.rings)


class _Statement:
    """What one import says about pictures, written in batches."""

    def __init__(
        self, workspace: Workspace, form: MaskFormat, source: Path, name: str | None
    ) -> None:
        self.workspace, self.form, self.named = workspace, form, name is not None
        self.annotator = ANONYMOUS if name is None else nfc(f"{ANONYMOUS}:{name}")[:64]
        # The same file again replaces what it said before.
        place = hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:16]
        self.project = f"{ANONYMOUS}:{form.name}:{place}"
        self.masks = self.regions = self.boxes = 0
        self.replaced: list[str] = []
        self._pending: list[Annotation] = []

    def add(self, picture: CatalogPicture, shapes: Sequence[Shape], file: str) -> None:
        whole = [shape for shape in shapes if shape.kind == "class"]
        drawn = [shape for shape in shapes if shape.kind != "class"]
        masks: dict[str, Mask] = {}
        for shape in whole:
            mask = shape_mask(shape, picture.height, picture.width)
            masks[shape.label] = masks[shape.label] | mask if shape.label in masks else mask
        details = {"file": file, "format": self.form.name, "named": self.named}
        # Times to the microsecond: of two imports, the later one counts.
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        self._pending.append(
            Annotation(
                picture.sha256, self.project, "", None, self.annotator, at, masks=masks,
                shapes=drawn, size=(picture.width, picture.height), details=details,
            )
        )  # fmt: skip
        self.masks += len({nfc(shape.label) for shape in shapes})
        self.regions += len(drawn)
        self.boxes += sum(shape.kind == "rectangle" for shape in drawn)
        if len(self._pending) >= BATCH:
            self.save()

    def kept(self, picture: CatalogPicture) -> str:
        """Return the classes that this file said before of a picture of which it is silent now."""
        with self.workspace.catalog.read() as connection:
            rows = counting_imports(connection, self.project, [picture.sha256]).values()
            return ", ".join(sorted({row.label for row in rows if row.annotator == self.annotator}))

    def save(self) -> None:
        if not self._pending:
            return
        sha256s = [each.sha256 for each in self._pending]
        uploaded = upload_masks(self.workspace, self._pending)

        def write(connection: Connection) -> set[str]:
            return store_annotations(connection, self.workspace, self._pending, uploaded)

        agreed = prepare_consensus(self.workspace, write)
        with self.workspace.catalog.begin() as connection:
            before = counting_imports(connection, self.project, sha256s)
            touched = write(connection)
            for row in deleted_of(connection, before.values()):
                self.replaced.append(
                    f"{row.sha256[:12]}: the {row.label} mask of {row.annotator} no longer counts, "
                    "because its file no longer has it"
                )
            self.replaced += update_consensus(connection, self.workspace, touched, agreed)
        self._pending.clear()


def _images_beside(source: Path) -> Path | None:
    folder = source if source.is_dir() else source.parent
    places = [folder / name for name in PICTURE_FOLDERS]
    if folder.name.casefold() in ANNOTATION_FOLDERS:
        places += [folder.parent / name for name in PICTURE_FOLDERS]
    return next((place for place in places if place.is_dir()), None)


def _nothing_found(
    source: Path, entries: Sequence[PictureShapes], found: _Found
) -> NothingFoundError:
    names = [entry.name for entry in entries if entry.name]
    if not names:
        why = f": {found.problems[0]}" if found.problems else ""
        return NothingFoundError(f"no picture can be read from {source}{why}")
    first = found.refused[0] if found.refused else names[0]
    return NothingFoundError(
        f"none of the {len(names)} pictures of {source} is in the catalog (the first: {first})",
        hint="import the pictures first with bodyshop import FOLDER, then name that FOLDER "
        "with --pictures",
    )
