"""Pictures of an evaluation beside what the network looked at in them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bodyshop import atomic
from bodyshop.errors import UnreadableImageError
from bodyshop.imaging import crop_to, load_rgb
from train.classifier import Classifier
from train.evaluation import Evaluation
from train.explanation import BATCH, NoFeatureMapError, grad_cams, overlay

THUMBNAIL = 320
MISTAKES = 24
LOOKS = 8


def mistakes(
    folder: Path, run: Classifier, evaluation: Evaluation, *, limit: int = MISTAKES
) -> list[dict[str, Any]]:
    """Write thumbnails and Grad-CAM overlays of the most certain mistakes, and describe them."""
    return _gallery(folder, run, evaluation, evaluation.worst(limit))


def looks(
    folder: Path, run: Classifier, evaluation: Evaluation, *, limit: int = LOOKS
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
    shown, pictures, names = [], [], []
    for place in places:
        sample = evaluation.samples[place]
        try:
            rgb = load_rgb(sample.path)
        except UnreadableImageError:  # gone since it was classified
            continue
        if sample.box is not None:
            rgb = crop_to(rgb, sample.box)
        predicted = evaluation.classes[int(evaluation.predicted[place])]
        pictures.append(rgb)
        names.append(predicted)
        shown.append(
            {
                "file": f"thumbs/{sample.sha256}.jpg",
                "heat": None,
                "name": sample.sha256[:12],
                "truth": sample.label,
                "predicted": predicted,
                "probability": float(evaluation.probabilities[place, evaluation.predicted[place]]),
            }
        )
    for rgb, row in zip(pictures, shown, strict=True):
        image = Image.fromarray(rgb)
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        _save(image, folder / str(row["file"]))
    try:
        found = [
            each
            for start in range(0, len(pictures), BATCH)
            for each in grad_cams(
                run,
                pictures[start : start + BATCH],
                labels=names[start : start + BATCH],
            )
        ]
    except NoFeatureMapError:
        return shown
    for rgb, row, each in zip(pictures, shown, found, strict=True):
        row["heat"] = str(row["file"]).replace(".jpg", "-heat.jpg")
        _save(overlay(rgb, each.heat, longest=THUMBNAIL), folder / str(row["heat"]))
    return shown


def _save(image: Image.Image, file: Path) -> None:
    with atomic.replacing(file) as temporary:
        image.save(temporary, "JPEG", quality=80)
