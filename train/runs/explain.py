"""Grad-CAM overlays of pictures, and a page of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bodyshop_core import atomic
from bodyshop_core.errors import TransientError, UnreadableImageError
from bodyshop_core.imaging import load_rgb
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from train.evaluation.grad_cam import BATCH, grad_cams, overlay
from train.evaluation.names import shortened
from train.models.classifier import Classifier
from train.report.pages import percent, write_table


@dataclass(frozen=True)
class ExplainSummary(Summary):
    """Overlays of several pictures.

    Parameters
    ----------
    run : str
        The run's name.
    pictures : tuple of dict
        ``picture``, ``label``, ``probability``, ``overlay`` (a file beside the page) and ``error``;
        of a picture that could not be read only the first and the last are set.
    report : Path
        The HTML page.
    """

    run: str
    pictures: tuple[dict[str, Any], ...]
    report: Path


def explain(
    run: Classifier,
    pictures: Sequence[Path],
    out: Path,
    *,
    label: str | None = None,
    progress: Progress = SILENT,
) -> ExplainSummary:
    """Write an overlay per picture and a page of all of them.

    Parameters
    ----------
    run : Classifier
        A loaded run.
    pictures : Sequence of Path
        Files; one that can't be read gets an error in its row.
    out : Path
        Folder for ``explain.html`` and the overlays.
    label : str, optional
        The class to explain; each picture's predicted one by default.
    progress : Progress
        Reports one step per batch.

    Raises
    ------
    UsageError
        The run has no such class, or `out` is a file.
    NoFeatureMapError
        The network has no feature map.
    """
    atomic.require_folder(out)
    rows: list[dict[str, Any]] = []
    with progress.task("explain", total=len(pictures)) as tick:
        for start in range(0, len(pictures), BATCH):
            batch = pictures[start : start + BATCH]
            rows += _explain_batch(run, batch, out, start, label)
            tick(len(batch))
    report = write_table(
        out / "explain.html",
        title="Grad-CAM",
        subtitle=f"{run.record.run} · warm colours: regions that support the class",
        columns=["picture", "error"],
        rows=[[row["picture"], row["error"]] for row in rows if row["error"]],
        gallery=[
            {
                "file": row["overlay"],
                "name": Path(row["picture"]).name,
                "text": f"{shortened(row['label'])} {percent(row['probability'])} · "
                f"{Path(row['picture']).name}",
            }
            for row in rows
            if not row["error"]
        ],
    )
    return ExplainSummary(run.record.run, tuple(rows), report)


def _explain_batch(
    run: Classifier, pictures: Sequence[Path], out: Path, first: int, label: str | None
) -> list[dict[str, Any]]:
    rows, readable, rgbs = [], [], []
    for picture in pictures:
        row: dict[str, Any] = {"picture": str(picture), "label": None, "probability": None}
        row |= {"overlay": None, "error": None}
        rows.append(row)
        try:
            rgbs.append(load_rgb(picture))
        except (UnreadableImageError, TransientError) as error:
            row["error"] = str(error)
        else:
            row["overlay"] = f"{first + len(rows) - 1:04d}.jpg"
            readable.append(row)
    found = grad_cams(run, rgbs, labels=[label] * len(rgbs))
    for row, rgb, each in zip(readable, rgbs, found, strict=True):
        with atomic.replacing(out / row["overlay"]) as temporary:
            overlay(rgb, each.heat).save(temporary, "JPEG", quality=88)
        row |= {"label": each.label, "probability": each.probability}
    return rows
