"""What pages and cards say about origins that a model was fitted without."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from train.evaluation.abroad.wording import (
    NOT_SHOWN,
    TABLE_COLUMNS,
    abroad_lines,
    table_rows,
    with_test_split,
)
from train.models.run_folder import RunRecord
from train.report.pages import write_table

REPORT_FILE = "report.html"


def write_abroad_report(
    folder: Path, record: RunRecord, abroad: Mapping[str, Any], home: Mapping[str, Any]
) -> Path:
    """Write the page of ``evaluate --abroad``.

    Parameters
    ----------
    folder : Path
        Where it goes.
    record : RunRecord
        The run whose recipe was fitted.
    abroad, home : Mapping
        As `train.evaluation.abroad.wording.abroad_lines`.
    """
    pairs = abroad.get("pairs")
    return write_table(
        folder / REPORT_FILE,
        title=f"{record.recipe['name']} abroad",
        subtitle=f"recipe, equalising, threshold and seed of {record.run}; each figure is of "
        "pictures whose origin the model was fitted without",
        note=" · ".join(f"{name}: {value}" for name, value in abroad_lines(abroad, home)),
        columns=TABLE_COLUMNS,
        rows=table_rows(pairs) if pairs else (),
    )


def abroad_tiles(abroad: Mapping[str, Any], home: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the tiles that a run's page begins with."""
    if not abroad:
        return []
    if not with_test_split(abroad, home)["shown"]:
        return [{"name": "abroad", "value": NOT_SHOWN, "note": abroad["why"]}]
    tiles = []
    for name, figures in (
        ("AUC within photos, origin left out", abroad["within_photo"]),
        ("AUC of left-out pairs of origins", abroad["pairs"]),
    ):
        if figures:
            low, high = figures["ci95"]
            note = f"95 % interval {low:.3f} – {high:.3f}"
            tiles.append({"name": name, "value": f"{figures['auc']:.3f}", "note": note})
    return tiles


def abroad_table(abroad: Mapping[str, Any], home: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the template of a run's page shows; None when it was not measured."""
    if not abroad:
        return None
    pairs = abroad["pairs"]
    return {
        "lines": abroad_lines(abroad, home),
        "columns": TABLE_COLUMNS,
        "rows": table_rows(pairs) if pairs else [],
    }
