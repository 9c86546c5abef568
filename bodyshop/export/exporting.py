"""`export`: one function for every format."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop.export import croissant, drawings, hub, webdataset
from bodyshop.export.datacard import write_datacard
from bodyshop.export.destination import Destination, Link
from bodyshop.export.licences import count_reasons, permitted
from bodyshop.export.rows import COLUMNS, each_manifest_row, split_set_of
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
from bodyshop.export.sharing import prepare, write_beside
from bodyshop.export.tables import write_csv, write_parquet
from bodyshop_core import atomic
from bodyshop_core.catalog.split_sets import choose_split_set
from bodyshop_core.errors import BodyshopError, NothingFoundError, UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.snapshots import State, load_state, mask_digests, record_state, resolve_state
from bodyshop_core.summary import Summary

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

FORMATS = ("manifest", "imagefolder", "coco", "yolo", "hf", "croissant", "webdataset")

_WITH_MASKS = ("coco", "yolo", "hf", "webdataset")
"""Formats that hold masks, of which only the present ones are there."""


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
    snapshot : str
        Id of the state of the set that was exported.
    refused : dict
        Reason -> pictures that the licences don't allow.
    blurred : dict
        ``plates`` and ``faces`` -> regions that were made unreadable, where that was asked for.
    unconfirmed : dict
        Of these, those that only a cascade proposed and nobody looked at.
    """

    format: str
    destination: str
    split_set: str | None
    pictures: int
    written: int
    removed: int
    splits: dict[str, dict[str, int]]
    snapshot: str
    refused: dict[str, int] = field(default_factory=dict)
    blurred: dict[str, int] = field(default_factory=dict)
    unconfirmed: dict[str, int] = field(default_factory=dict)


Layout = Callable[["Workspace", list[Chosen], Destination, PictureOptions, Progress], list[Chosen]]


def export(
    workspace: Workspace,
    format: str,
    dest: Path | str,
    *,
    split_set: str | None = None,
    snapshot: str | None = None,
    origins: Collection[str] = (),
    licences: Collection[str] = (),
    hide: Collection[str] = (),
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
    snapshot : str, optional
        Name or id of a recorded state: its pictures, verdicts, labels and splits are exported. By
        default those of now, which are recorded.
    origins : collection of str
        Only pictures of these origins; by default of all.
    licences : collection of str
        Only pictures under these (see `bodyshop.export.licences.permitted`): ``cc0``, ``pdm``,
        ``by``, ``by-sa``, ``by-nc``, ..., or as stated. A folder receives ``ATTRIBUTION.txt``.
    hide : collection of str
        ``plates`` and ``faces``: made unreadable where people drew them, a detector found them, or
        OpenCV's cascades propose them, but for proposals that a person refused at the desk, which
        is **no guarantee**. A folder receives the regions,
        ``hidden.jsonl``, and their masks, ``hidden/<sha256>.png``.
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
        There is no picture to export, no split set yet, or no such snapshot.
    BodyshopError
        Masks have changed since the snapshot, and the format holds masks: ``coco``, ``yolo``,
        ``hf`` or ``webdataset``.
    TransientError
        An original is missing, can't be read or is damaged.
    """
    dest = Path(dest)
    if format not in FORMATS:
        raise UsageError(f"unknown export format '{format}'", hint=f"use {', '.join(FORMATS)}")
    if hide and keep_metadata:
        raise UsageError(
            "metadata can hold a thumbnail that shows what is to be hidden",
            hint="leave out --keep-metadata or --hide",
        )
    if shard_mb < 1:
        raise UsageError(f"a shard of {shard_mb} MB is too small", hint="--shard-mb 1 or more")
    state = (
        record_state(workspace)
        if snapshot is None
        else load_state(workspace, resolve_state(workspace, snapshot))
    )
    if format == "manifest":
        if hide:
            raise UsageError("a manifest holds no pictures, so --hide does nothing to it")
        return _manifest(workspace, dest, split_set, origins, state, licences)
    name = split_set_of(state, split_set)
    if name is None:
        raise NothingFoundError(
            f"{workspace.root} has no split set yet", hint="run: bodyshop curate"
        )
    options = PictureOptions(
        keep_metadata=keep_metadata, link=link, shard_mb=shard_mb,
        upright=format in ("coco", "yolo", "hf", "webdataset"),
    )  # fmt: skip
    pictures = choose(workspace, name, origins, state)
    if state.recorded and format in _WITH_MASKS:
        _refuse_changed_masks(workspace, state, pictures)
    shared = prepare(workspace, pictures, licences, hide, progress)
    destination = Destination(dest, format, asdict(options) | shared.record, state.id)
    written = _LAYOUTS[format](workspace, shared.pictures, destination, options, progress)
    write_beside(destination, written, shared, options)
    if format == "croissant":
        audit = None if state.recorded else choose_split_set(workspace.catalog, name).audit
        write_datacard(written, destination, shared, options, state, audit)
    removed = destination.finish()
    return DatasetExport(
        format, str(dest), name, len(written), destination.written, removed, count(written),
        state.id, shared.refused, shared.count_hidden(written),
        shared.count_unconfirmed(written),
    )  # fmt: skip


def _refuse_changed_masks(workspace: Workspace, state: State, pictures: list[Chosen]) -> None:
    now = mask_digests(workspace)
    changed = [
        picture.sha256
        for picture in pictures
        if now.get(picture.sha256, []) != state.pictures[picture.sha256].masks
    ]
    if changed:
        raise BodyshopError(
            f"the masks of {len(changed)} pictures have changed since the snapshot "
            f"({', '.join(sha[:12] for sha in changed[:3])}), and only the present ones are there",
            hint="export the present set, or a format without masks, such as imagefolder",
        )


def _manifest(
    workspace: Workspace,
    dest: Path,
    split_set: str | None,
    origins: Collection[str],
    state: State,
    licences: Collection[str],
) -> DatasetExport:
    write_rows = {".csv": write_csv, ".parquet": write_parquet}.get(dest.suffix.lower())
    if write_rows is None:
        raise UsageError(
            f"a manifest is a file ending in .csv or .parquet, not '{dest.name}'",
            hint="bodyshop export manifest manifest.csv",
        )
    name = split_set_of(state, split_set)
    rows: Iterable[dict[str, Any]] = each_manifest_row(workspace, split_set=name, state=state)
    if origins:
        rows = of_origins(list(rows), origins)
    refused: dict[str, int] = {}
    if licences:
        rows = list(rows)
        allowed = permitted(workspace, [row["sha256"] for row in rows], licences)
        rows = [row for row in rows if row["sha256"] in allowed.credits]
        refused = count_reasons(allowed.refused.values())
    pictures = write_rows(dest, rows, COLUMNS)
    return DatasetExport("manifest", str(dest), name, pictures, 0, 0, {}, state.id, refused)


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
