"""The largest car, or other object, of every picture of a workspace, found by a detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import all_images, schema
from bodyshop_core.errors import TransientError, UnreadableImageError
from bodyshop_core.imaging import load_rgb
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from curate.detection.detector import CARS, Detector, largest_object
from curate.ingest import store_rows

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

SLICE = 256
"""Pictures between two writes to the catalog."""


@dataclass(frozen=True)
class DetectSummary(Summary):
    """The outcome of `detect`.

    Parameters
    ----------
    detector : str
        File name and digest of the model.
    pictures : int
        Pictures that this call ran the detector on.
    found : int
        Of those, the ones with a car, or what was looked for.
    errors : int
        Of those, the ones that could not be decoded.
    """

    detector: str
    pictures: int
    found: int
    errors: int


def detect(
    workspace: Workspace,
    detector: Path,
    *,
    objects: Sequence[str] = CARS,
    progress: Progress = SILENT,
) -> DetectSummary:
    """Find the largest car in every picture without a result of this detector.

    Parameters
    ----------
    workspace : Workspace
        Its `detections` get one row per picture.
    detector : Path
        See `Detector`.
    objects : sequence of str
        What is looked for in place of cars, by the detector's labels.
    progress : Progress
        Told how many pictures are done.

    Raises
    ------
    TransientError
        Storage did not give some pictures; all others are done.
    """
    model = Detector(detector, objects)
    table, extensions = schema.detections, all_images(workspace.catalog)
    with workspace.catalog.read() as connection:
        query = select(table.c.sha256).where(table.c.detector == model.name)
        known = set(connection.execute(query).scalars())
    todo = [sha256 for sha256 in extensions if sha256 not in known]
    rows: list[dict[str, Any]] = []
    left: list[tuple[str, str]] = []
    found = errors = 0
    with progress.task("detect", total=len(todo)) as tick:
        for sha256 in todo:
            row: dict[str, Any] = {
                "sha256": sha256,
                "detector": model.name,
                **dict.fromkeys(("label", "score", "box", "error")),
            }
            try:
                data = workspace.blobs.ref(sha256, extensions[sha256]).read()
                rgb = load_rgb(data, at_least=600)
            except TransientError as error:
                left.append((sha256, error.message))
                continue
            except UnreadableImageError as error:
                row["error"] = error.message
                errors += 1
            else:
                best = largest_object(model.boxes(rgb), model.objects)
                if best is not None:
                    found += 1
                    row["label"], row["score"] = best.label, round(best.score, 4)
                    box = (best.left, best.top, best.right, best.bottom)
                    row["box"] = [round(value, 4) for value in box]
            rows.append(row)
            tick(1)
            if len(rows) == SLICE:
                store_rows(workspace.catalog, table, rows)
                rows.clear()
    store_rows(workspace.catalog, table, rows)
    if left:
        raise TransientError.of(left)
    return DetectSummary(model.name, len(todo), found, errors)
