"""Grouped k-fold cross-validation: each picture is tested by a model not trained on its group."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.imaging import Equalise
from bodyshop_core.progress import SILENT, Progress
from train.data.samples import Sample, Samples
from train.evaluation.names import shortened
from train.evaluation.predictions import calibration
from train.fit.learn import learn
from train.metrics.classification import decide, fit_temperature, summary, temper
from train.metrics.thresholds import choose_threshold
from train.recipes.recipe import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class CrossValidation:
    """Out-of-fold predictions of a whole data set.

    Parameters
    ----------
    samples : tuple of Sample
        The original pictures.
    classes : tuple of str
        Columns of `probabilities`.
    labels : ndarray of int, shape (n,)
        True classes.
    probabilities : ndarray of float, shape (n, classes)
        By the model that was not trained on the picture, temperature-scaled on that model's
        validation part.
    predicted : ndarray of int, shape (n,)
        Chosen class, by the threshold that the recipe's rule gives on that model's validation part.
    folds : ndarray of int, shape (n,)
        The fold in which each picture was tested.
    metrics : dict
        As `train.metrics.classification.summary`, over all pictures, ``folds``: accuracy of each,
        and ``calibration`` before and after the temperatures.
    raw : ndarray of float, shape (n, classes)
        Probabilities before the temperature.
    """

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    predicted: NDArray[np.int64]
    folds: NDArray[np.int64]
    metrics: dict[str, Any]
    raw: NDArray[np.float64]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each picture was classified correctly."""
        return np.asarray(self.predicted == self.labels)


def cross_validate(
    recipe: Recipe,
    samples: Samples,
    features: Path,
    *,
    folds: int = 5,
    equalise: Equalise | None = None,
    weights: str | Path | None = None,
    seed: int = 7,
    progress: Progress = SILENT,
) -> CrossValidation:
    """Train and test a recipe `folds` times.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    samples : Samples
        All splits together; the assignment to splits is ignored, groups are kept together.
    features : Path
        The workspace's features folder: all folds share the features of a frozen backbone.
    folds : int
        Number of parts, at least 3: one is tested, the next is validation, the rest is trained on.
    equalise : Equalise, optional
        Scales all pictures down to one size and compresses them at one JPEG quality.
    weights : str, Path or None
        The backbone's weights instead of the recipe's.
    seed : int
        Of the folds and of everything random.
    progress : Progress
        Reports one step per fold.

    Raises
    ------
    UsageError
        There are fewer than 3 folds.
    BodyshopError
        A class has fewer groups than there are folds.
    """
    if folds < 3:
        raise UsageError(
            f"{folds} folds are too few", hint="test, validation and training need one fold each"
        )
    samples = samples.looking_for(recipe.positive)
    originals = tuple(item for item in samples.items if item.is_original)
    copies = tuple(item for item in samples.items if item.variant)
    place = assign_folds(originals, folds, seed)
    labels = np.array([samples.classes.index(item.label) for item in originals], np.int64)
    raw = np.zeros((len(originals), len(samples.classes)))
    probabilities, temperatures = raw.copy(), []
    thresholds = np.full(len(originals), 0.5)
    positive = 1 if len(samples.classes) == 2 else None
    with progress.task("folds", total=folds) as tick:
        for fold in range(folds):
            roles = {fold: "test", (fold + 1) % folds: "validation"}
            items = [
                replace(item, split=roles.get(int(each), "train"))
                for item, each in zip(originals, place, strict=True)
            ]
            home = {item.sha256: item.split for item in items}
            items += [item for item in copies if home.get(item.sha256) == "train"]
            part = replace(samples, items=tuple(items))
            part = part.with_views(recipe.data.tta_views, recipe.data.degradation_views)
            learned = learn(
                recipe,
                part,
                features,
                equalise=equalise,
                weights=weights,
                seed=seed,
                with_linear_probe=False,
                progress=progress,
            )
            rows = np.flatnonzero(place == fold)
            tuned = np.flatnonzero(place == (fold + 1) % folds)
            checked = learned.probabilities(part.of("validation"))
            temperature = fit_temperature(labels[tuned], checked)
            if positive is not None:
                scores = temper(checked, temperature)[:, positive]
                thresholds[rows] = choose_threshold(recipe.threshold, labels[tuned], scores)
            raw[rows] = learned.probabilities(part.of("test"))
            probabilities[rows] = temper(raw[rows], temperature)
            temperatures.append(temperature)
            tick(1)
    metrics = summary(
        labels, probabilities, samples.classes, threshold=thresholds, positive=positive
    )
    predicted = decide(probabilities, threshold=thresholds, positive=positive)
    correct = predicted == labels
    metrics["folds"] = [float(correct[place == fold].mean()) for fold in range(folds)]
    mean = float(np.mean(temperatures))
    metrics["calibration"] = calibration(labels, raw, probabilities, mean)
    return CrossValidation(
        originals, samples.classes, labels, probabilities, predicted, place, metrics, raw
    )


def assign_folds(samples: Sequence[Sample], folds: int, seed: int) -> NDArray[np.int64]:
    """Assign a fold to every picture, stratified by class, groups kept together; shape (n,).

    Raises
    ------
    BodyshopError
        A class has fewer groups than there are folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    groups: dict[str, set[str]] = {}
    for item in samples:
        groups.setdefault(item.label, set()).add(item.group)
    for label, members in sorted(groups.items()):
        if len(members) < folds:
            raise BodyshopError(
                f"class '{shortened(label)}' has {len(members)} independent groups of pictures, "
                f"too few for {folds} folds",
                hint=f"use --folds {len(members)}, or add pictures of that class"
                if len(members) >= 3
                else "add pictures of that class",
            )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    place = np.zeros(len(samples), np.int64)
    labels, names = [item.label for item in samples], [item.group for item in samples]
    for fold, (_, tested) in enumerate(splitter.split(labels, labels, names)):
        place[tested] = fold
    return place


def write_out_of_fold(result: CrossValidation, path: Path) -> Path:
    """Write a CSV file with sha256, fold, label and one probability per class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["sha256", "fold", "label", *(f"p_{name}" for name in result.classes)])
    for item, fold, row in zip(result.samples, result.folds, result.probabilities, strict=True):
        writer.writerow([item.sha256, int(fold), item.label, *(f"{value:.6f}" for value in row)])
    atomic.write_text(path, text.getvalue())
    return path
