"""The exact damage masks of the showroom as annotations."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from bodyshop_core.catalog import now, schema
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace

if TYPE_CHECKING:
    from showroom import Truth

ANNOTATOR = "showroom"


def import_truth_masks(
    workspace: Workspace, truth: Truth, showroom: Path, *, progress: Progress = SILENT
) -> int:
    """Copy the masks of every collected picture into the workspace, one file per damage class.

    Parameters
    ----------
    workspace : Workspace
        Holds the collected pictures.
    truth : Truth
        The showroom's ground truth.
    showroom : Path
        The showroom's folder.
    progress : Progress
        Receives the progress.

    Returns
    -------
    int
        Masks in the workspace afterwards.
    """
    with workspace.catalog.read() as connection:
        here = set(connection.scalars(select(schema.images.c.sha256)))
    pictures = [p for p in truth.pictures if p.masks and p.sha256 in here]
    rows = []
    with progress.task("masks", total=len(pictures)) as tick:
        for picture in pictures:
            for label, file in sorted(picture.masks.items()):
                name = f"masks/{picture.sha256[:2]}/{picture.sha256}-{label}.png"
                data = (showroom / file).read_bytes()
                rows.append(
                    {
                        "key": _key(picture.sha256, label),
                        "sha256": picture.sha256,
                        "project": "showroom",
                        "annotator": ANNOTATOR,
                        "kind": "mask",
                        "label": label,
                        "file": workspace.derived.put(name, data),
                        "state": "current",
                        "updated_at": now(),
                    }
                )
            tick()
    workspace.catalog.upsert(schema.annotations, rows)
    return len(rows)


def _key(sha256: str, label: str) -> str:
    """Return a key that fits its column and still holds the class."""
    return hashlib.sha256(f"{ANNOTATOR}:{sha256}:{label}".encode()).hexdigest()
