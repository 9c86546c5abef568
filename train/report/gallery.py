"""Pictures of an evaluation beside their Grad-CAM heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bodyshop_core import atomic
from bodyshop_core.errors import DamagedBlobError, LostBlobError, UnreadableImageError
from bodyshop_core.imaging import crop_to, load_rgb
from train.evaluation.grad_cam import BATCH, NoFeatureMapError, grad_cams, overlay
from train.evaluation.predictions import Evaluation
from train.models.classifier import Classifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

THUMBNAIL = 320
ERRORS = 24
EXAMPLES = 8


def error_gallery(
    folder: Path, run: Classifier, evaluation: Evaluation, *, limit: int = ERRORS
) -> list[dict[str, Any]]:
    """Write thumbnails and heat maps of the most confident errors; returns the template's rows."""
    return _gallery(folder, run, evaluation, evaluation.worst(limit))


def correct_gallery(
    folder: Path, run: Classifier, evaluation: Evaluation, *, limit: int = EXAMPLES
) -> list[dict[str, Any]]:
    """Write thumbnails and heat maps of correctly classified pictures, of each class in turn."""
    turns = [
        [int(place) for place in np.flatnonzero(evaluation.correct & (evaluation.labels == index))]
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
        except (
            UnreadableImageError,
            LostBlobError,
            DamagedBlobError,
        ):  # gone since it was classified
            continue
        pictures.append(rgb if sample.box is None else crop_to(rgb, sample.box))
        shown.append(
            {
                "file": f"thumbs/{sample.sha256}.jpg",
                "heat": None,
                "name": sample.sha256[:12],
                "sha256": sample.sha256,
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
