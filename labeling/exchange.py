"""Masks in and out without a server: COCO, VIA, YOLO and PNG."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from sqlalchemy import select

from bodyshop_core import atomic
from bodyshop_core.catalog import now, schema
from bodyshop_core.catalog.labels import nfc
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.progress import SILENT, Progress
from labeling.annotations import Opinion, read_mask, store
from labeling.configs.scheme import Kind, load_scheme
from labeling.consensus.decide import settle
from labeling.formats import coco, png, via, yolo
from labeling.formats.brush_rle import MaskFormatError
from labeling.formats.drawing import Drawing, Part, Sheet
from labeling.formats.polygons import rasterise
from labeling.matching import EXPORTED, Finder
from labeling.pictures import Picture, load_pictures
from labeling.selection import Selection, choose

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from labeling.formats.drawing import Mask

Format = Literal["coco", "via", "yolo", "png"]

_WRITERS = {"coco": coco.write, "via": via.write, "yolo": yolo.write, "png": png.write}

BATCH = 50
"""Pictures per transaction."""

ASPECT_TOLERANCE = 0.01
"""A mask of another size is scaled when its aspect ratio differs by less than this part."""


@dataclass(frozen=True)
class ImportSummary:
    """What an import did."""

    format: str
    pictures: int
    masks: int
    unmatched: tuple[str, ...]
    problems: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)


@dataclass(frozen=True)
class ExportSummary:
    """What an export wrote."""

    format: str
    dest: str
    pictures: int
    masks: int
    classes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)


def import_masks(
    workspace: Workspace,
    format: Format,
    source: Path,
    *,
    pictures: Path | None = None,
    classes: Mapping[str, str] | None = None,
    name: str | None = None,
    label: str = "damage",
    progress: Progress = SILENT,
) -> ImportSummary:
    """Take masks from files into the catalog, for pictures that are in it already.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    format : {"coco", "via", "yolo", "png"}
        What `source` is.
    source : Path
        The file or folder.
    pictures : Path, optional
        Folder with the picture files that `source` names; each is found in the catalog by the
        sha256 of its bytes. Without it a picture is found by its original file name, when that is
        unique. Default: an ``images`` folder beside the file, if there is one.
    classes : mapping, optional
        Class in the file -> class in the catalog; an empty value leaves the class out.
    name : str, optional
        Whose masks these are; the same name replaces, another name is another annotator.
        Default: the name of `source`.
    label : str
        Class of PNG masks that lie in no class folder.
    progress : Progress
        Told about every picture.

    Returns
    -------
    ImportSummary
        Pictures not found are in `unmatched`, shapes that could not be used in `problems`.

    Raises
    ------
    ConfigError
        The file is not of that format.
    NothingFoundError
        None of its pictures is in the catalog.
    """
    source = Path(source)
    if format not in get_args(Format):
        raise UsageError(f"{format!r} is no mask format (there is: {', '.join(get_args(Format))})")
    drawings = list(_read(format, source, label))
    finder = Finder(workspace, pictures or _beside(source))
    unmatched: list[str] = []
    problems: list[str] = []
    # One picture may stand in a file several times, such as in a train and a val folder.
    by_picture: dict[str, tuple[Picture, list[Drawing]]] = {}
    for drawing in drawings:
        problems += drawing.problems
        picture = finder.find(drawing)
        if picture is None:
            unmatched.append(drawing.name)
        else:
            by_picture.setdefault(picture.sha256, (picture, []))[1].append(drawing)
    masks = 0
    pending: list[Opinion] = []
    annotator = nfc(f"import:{name or source.name}")[:64]
    with progress.task("import masks", total=len(by_picture)) as tick:
        for picture, found in by_picture.values():
            drawn, trouble = _fit(found, picture, classes or {})
            problems += trouble
            masks += sum(bool(mask.any()) for mask in drawn.values())
            details = {"file": found[0].name, "format": format}
            pending.append(
                Opinion(
                    picture.sha256, f"import:{format}", "", None, annotator, now(),
                    masks=drawn, details=details,
                )
            )  # fmt: skip
            if len(pending) >= BATCH:
                _save(workspace, pending)
            tick(1)
    _save(workspace, pending)
    if drawings and not by_picture:
        raise NothingFoundError(
            f"none of the {len(drawings)} pictures of {source} is in the catalog "
            f"(the first: {drawings[0].name})",
            hint="bring the pictures in first with bodyshop import FOLDER, then name that FOLDER "
            "with --pictures",
        )
    return ImportSummary(format, len(by_picture), masks, tuple(unmatched), tuple(problems))


def export_masks(
    workspace: Workspace,
    format: Format,
    dest: Path,
    *,
    selection: Selection | None = None,
    with_pictures: bool = True,
    progress: Progress = SILENT,
) -> ExportSummary:
    """Write the masks that count, and the pictures they belong to, for another tool.

    Parameters
    ----------
    workspace : Workspace
        Where they are.
    format : {"coco", "via", "yolo", "png"}
        What to write.
    dest : Path
        Folder; created when absent. Files of the same name are replaced.
    selection : Selection, optional
        Which pictures; default all that have a mask.
    with_pictures : bool
        Copy the pictures into ``dest/images``. One with an EXIF rotation is written upright as PNG,
        for readers that know no EXIF.
    progress : Progress
        Told about every picture.

    Raises
    ------
    NothingFoundError
        No picture has a mask.
    """
    if format not in get_args(Format):
        raise UsageError(f"{format!r} is no mask format (there is: {', '.join(get_args(Format))})")
    files = current_masks(workspace)
    if selection is not None:
        chosen = set(choose(workspace, Kind.DAMAGE, selection))
        files = {sha256: masks for sha256, masks in files.items() if sha256 in chosen}
    if not files:
        raise NothingFoundError(
            "no picture has a mask yet",
            hint="draw some (bodyshop label push, then pull) or bring some in (label import)",
        )
    dest = Path(dest)
    pictures = load_pictures(workspace, sorted(files))
    names = _names(pictures)
    with progress.task("export masks", total=len(pictures)) as tick:

        def load(picture: Picture) -> dict[str, Mask]:
            tick(1)
            drawn = files[picture.sha256].items()
            return {label: read_mask(workspace.root / file) for label, file in drawn}

        sheets = [
            Sheet(p.sha256, names[p.sha256], p.width, p.height, lambda p=p: load(p))  # type: ignore[misc]
            for p in pictures
        ]
        classes = _ordered({label for masks in files.values() for label in masks})
        _WRITERS[format](dest, sheets, classes)
    if with_pictures:
        for picture in pictures:
            _copy(picture, dest / "images" / names[picture.sha256])
    count = sum(len(files[picture.sha256]) for picture in pictures)
    return ExportSummary(format, str(dest), len(pictures), count, tuple(classes))


def current_masks(workspace: Workspace) -> dict[str, dict[str, str]]:
    """Return sha256 -> class -> mask file relative to the workspace: the masks that count."""
    table = schema.annotations
    query = (
        select(table.c.sha256, table.c.label, table.c.file)
        .where(table.c.kind == "mask", table.c.state == "current")
        .order_by(table.c.sha256, table.c.label)
    )
    files: dict[str, dict[str, str]] = {}
    with workspace.catalog.read() as connection:
        for sha256, label, file in connection.execute(query):
            files.setdefault(sha256, {})[label] = file
    return files


def _read(format: Format, source: Path, label: str) -> Iterator[Drawing]:
    if not source.exists():
        raise UsageError(f"there is no {source}")
    if format == "png":
        return png.read(source, label=label)
    return {"coco": coco.read, "via": via.read, "yolo": yolo.read}[format](source)


def _beside(source: Path) -> Path | None:
    images = (source if source.is_dir() else source.parent) / "images"
    return images if images.is_dir() else None


def _save(workspace: Workspace, pending: list[Opinion]) -> None:
    if not pending:
        return
    with workspace.catalog.begin() as connection:
        touched = store(connection, workspace, pending)
        settle(connection, workspace, touched)
    pending.clear()


def _fit(
    drawings: Sequence[Drawing], picture: Picture, classes: Mapping[str, str]
) -> tuple[dict[str, Mask], list[str]]:
    """Bring the parts of a picture's drawings to its upright size, one mask per class."""
    masks: dict[str, Mask] = {}
    problems: list[str] = []
    for drawing in drawings:
        for part in drawing.parts:
            label = classes.get(part.label, part.label)
            if not label:
                continue
            try:
                mask = _upright(part, drawing.size, picture)
            except MaskFormatError as error:
                problems.append(f"{drawing.name}: {part.label}: {error.message}")
                continue
            before = masks.get(label)
            masks[label] = mask if before is None else before | mask
    return masks, problems


