"""The thumbnails of a report that are missing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.catalog import BlobRef, all_images
from bodyshop_core.errors import LostBlobError, UnreadableImageError
from bodyshop_core.progress import SILENT, Progress
from curate.measure.thumbnail import SIDE, store_thumbnail, thumbnail_of, thumbnail_path

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

_PART = 1_000
"""Pictures that are handed to the threads at a time."""


def make_thumbnails(
    workspace: Workspace, shas: Sequence[str], folder: Path, *, progress: Progress = SILENT
) -> int:
    """Make the thumbnails that are missing.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    shas : sequence of str
        Pictures; those that are missing or can't be decoded get none.
    folder : Path
        Of the report; see `curate.measure.thumbnail.thumbnail_path`.

    Returns
    -------
    int
        How many were made.

    Raises
    ------
    TransientError
        The store does not give a picture.
    """
    extensions = all_images(workspace.catalog)
    todo = [sha256 for sha256 in shas if not thumbnail_path(folder, sha256).exists()]
    if not todo:
        return 0
    made = 0
    with (
        ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool,
        progress.task("thumbnails", total=len(todo)) as tick,
    ):
        for start in range(0, len(todo), _PART):
            jobs = [
                (workspace.blobs.ref(sha256, extensions[sha256]), thumbnail_path(folder, sha256))
                for sha256 in todo[start : start + _PART]
            ]
            for done in pool.map(_make, jobs):
                made += done
                tick()
    return made


def _make(job: tuple[BlobRef, Path]) -> bool:
    from PIL import Image

    from bodyshop_core.imaging import load_rgb

    source, path = job
    try:
        image = Image.fromarray(load_rgb(source, at_least=SIDE))
    except (UnreadableImageError, LostBlobError):
        return False
    store_thumbnail(path, thumbnail_of(image))
    return True
