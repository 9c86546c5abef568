"""`export`: one function for every format."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop.export import croissant, drawings, hub, webdataset
from bodyshop.export.destination import Destination, Link
from bodyshop.export.rows import COLUMNS, manifest_rows
from bodyshop.export.selection import (
    SHARD_MB,
    Chosen,
    PictureOptions,
    choose,
    count,
    folder_names,
    of_origins,
    put_pictures,
)
from bodyshop.export.tables import write_csv, write_parquet
from bodyshop_core import atomic
from bodyshop_core.catalog.split_sets import choose_split_set, newest_split_set
from bodyshop_core.errors import UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

FORMATS = ("manifest", "imagefolder", "coco", "yolo", "hf", "croissant", "webdataset")


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
        Split set of the pictures; None for a manifest of a workspace that has no split set yet.
    pictures : int
        Rows of the manifest, or pictures of the folder.
    written : int
        Picture files that this run wrote; the others existed.
    removed : int
        Files of an earlier export that do not belong to this one.
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


Layout = Callable[["Workspace", list[Chosen], Destination, PictureOptions, Progress], list[Chosen]]


def export(
    workspace: Workspace,
    format: str,
    dest: Path | str,
    *,
    split_set: str | None = None,
    origins: Collection[str] = (),
    keep_metadata: bool = False,
    link: Link = "copy",
    shard_mb: int = SHARD_MB,
    progress: Progress = SILENT,
) -> DatasetExport:
    """Write the curated set for another tool.

    Every file is written completely or not at all. An export that was interrupted, or is run again
    after curating, writes only the missing files and removes those that no longer belong to it.

    Parameters
    ----------
    workspace : Workspace
        Its pictures are exported.
    format : str
        ``manifest``: one row per picture, kept or not, as CSV or Parquet. ``imagefolder``:
        ``<split>/<class>/<sha256>.<ext>``. ``coco`` and ``yolo``: pictures with masks, and whole
        cars as negatives. ``hf``: a folder for the Hugging Face Hub. ``croissant``: pictures,
        table and JSON-LD description. ``webdataset``: tar shards with pictures, classes and masks.
    dest : Path or str
        ``*.csv`` or ``*.parquet`` for a manifest, else a folder.
    split_set : str, optional
        Default the newest.
    origins : collection of str
        Only pictures of these origins; by default of all.
    keep_metadata : bool
        Keep EXIF, GPS, XMP and comments in the pictures; by default they are removed without
        changing the pixels.
    link : str
        ``hardlink`` or ``symlink``: to the original, for pictures that need no change.
    shard_mb : int
        Largest size of a WebDataset shard, in megabytes; at least 1.
    progress : Progress
        Receives the progress.

    Raises
    ------
    UsageError
        Unknown format, a folder that is no earlier export, or no such split set.
    NothingFoundError
        There is no picture to export, or no split set yet.
    """
    dest = Path(dest)
    if format not in FORMATS:
        raise UsageError(f"unknown export format '{format}'", hint=f"use {', '.join(FORMATS)}")
    if shard_mb < 1:
        raise UsageError(f"a shard of {shard_mb} MB is too small", hint="--shard-mb 1 or more")
    if format == "manifest":
        return _manifest(workspace, dest, split_set, origins)
    chosen = choose_split_set(workspace.catalog, split_set)
    name = chosen.name
    options = PictureOptions(
        keep_metadata=keep_metadata, link=link, shard_mb=shard_mb,
        upright=format in ("coco", "yolo", "webdataset"),
    )  # fmt: skip
    pictures = choose(workspace, name, origins)
    destination = Destination(dest, format, asdict(options))
    written = _LAYOUTS[format](workspace, pictures, destination, options, progress)
    removed = destination.finish()
    return DatasetExport(
        format, str(dest), name, len(written), destination.written, removed, count(written)
    )


def _manifest(
    workspace: Workspace, dest: Path, split_set: str | None, origins: Collection[str]
) -> DatasetExport:
    writers = {".csv": write_csv, ".parquet": write_parquet}
    write = writers.get(dest.suffix.lower())
    if write is None:
        raise UsageError(
            f"a manifest is a file ending in .csv or .parquet, not '{dest.name}'",
            hint="bodyshop export manifest manifest.csv",
        )
    chosen = newest_split_set(workspace.catalog)
    if split_set is not None:
        chosen = choose_split_set(workspace.catalog, split_set)
    name = None if chosen is None else chosen.name
    rows = of_origins(manifest_rows(workspace, split_set=name), origins)
    write(dest, rows, COLUMNS)
    return DatasetExport("manifest", str(dest), name, len(rows), 0, 0, {})


def _imagefolder(
    workspace: Workspace,
    pictures: list[Chosen],
    destination: Destination,
    options: PictureOptions,
    progress: Progress,
) -> list[Chosen]:
    names = folder_names(picture.row["label"] for picture in pictures)
    files = {
        f"{picture.row['split']}/{names[picture.row['label']]}/{picture.sha256}."
        f"{options.extension(picture)}": picture
        for picture in pictures
    }
    destination.plan([*files, "classes.json"])
    put_pictures(destination, files, options, progress)
    text = json.dumps({names[label]: label for label in names}, ensure_ascii=False, indent=2)
    atomic.write_text(destination.folder / "classes.json", text + "\n")
    return pictures


_LAYOUTS: dict[str, Layout] = {
    "imagefolder": _imagefolder,
    "coco": drawings.coco,
    "yolo": drawings.yolo,
    "hf": hub.layout,
    "croissant": croissant.layout,
    "webdataset": webdataset.layout,
}
