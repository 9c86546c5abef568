"""Predictions of a run on labelled pictures, by the model file of its folder, and their metrics."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError
from bodyshop_core.progress import SILENT, Progress
from train.data.samples import Sample, Samples
from train.evaluation.abroad.wording import UNSEEN
from train.evaluation.names import file_stem, shortened
from train.metrics.classification import decide, expected_calibration_error, losses, summary, temper
from train.models.classifier import Classifier

if TYPE_CHECKING:
    from numpy.typing import NDArray


class UnknownLabelError(BodyshopError):
    """A picture has a label that the run was not trained on."""


@dataclass(frozen=True)
class Evaluation:
    """Predictions on one set of pictures.

    Parameters
    ----------
    name : str
        For people: ``validation``, ``test`` or the name of a folder.
    samples : tuple of Sample
        The pictures.
    classes : tuple of str
        Columns of `probabilities`.
    labels : ndarray of int, shape (n,)
        True class of each picture.
    probabilities : ndarray of float, shape (n, classes)
        After temperature scaling.
    predicted : ndarray of int, shape (n,)
        Chosen class.
    metrics : dict
        As `train.metrics.classification.summary`, and ``calibration`` before and after the
        temperature.
    raw : ndarray of float, shape (n, classes)
        Probabilities before the temperature.
    """

    name: str
    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    predicted: NDArray[np.int64]
    metrics: dict[str, Any]
    raw: NDArray[np.floating[Any]]

    @property
    def stem(self) -> str:
        """The name in file names; see `file_stem`."""
        return file_stem(self.name)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each picture was classified correctly, shape (n,)."""
        return np.asarray(self.labels == self.predicted)

    def worst(self, n: int) -> list[int]:
        """Return the indices of wrongly classified pictures, the most confident errors first."""
        wrong = np.flatnonzero(~self.correct)
        each = losses(self.labels, self.probabilities)
        return [int(place) for place in wrong[np.argsort(-each[wrong], kind="stable")][:n]]


def evaluate_samples(
    classifier: Classifier,
    samples: Sequence[Sample],
    *,
    name: str,
    progress: Progress = SILENT,
) -> Evaluation:
    """Classify pictures whose labels are known.

    Parameters
    ----------
    classifier : Classifier
        A loaded run.
    samples : Sequence of Sample
        Pictures labelled with classes of the classifier.
    name : str
        Of the set.
    progress : Progress
        Reports one step per batch.

    Raises
    ------
    UnknownLabelError
        A label is none of the classifier's classes.
    NotFiniteError
        The network's probabilities are NaN or infinite.
    """
    classes = classifier.classes
    unknown = sorted({sample.label for sample in samples} - set(classes))
    if unknown:
        raise UnknownLabelError(
            f"{'labels' if len(unknown) > 1 else 'label'} "
            f"{', '.join(shortened(repr(label)) for label in unknown)}: not among the classes of "
            f"run '{classifier.record.run}' ({', '.join(map(shortened, classes))})",
            hint="map folders to classes with --rename FOLDER=CLASS, or train on these classes",
        )
    raw = classifier.raw_probabilities([sample.source for sample in samples], progress=progress)
    record = classifier.record
    tempered = temper(raw, record.temperature)
    labels = np.array([classes.index(sample.label) for sample in samples], np.int64)
    positive = classes.index(record.positive) if record.positive else None
    metrics = summary(labels, tempered, classes, threshold=record.threshold, positive=positive)
    metrics["calibration"] = calibration(labels, raw, tempered, record.temperature)
    predicted = decide(tempered, threshold=record.threshold, positive=positive)
    return Evaluation(name, tuple(samples), classes, labels, tempered, predicted, metrics, raw)


def calibration(
    labels: NDArray[np.int64],
    raw: NDArray[np.floating[Any]],
    tempered: NDArray[np.floating[Any]],
    temperature: float,
) -> dict[str, float]:
    """Return calibration error and loss before and after the temperature."""
    return {
        "temperature": temperature,
        "ece_before": expected_calibration_error(labels, raw),
        "ece_after": expected_calibration_error(labels, tempered),
        "loss_before": float(losses(labels, raw).mean()),
        "loss_after": float(losses(labels, tempered).mean()),
    }


def with_new_origins(evaluation: Evaluation, samples: Samples) -> Evaluation:
    """Note in the metrics of a test split its origins, if nothing was learned from any of them."""
    unseen = list(samples.new_origins())
    metrics = {**evaluation.metrics, UNSEEN: unseen} if unseen else evaluation.metrics
    return replace(evaluation, metrics=metrics)


def save_evaluation(evaluation: Evaluation, folder: Path) -> Path:
    """Write ``predictions-<stem>.csv``: sha256, file, label, predicted and one column per class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["sha256", "file", "label", "predicted", *(f"p_{name}" for name in evaluation.classes)]
    )
    for place, sample in enumerate(evaluation.samples):
        writer.writerow(
            [
                sample.sha256,
                sample.path.name,
                sample.label,
                evaluation.classes[evaluation.predicted[place]],
                *(f"{value:.6f}" for value in evaluation.probabilities[place]),
            ]
        )
    path = folder / f"predictions-{evaluation.stem}.csv"
    atomic.write_text(path, text.getvalue())
    return path
