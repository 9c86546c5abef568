"""`export`: one function for every format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop.export import croissant, drawings, hub
from bodyshop.export.destination import Destination, Link
from bodyshop.export.rows import COLUMNS, manifest_rows
from bodyshop.export.selection import (
    Chosen,
    Look,
    choose,
    count,
    folder_names,
    put_pictures,
)
from bodyshop.export.tables import write_csv, write_parquet
from bodyshop_core import atomic
from bodyshop_core.catalog.split_sets import choose_split_set
from bodyshop_core.errors import UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

FORMATS = ("manifest", "imagefolder", "coco", "yolo", "hf", "croissant")


@dataclass(frozen=True)
class DatasetExport(Summary):
    """Outcome of an export.

    Parameters
    ----------
    format : str
        One of `FORMATS`.
    destination : str
        File or folder.
    split_set : str or None
        Whose splits it has.
    pictures : int
        Rows of the manifest, or pictures of the folder.
    written : int
        Picture files written by this run; the others were there.
    removed : int
        Files of an earlier export that no longer belong.
    splits : dict
        Split -> label -> pictures; empty for a manifest.
    """

    format: str
    destination: str
    split_set: str | None
    pictures: int
    written: int
    removed: int
    splits: dict[str, dict[str, int]]


Layout = Callable[["Workspace", list[Chosen], Destination, Look, Progress], list[Chosen]]


def export(
    workspace: Workspace,
    format: str,
    dest: Path | str,
    *,
    split_set: str | None = None,
    keep_metadata: bool = False,
    link: Link = "copy",
    progress: Progress = SILENT,
) -> DatasetExport:
    """Write the curated set for another tool.

    Every file is written whole or not at all. A folder is filled picture by picture, and an export
    that was cut short, or is run again after curating, writes only what is missing and removes
    what no longer belongs.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    format : str
        ``manifest``: one row per picture, kept or not, as CSV or Parquet. ``imagefolder``:
        ``<split>/<class>/<sha256>.<ext>``. ``coco`` and ``yolo``: pictures with masks, and whole
        ones as negatives. ``hf``: a folder for the Hugging Face Hub. ``croissant``: pictures,
        table and JSON-LD description.
    dest : Path or str
        ``*.csv`` or ``*.parquet`` for a manifest, else a folder.
    split_set : str, optional
        Default the newest.
    keep_metadata : bool
        Leave EXIF, GPS, XMP and comments in the pictures; by default they are taken out without
        touching the pixels.
    link : str
        ``hardlink`` or ``symlink``: to the original, for pictures that need no change.
    progress : Progress
        Told about pictures.

    Raises
    ------
    UsageError
        Unknown format, a folder that holds something else, or no such split set.
    NothingFoundError
        There is no picture to export, or no split set yet.
    """
    dest = Path(dest)
    if format not in FORMATS:
        raise UsageError(f"there is no export format '{format}'", hint=f"use {', '.join(FORMATS)}")
    if format == "manifest":
        return _manifest(workspace, dest, split_set)
    chosen = choose_split_set(workspace.catalog, split_set)
    name = chosen.name
    look = Look(keep_metadata=keep_metadata, link=link, upright=format in ("coco", "yolo"))
    pictures = choose(workspace, name)
    destination = Destination(dest, format, asdict(look))
    written = _LAYOUTS[format](workspace, pictures, destination, look, progress)
    removed = destination.finish()
    return DatasetExport(
        format, str(dest), name, len(written), destination.written, removed, count(written)
    )


def _manifest(workspace: Workspace, dest: Path, split_set: str | None) -> DatasetExport:
    writers = {".csv": write_csv, ".parquet": write_parquet}
    write = writers.get(dest.suffix.lower())
    if write is None:
        raise UsageError(
            f"a manifest is a file ending in .csv or .parquet, not '{dest.name}'",
            hint="bodyshop export manifest manifest.csv",
        )
    rows = manifest_rows(workspace, split_set=split_set)
    write(dest, rows, COLUMNS)
    return DatasetExport("manifest", str(dest), split_set, len(rows), 0, 0, {})


def _imagefolder(
    workspace: Workspace,
    pictures: list[Chosen],
    destination: Destination,
    look: Look,
    progress: Progress,
) -> list[Chosen]:
    names = folder_names(picture.row["label"] for picture in pictures)
    files = {
        f"{picture.row['split']}/{names[picture.row['label']]}/{picture.sha256}."
        f"{look.extension(picture)}": picture
        for picture in pictures
    }
    destination.plan([*files, "classes.json"])
    put_pictures(destination, files, look, progress)
    text = json.dumps({names[label]: label for label in names}, ensure_ascii=False, indent=2)
    atomic.write_text(destination.folder / "classes.json", text + "\n")
    return pictures


_LAYOUTS: dict[str, Layout] = {
    "imagefolder": _imagefolder,
    "coco": drawings.coco,
    "yolo": drawings.yolo,
    "hf": hub.layout,
    "croissant": croissant.layout,
}
