"""The model card: intended use, data, metrics and limits of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bodyshop_core import atomic
from train.evaluation.abroad.wording import abroad_lines, where_tested
from train.evaluation.names import shortened
from train.evaluation.predictions import Evaluation
from train.fit.loop import History
from train.models.run_folder import RunRecord

CARD_FILE = "MODEL_CARD.md"


def write_model_card(
    folder: Path,
    record: RunRecord,
    test: Evaluation,
    baseline: Mapping[str, Any],
    histories: Sequence[History],
    abroad: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``MODEL_CARD.md`` (headings after Mitchell et al. 2019, arXiv:1810.03993)."""
    metrics, recipe = test.metrics, record.recipe
    low, high = metrics["ci95"]
    lines = [
        f"# {record.run}",
        "",
        "## Model",
        f"- Classes ({record.target}): {', '.join(map(plain, record.classes))}",
        f"- Network: {recipe.get('backbone') or 'own layers'}, recipe `{recipe['name']}`: "
        f"{plain(recipe['description'], limit=1000)}",
        f"- Input: RGB picture, scaled to {record.side} x {record.side}"
        + (
            f", after scaling down to at most {record.equalise['longest_side']} pixels and JPEG "
            f"compression at quality {record.equalise['jpeg_quality']}"
            if record.equalise
            else ""
        )
        + (", greyscale" if record.grey else ""),
        f"- Trained {record.created_at} with seed {record.seed}; "
        f"{', '.join(f'{name} {value}' for name, value in record.versions.items())}",
        "",
        "## Intended use",
        "- Sorting and pre-labelling pictures of cars that were accepted by a gate.",
        "- Not for decisions about people or money unless a person checks the picture.",
        "",
        "## Data",
        f"- Split set {plain(record.split_set)}, hash `{record.data['digest']}`",
        *(
            f"- {split}: " + ", ".join(f"{plain(name)} {n}" for name, n in each.items())
            for split, each in record.data["counts"].items()
        ),
        f"- Shown in training: {shown_in_training(record)}",
        "",
        "## Evaluation",
        *(
            f"- {plain(name)}: {plain(value, limit=400)}"
            for name, value in (abroad_lines(abroad, metrics) if abroad else ())
            if name.startswith("abroad") and name != "abroad: accuracy on test"
        ),
        f"- Test accuracy, {where_tested(metrics)}: {100 * metrics['accuracy']:.1f} % "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %, n = {metrics['n']})",
        *(
            f"- {plain(name)}: recall {_share(each['recall'])}, "
            f"precision {_share(each['precision'])}, n = {each['n']}"
            for name, each in metrics["per_class"].items()
        ),
        f"- Calibration error {100 * metrics['calibration']['ece_after']:.1f} % "
        f"(temperature {record.temperature:.2f})",
        *_baseline_lines(baseline),
        "",
        "## Training",
        *(
            f"- {history.stage}: {len(history.epochs)} epochs, best {history.best_epoch}, "
            f"{history.seconds:.0f} s"
            for history in histories
        ),
        "",
        "## Limits",
        "- The metrics hold for pictures from the same sources; evaluate on your own pictures with "
        "`bodyshop evaluate --cross FOLDER`.",
        "- A picture of any other class still gets one of the trained labels.",
        "",
    ]
    path = folder / CARD_FILE
    atomic.write_text(path, "\n".join(lines))
    return path


def shown_in_training(record: RunRecord) -> str:
    """Say of how many pictures, copies and views a training epoch consisted."""
    shown = record.data.get("shown")
    if not shown:
        return "not recorded"
    copies = f" and {shown['copies']} augmented copies" if shown["copies"] else ""
    return f"{shown['pictures']} pictures{copies}, {shown['rows']} views of them"


def _baseline_lines(baseline: Mapping[str, Any]) -> list[str]:
    lines = []
    majority = baseline["majority"]
    lines.append(
        f"- Majority class ({plain(majority['label'])}): {100 * majority['accuracy']:.1f} %"
    )
    linear_probe = baseline.get("linear_probe")
    if linear_probe:
        lines.append(
            f"- Linear probe on the pretrained features: {100 * linear_probe['accuracy']:.1f} %"
        )
    shipped = baseline.get("shipped")
    if shipped:
        lines.append(f"- The shipped damage model, before: {100 * shipped['accuracy']:.1f} %")
    audit = baseline.get("audit")
    if isinstance(audit, Mapping) and audit.get("accuracy") is not None:
        lines.append(f"- Nuisance features alone (shortcut audit): {100 * audit['accuracy']:.1f} %")
    return lines


def _share(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.1f} %"


def plain(name: str, *, limit: int = 60) -> str:
    """Return a text from outside for Markdown: on one line, its markup characters escaped."""
    return re.sub(r"([\\`*_{}\[\]<>#|!&~$])", r"\\\1", shortened(name, limit=limit))