def _upright(part: Part, size: tuple[int, int] | None, picture: Picture) -> Mask:
    shown = (picture.width, picture.height)
    stored = shown[::-1] if picture.exif_orientation in {5, 6, 7, 8} else shown
    if size is None:
        return rasterise([ring * shown for ring in part.rings], *shown[::-1])
    if size in {shown, (0, 0)}:
        return part.mask if part.mask is not None else rasterise(part.rings, *shown[::-1])
    if size == stored:
        # The tool that drew it ignored the EXIF rotation: its mask is turned as the picture is.
        mask = part.mask if part.mask is not None else rasterise(part.rings, *stored[::-1])
        return _turn(mask, picture.exif_orientation)
    scale = np.array(shown) / size
    if abs(scale[0] / scale[1] - 1) > ASPECT_TOLERANCE:
        raise MaskFormatError(
            f"it was drawn on {size[0]} x {size[1]} pixels, "
            f"but the picture has {shown[0]} x {shown[1]}"
        )
    if part.mask is None:
        return rasterise([ring * scale for ring in part.rings], *shown[::-1])
    rows = ((np.arange(shown[1]) + 0.5) / scale[1]).astype(np.intp)
    columns = ((np.arange(shown[0]) + 0.5) / scale[0]).astype(np.intp)
    return part.mask[np.ix_(rows.clip(0, size[1] - 1), columns.clip(0, size[0] - 1))]


def _turn(mask: Mask, orientation: int) -> Mask:
    """Apply an EXIF orientation (EXIF 2.3, tag 0x0112) to a mask."""
    flipped = mask.T if orientation in {5, 6, 7, 8} else mask
    if orientation in {2, 3, 6, 7}:
        flipped = flipped[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        flipped = flipped[::-1]
    return np.ascontiguousarray(flipped)


def _ordered(labels: set[str]) -> list[str]:
    known = [label for label in load_scheme(Kind.DAMAGE).mask_labels if label in labels]
    return known + sorted(labels - set(known))


def _names(pictures: list[Picture]) -> dict[str, str]:
    """Name files by sha256: no remote name becomes a path, and none is there twice."""
    return {
        p.sha256: f"{p.sha256[:EXPORTED]}{'.png' if p.exif_orientation != 1 else p.path.suffix}"
        for p in pictures
    }


def _copy(picture: Picture, path: Path) -> None:
    if picture.exif_orientation != 1:
        from PIL import Image

        from bodyshop_core.imaging import load_rgb

        with atomic.replacing(path) as temporary:
            Image.fromarray(load_rgb(picture.path)).save(temporary, "PNG")
        return
    with atomic.replacing(path) as temporary:
        shutil.copyfile(picture.path, temporary)
