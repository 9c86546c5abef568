"""Pictures of an evaluation beside what the network looked at in them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bodyshop_core import atomic
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import crop_to, load_rgb
from train.evaluation.grad_cam import BATCH, NoFeatureMapError, grad_cams, overlay
from train.evaluation.scores import Evaluation
from train.models.classifier import Classifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

THUMBNAIL = 320
MISTAKES = 24
EXAMPLES = 8


def mistakes(
    folder: Path, run: Classifier, evaluation: Evaluation, *, limit: int = MISTAKES
) -> list[dict[str, Any]]:
    """Write thumbnails and Grad-CAM overlays of the most certain mistakes, and describe them."""
    return _gallery(folder, run, evaluation, evaluation.worst(limit))


def explained(
    folder: Path, run: Classifier, evaluation: Evaluation, *, limit: int = EXAMPLES
) -> list[dict[str, Any]]:
    """Do the same for pictures that were classified rightly, an equal number of each class."""
    right = evaluation.labels == evaluation.predicted
    turns = [
        [int(place) for place in np.flatnonzero(right & (evaluation.labels == index))]
        for index in range(len(evaluation.classes))
    ]
    places = [place for turn in zip_longest(*turns) for place in turn if place is not None]
    return _gallery(folder, run, evaluation, places[:limit])


def _gallery(
    folder: Path, run: Classifier, evaluation: Evaluation, places: Sequence[int]
) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for start in range(0, len(places), BATCH):
        shown += _figures(folder, run, evaluation, places[start : start + BATCH])
    return shown


def _figures(
    folder: Path, run: Classifier, evaluation: Evaluation, places: Sequence[int]
) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    pictures: list[NDArray[np.uint8]] = []
    for place in places:
        sample, predicted = evaluation.samples[place], int(evaluation.predicted[place])
        try:
            rgb = load_rgb(sample.path)
        except UnreadableImageError:  # gone since it was classified
            continue
        pictures.append(rgb if sample.box is None else crop_to(rgb, sample.box))
        shown.append(
            {
                "file": f"thumbs/{sample.sha256}.jpg",
                "heat": None,
                "name": sample.sha256[:12],
                "truth": sample.label,
                "predicted": evaluation.classes[predicted],
                "probability": float(evaluation.probabilities[place, predicted]),
            }
        )
    for rgb, row in zip(pictures, shown, strict=True):
        image = Image.fromarray(rgb)
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        _save(image, folder / row["file"])
    try:
        found = grad_cams(run, pictures, labels=[row["predicted"] for row in shown])
    except NoFeatureMapError:
        return shown
    for rgb, row, each in zip(pictures, shown, found, strict=True):
        row["heat"] = row["file"].replace(".jpg", "-heat.jpg")
        _save(overlay(rgb, each.heat, longest=THUMBNAIL), folder / row["heat"])
    return shown


def _save(image: Image.Image, file: Path) -> None:
    with atomic.replacing(file) as temporary:
        image.save(temporary, "JPEG", quality=80)
