"""Small copies of pictures for the report, made once."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.catalog import all_images
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

SIDE = 220
"""Longest side in pixels."""

QUALITY = 72


def make_thumbnails(
    workspace: Workspace, shas: Sequence[str], folder: Path, *, progress: Progress = SILENT
) -> int:
    """Make the thumbnails that are missing.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    shas : sequence of str
        Pictures; those that can't be decoded get none.
    folder : Path
        They go to ``folder/thumbnails/ab/<sha256>.jpg``.

    Returns
    -------
    int
        How many were made.
    """
    extensions = all_images(workspace.catalog)
    todo = [
        (workspace.blobs.path(sha256, extensions[sha256]), path)
        for sha256 in shas
        if not (path := folder / "thumbnails" / sha256[:2] / f"{sha256}.jpg").exists()
    ]
    if not todo:
        return 0
    made = 0
    with (
        ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool,
        progress.task("thumbnails", total=len(todo)) as tick,
    ):
        for done in pool.map(_make, todo):
            made += done
            tick()
    return made


def _make(job: tuple[Path, Path]) -> bool:
    from PIL import Image

    from bodyshop_core.imaging import load_rgb

    source, path = job
    try:
        image = Image.fromarray(load_rgb(source, at_least=SIDE))
    except UnreadableImageError:
        return False
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A thumbnail lost in a power cut is made again: rename without fsync is ten times faster.
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    temporary.write_bytes(buffer.getvalue())
    temporary.replace(path)
    return True
