"""The page and the model card of a segmenter run, and its pictures with masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bodyshop_core import atomic
from train.data.mask_samples import MaskedSample
from train.evaluation.mask_predictions import MaskPrediction
from train.evaluation.names import shortened
from train.models.run_folder import RunRecord
from train.report.model_card import CARD_FILE, plain
from train.report.pages import decimal, percent, write_table

EXAMPLES = 8
"""Number of test pictures in the report."""


def write_segment_card(
    folder: Path, record: RunRecord, metrics: Mapping[str, Any], constant: Mapping[str, float]
) -> None:
    """Write ``MODEL_CARD.md`` (headings after Mitchell et al. 2019, arXiv:1810.03993)."""
    recipe = record.recipe
    lines = [
        f"# {record.run}",
        "",
        "## Model",
        f"- Classes of damage: {', '.join(map(plain, record.classes))}",
        f"- U-Net on {plain(recipe['backbone'])}, recipe `{recipe['name']}`; squares of "
        f"{record.side} x {record.side} pixels that cover the whole picture, {recipe['rows']} "
        "along its shorter side",
        f"- Trained {record.created_at} with seed {record.seed}; "
        f"{', '.join(f'{name} {value}' for name, value in record.versions.items())}",
        "",
        "## Intended use",
        "- Locating damage, and pre-labelling, in pictures of cars that were accepted by a gate.",
        "- Not for decisions about people or money unless a person checks the picture.",
        "",
        "## Data",
        f"- Hash `{record.data['digest']}`; "
        + ", ".join(f"{split} {n}" for split, n in record.data["counts"].items()),
        *(f"- Left out: {plain(why)}" for why in record.data["left_out"].values()),
        "",
        "## Evaluation",
        *(
            f"- {plain(name)}: IoU {decimal(each['iou'])} (best constant mask "
            f"{decimal(constant[name])}), detected in {percent(each['recall'])} of the pictures "
            "that show it"
            for name, each in metrics["per_class"].items()
        ),
        "",
        "## Limits",
        "- Outlines are coarse: one pixel of the network covers several of the picture.",
        "",
    ]
    atomic.write_text(folder / CARD_FILE, "\n".join(lines))


def draw_examples(
    folder: Path,
    samples: Sequence[MaskedSample],
    predictions: Sequence[MaskPrediction],
    level: float,
) -> list[dict[str, str]]:
    """Draw up to eight test pictures with their true masks (left) and predicted masks (right).

    Each file is named by its picture's sha256, so that ``bodyshop forget`` finds it.
    """
    shown = []
    for sample, each in list(zip(samples, predictions, strict=True))[:EXAMPLES]:
        pair = []
        for mask in (each.truth.max(axis=-1) > 0, each.predicted.max(axis=-1) >= level):
            marked = each.rgb.astype(np.float32)
            marked[mask] = 0.45 * marked[mask] + 0.55 * np.array([230.0, 30.0, 60.0])
            pair.append(marked.astype(np.uint8))
        file = folder / "thumbs" / f"{sample.sha256}.jpg"
        with atomic.replacing(file) as temporary:
            Image.fromarray(np.concatenate(pair, axis=1)).save(temporary, "JPEG", quality=88)
        name = sample.sha256[:12]
        figure = {"file": f"thumbs/{file.name}", "name": name, "text": name}
        shown.append(figure | {"sha256": sample.sha256})
    return shown


def write_segment_report(
    folder: Path,
    run: str,
    metrics: Mapping[str, Any],
    constant: Mapping[str, float],
    examples: Sequence[dict[str, str]],
) -> Path:
    """Write ``report.html``: metrics of the test split, examples, curves."""
    rows = [
        [
            shortened(name),
            str(each["pictures"]),
            decimal(each["iou"]),
            decimal(constant[name]),
            decimal(each["dice"]),
            percent(each["recall"]),
            percent(each["precision"]),
        ]
        for name, each in metrics["per_class"].items()
    ]
    return write_table(
        folder / "report.html",
        title="Damage masks",
        subtitle=f"{run} · test split, {metrics['n']} pictures",
        note="IoU is over all pixels of all pictures, each picture resized to a square. "
        "The constant mask is the one mask with the "
        "highest IoU on them. Recall and precision count pictures in which the class was "
        "detected. Below: true mask left, predicted mask right.",
        columns=["class", "pictures", "IoU", "IoU of constant mask", "Dice", "recall", "precision"],
        rows=rows,
        plots=["curves.png", "steps.png"],
        gallery=examples,
    )
