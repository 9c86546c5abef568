"""COCO and YOLO: pictures with damage masks, one folder per split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import yaml

from bodyshop.export.destination import Destination
from bodyshop.export.selection import Chosen, PictureOptions, put_pictures
from bodyshop_core import atomic
from bodyshop_core.catalog.labels import means_whole
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace
    from labeling.formats.shapes import ExportPicture

_YOLO_NAMES = {"train": "train", "validation": "val", "test": "test"}


def coco(
    workspace: Workspace,
    pictures: list[Chosen],
    destination: Destination,
    options: PictureOptions,
    progress: Progress,
) -> list[Chosen]:
    """Write ``<split>/images/`` and ``<split>/annotations.json`` (cocodataset.org/#format-data)."""
    from labeling.formats import coco as writer

    by_split, classes = _sheets(workspace, pictures, options)
    files = _files(by_split, options)
    destination.plan([*files, *(f"{split}/{writer.FILE_NAME}" for split in by_split)])
    put_pictures(destination, files, options, progress)
    for split, entries in by_split.items():
        writer.write(destination.folder / split, [sheet for _, sheet in entries], classes)
    return list(files.values())


def yolo(
    workspace: Workspace,
    pictures: list[Chosen],
    destination: Destination,
    options: PictureOptions,
    progress: Progress,
) -> list[Chosen]:
    """Write ``<split>/images/``, ``<split>/labels/`` and ``data.yaml`` for segmentation."""
    from labeling.formats import yolo as writer

    by_split, classes = _sheets(workspace, pictures, options)
    files = _files(by_split, options)
    labels = [
        f"{split}/labels/{picture.sha256}.txt"
        for split, entries in by_split.items()
        for picture, _ in entries
    ]
    destination.plan([*files, *labels, writer.CONFIG])
    put_pictures(destination, files, options, progress)
    for split, entries in by_split.items():
        writer.write_labels(destination.folder / split, [sheet for _, sheet in entries], classes)
    # Without `path`, Ultralytics resolves the folders relative to this file.
    config: dict[str, Any] = {
        _YOLO_NAMES.get(split, split): f"{split}/images" for split in by_split
    }
    config["names"] = dict(enumerate(classes))
    atomic.write_text(
        destination.folder / writer.CONFIG,
        yaml.safe_dump(config, allow_unicode=True, sort_keys=False),
    )
    return list(files.values())


Entries = dict[str, list[tuple[Chosen, "ExportPicture"]]]


def _sheets(
    workspace: Workspace, pictures: Sequence[Chosen], options: PictureOptions
) -> tuple[Entries, list[str]]:
    from labeling.formats.mask_file import read_mask
    from labeling.formats.shapes import ExportPicture
    from labeling.records.annotations import current_masks
    from labeling.records.pictures import load_pictures
    from labeling.records.regions import current_instances

    masks, drawn = current_masks(workspace), current_instances(workspace)
    wanted = [p for p in pictures if p.sha256 in masks or means_whole(p.row["label"])]
    if not any(picture.sha256 in masks for picture in wanted):
        raise NothingFoundError(
            "no kept picture in a split has a mask yet",
            hint="draw masks (bodyshop label push) or import some (bodyshop label import)",
        )
    sizes = {p.sha256: p for p in load_pictures(workspace, [p.sha256 for p in wanted])}

    def load(sha256: str) -> dict[str, NDArray[np.bool_]]:
        drawn = masks.get(sha256, {}).items()
        return {label: read_mask(workspace.derived.ref(file)) for label, file in drawn}

    by_split: Entries = {}
    for picture in wanted:
        size = sizes.get(picture.sha256)
        if size is None:
            continue
        sheet = ExportPicture(
            picture.sha256,
            f"{picture.sha256}.{options.extension(picture)}",
            size.width,
            size.height,
            lambda sha256=picture.sha256: load(sha256),  # type: ignore[misc]
            picture.row["licence"],
            drawn[picture.sha256].shapes if picture.sha256 in drawn else list,
        )
        by_split.setdefault(picture.row["split"], []).append((picture, sheet))
    classes = sorted({label for picture in wanted for label in masks.get(picture.sha256, {})})
    return by_split, classes


def _files(by_split: Entries, options: PictureOptions) -> dict[str, Chosen]:
    return {
        f"{split}/images/{picture.sha256}.{options.extension(picture)}": picture
        for split, entries in by_split.items()
        for picture, _ in entries
    }
