"""Export instances or masks, and the pictures they belong to, in a format of other tools."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core import atomic
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from labeling.configs.label_config import ProjectKind, load_label_config
from labeling.exchange.matching import NAME_LENGTH
from labeling.formats.mask_file import read_mask
from labeling.formats.shapes import ExportPicture
from labeling.formats.table import format_named
from labeling.records.annotations import current_masks
from labeling.records.pictures import CatalogPicture, load_pictures
from labeling.records.regions import current_instances
from labeling.records.selection import Selection, select_pictures

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from labeling.formats.shapes import Mask, Shape


@dataclass(frozen=True)
class MaskExportSummary(Summary):
    """Result of `export_masks`: the files written, and how many pictures and masks they hold."""

    format: str
    dest: str
    pictures: int
    masks: int
    classes: tuple[str, ...]


def export_masks(
    workspace: Workspace,
    format: str,
    dest: Path,
    *,
    selection: Selection | None = None,
    with_pictures: bool = True,
    progress: Progress = SILENT,
) -> MaskExportSummary:
    """Write the masks in use, and the pictures they belong to, for another tool.

    Parameters
    ----------
    workspace : Workspace
        Where they are.
    format : str
        One of `labeling.formats.table.FORMATS`.
    dest : Path
        Folder; created when missing. Files of the same name are replaced.
    selection : Selection, optional
        Which pictures; default all that have a mask.
    with_pictures : bool
        Copy the pictures into ``dest/images``. One with an EXIF rotation is written upright as PNG,
        for programs that ignore EXIF.
    progress : Progress
        Reports every picture.

    Raises
    ------
    NothingFoundError
        No picture has a mask.
    """
    form = format_named(format)
    files = current_masks(workspace)
    if selection is not None:
        chosen = set(select_pictures(workspace, ProjectKind.DAMAGE, selection))
        files = {sha256: masks for sha256, masks in files.items() if sha256 in chosen}
    if not files:
        raise NothingFoundError(
            "no picture has a mask yet",
            hint="draw masks (bodyshop label push, then pull) or import them (bodyshop label "
            "import)",
        )
    dest = Path(dest)
    drawn = current_instances(workspace)
    pictures = load_pictures(workspace, sorted(files))
    names = _names(pictures)
    classes = _in_config_order({label for masks in files.values() for label in masks})
    with progress.task("export masks", total=len(pictures)) as tick:

        def load(sha256: str) -> dict[str, Mask]:
            tick(1)
            return {
                label: read_mask(workspace.derived.ref(file))
                for label, file in files[sha256].items()
            }

        def instances(sha256: str) -> list[Shape]:
            tick(1)
            return drawn[sha256].shapes()

        entries = [
            ExportPicture(
                p.sha256, names[p.sha256], p.width, p.height, partial(load, p.sha256),
                instances=partial(instances, p.sha256),
            )
            for p in pictures
        ]  # fmt: skip
        form.write(dest, entries, classes)
    if with_pictures:
        for picture in pictures:
            _copy(picture, dest / "images" / names[picture.sha256])
    count = sum(len(files[picture.sha256]) for picture in pictures)
    return MaskExportSummary(format, str(dest), len(pictures), count, tuple(classes))


def _in_config_order(labels: set[str]) -> list[str]:
    """Sort classes: those of bodyshop's own configuration first, in its order."""
    known = [
        label for label in load_label_config(ProjectKind.DAMAGE).mask_labels if label in labels
    ]
    return known + sorted(labels - set(known))


def _names(pictures: list[CatalogPicture]) -> dict[str, str]:
    """Name files by sha256: unique, and no remote name becomes a path."""
    return {
        p.sha256: f"{p.sha256[:NAME_LENGTH]}{'.png' if p.exif_orientation != 1 else p.path.suffix}"
        for p in pictures
    }


def _copy(picture: CatalogPicture, path: Path) -> None:
    if picture.exif_orientation != 1:
        from PIL import Image

        from bodyshop_core.imaging import load_rgb

        with atomic.replacing(path) as temporary:
            Image.fromarray(load_rgb(picture.path)).save(temporary, "PNG")
        return
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(picture.path.read())
