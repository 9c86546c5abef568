"""Import masks from COCO, VIA, YOLO and PNG files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from bodyshop_core.catalog import now
from bodyshop_core.catalog.labels import nfc
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from labeling.consensus.update import update_consensus
from labeling.exchange.matching import PictureMatcher
from labeling.formats import coco, png, via, yolo
from labeling.formats.polygons import rasterise
from labeling.formats.shapes import MaskFormatError, PictureShapes, Shape
from labeling.records.annotations import Annotation, store_annotations
from labeling.records.pictures import CatalogPicture

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from labeling.formats.shapes import Mask

MaskFormat = Literal["coco", "via", "yolo", "png"]

BATCH = 50
"""Pictures per transaction."""

ASPECT_TOLERANCE = 0.01
"""A mask of another size is scaled when its aspect ratio differs by less than this fraction."""


@dataclass(frozen=True)
class MaskImportSummary(Summary):
    """Result of `import_masks`.

    Parameters
    ----------
    format : str
        Of the files.
    pictures, masks : int
        Pictures of the catalog that the files name, and masks imported for them.
    unmatched : tuple of str
        Pictures in the files that are not in the catalog, or whose name is not unique there.
    problems : tuple of str
        Shapes that could not be used, one sentence each.
    """

    format: str
    pictures: int
    masks: int
    unmatched: tuple[str, ...]
    problems: tuple[str, ...]


def import_masks(
    workspace: Workspace,
    format: MaskFormat,
    source: Path,
    *,
    pictures: Path | None = None,
    classes: Mapping[str, str] | None = None,
    name: str | None = None,
    label: str = "damage",
    progress: Progress = SILENT,
) -> MaskImportSummary:
    """Import masks from files, for pictures that are already in the catalog.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    format : {"coco", "via", "yolo", "png"}
        Format of `source`.
    source : Path
        The file or folder.
    pictures : Path, optional
        Folder with the picture files that `source` names; each is found in the catalog by the
        sha256 of its bytes. Without it a picture is found by its original file name, if that is
        unique. Default: the folder ``images`` beside the file, if it exists.
    classes : mapping, optional
        Class in the file -> class in the catalog; an empty value leaves the class out.
    name : str, optional
        Name of the annotator. An import of the same name replaces the earlier one; another name is
        another annotator. Default: the name of `source`.
    label : str
        Class of PNG masks that are not in a class folder.
    progress : Progress
        Reports every picture.

    Returns
    -------
    MaskImportSummary
        With the pictures that were not found and the shapes that could not be used.

    Raises
    ------
    ConfigError
        The file does not have that format.
    NothingFoundError
        None of its pictures is in the catalog.
    """
    source = Path(source)
    check_format(format)
    entries = list(_read(format, source, label))
    matcher = PictureMatcher(workspace, pictures or _images_beside(source))
    unmatched: list[str] = []
    problems: list[str] = []
    # A file may list a picture several times, for example in a train and a val folder.
    by_picture: dict[str, tuple[CatalogPicture, list[PictureShapes]]] = {}
    for entry in entries:
        problems += entry.problems
        picture = matcher.match(entry)
        if picture is None:
            unmatched.append(entry.name)
        else:
            by_picture.setdefault(picture.sha256, (picture, []))[1].append(entry)
    masks = 0
    pending: list[Annotation] = []
    annotator = nfc(f"import:{name or source.name}")[:64]
    with progress.task("import masks", total=len(by_picture)) as tick:
        for picture, found in by_picture.values():
            fitted, unusable = _masks_of(found, picture, classes or {})
            problems += unusable
            masks += sum(bool(mask.any()) for mask in fitted.values())
            details = {"file": found[0].name, "format": format}
            pending.append(
                Annotation(
                    picture.sha256, f"import:{format}", "", None, annotator, now(),
                    masks=fitted, details=details,
                )
            )  # fmt: skip
            if len(pending) >= BATCH:
                _save(workspace, pending)
            tick(1)
    _save(workspace, pending)
    if entries and not by_picture:
        raise NothingFoundError(
            f"none of the {len(entries)} pictures of {source} is in the catalog "
            f"(the first: {entries[0].name})",
            hint="import the pictures first with bodyshop import FOLDER, then name that FOLDER "
            "with --pictures",
        )
    return MaskImportSummary(format, len(by_picture), masks, tuple(unmatched), tuple(problems))


def check_format(format: str) -> None:
    """Refuse the name of an unknown mask format.

    Raises
    ------
    UsageError
        With the formats that exist.
    """
    known = get_args(MaskFormat)
    if format not in known:
        raise UsageError(f"invalid mask format {format!r} (allowed: {', '.join(known)})")


def _read(format: MaskFormat, source: Path, label: str) -> Iterator[PictureShapes]:
    if not source.exists():
        raise UsageError(f"{source} does not exist")
    if format == "png":
        return png.read(source, label=label)
    return {"coco": coco.read, "via": via.read, "yolo": yolo.read}[format](source)


def _images_beside(source: Path) -> Path | None:
    images = (source if source.is_dir() else source.parent) / "images"
    return images if images.is_dir() else None


def _save(workspace: Workspace, pending: list[Annotation]) -> None:
    if not pending:
        return
    with workspace.catalog.begin() as connection:
        touched = store_annotations(connection, workspace, pending)
        update_consensus(connection, workspace, touched)
    pending.clear()


def _masks_of(
    entries: Sequence[PictureShapes], picture: CatalogPicture, classes: Mapping[str, str]
) -> tuple[dict[str, Mask], list[str]]:
    """Unite the shapes of a picture into one mask per class, in its upright size."""
    masks: dict[str, Mask] = {}
    problems: list[str] = []
    for entry in entries:
        for shape in entry.shapes:
            label = classes.get(shape.label, shape.label)
            if not label:
                continue
            try:
                mask = _upright(shape, entry.size, picture)
            except MaskFormatError as error:
                problems.append(f"{entry.name}: {shape.label}: {error.message}")
                continue
            before = masks.get(label)
            masks[label] = mask if before is None else before | mask
    return masks, problems


def _upright(shape: Shape, size: tuple[int, int] | None, picture: CatalogPicture) -> Mask:
    upright = (picture.width, picture.height)
    stored = upright[::-1] if picture.exif_orientation in {5, 6, 7, 8} else upright
    if size is None:
        return rasterise([ring * upright for ring in shape.rings], *upright[::-1])
    if size in {upright, (0, 0)}:
        return shape.mask if shape.mask is not None else rasterise(shape.rings, *upright[::-1])
    if size == stored:
        # The other tool ignored the EXIF rotation: the mask is rotated like the picture.
        mask = shape.mask if shape.mask is not None else rasterise(shape.rings, *stored[::-1])
        return _rotated(mask, picture.exif_orientation)
    scale = np.array(upright) / size
    if abs(scale[0] / scale[1] - 1) > ASPECT_TOLERANCE:
        raise MaskFormatError(
            f"it was drawn on {size[0]} x {size[1]} pixels, "
            f"but the picture has {upright[0]} x {upright[1]}"
        )
    if shape.mask is None:
        return rasterise([ring * scale for ring in shape.rings], *upright[::-1])
    rows = ((np.arange(upright[1]) + 0.5) / scale[1]).astype(np.intp)
    columns = ((np.arange(upright[0]) + 0.5) / scale[0]).astype(np.intp)
    return shape.mask[np.ix_(rows.clip(0, size[1] - 1), columns.clip(0, size[0] - 1))]


def _rotated(mask: Mask, orientation: int) -> Mask:
    """Apply an EXIF orientation (EXIF 2.3, tag 0x0112) to a mask."""
    flipped = mask.T if orientation in {5, 6, 7, 8} else mask
    if orientation in {2, 3, 6, 7}:
        flipped = flipped[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        flipped = flipped[::-1]
    return np.ascontiguousarray(flipped)
