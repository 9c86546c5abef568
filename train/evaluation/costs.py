"""What decisions cost at several thresholds."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.errors import BodyshopError, UsageError
from train.evaluation.predictions import Evaluation
from train.metrics.thresholds import at_threshold, cost_threshold
from train.models.run_folder import COPY_AGAIN, RunRecord
from train.recipes.recipe import Costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALIDATION_FILE = "predictions-validation.csv"
"""In a run's folder: the predictions that a threshold may be chosen on."""


def with_cost_threshold(folder: Path, record: RunRecord, costs: Costs) -> RunRecord:
    """Return a record with the cheapest threshold on the run's own validation pictures.

    Parameters
    ----------
    folder : Path
        The run's folder.
    record : RunRecord
        Its record, of two classes.
    costs : Costs
        Of a missed picture of the positive class and of a false alarm.

    Raises
    ------
    UsageError
        The run does not have two classes.
    BodyshopError
        The validation predictions are missing or not readable.
    """
    if record.positive is None:
        raise UsageError(
            f"run '{record.run}' has {len(record.classes)} classes: costs are those of a decision "
            "between two",
            hint="leave --cost out",
        )
    labels, scores = _validation(folder, record.classes, record.positive)
    return replace(record, threshold=cost_threshold(labels, scores, costs))


def cost_rows(
    evaluation: Evaluation, costs: Costs, thresholds: Mapping[str, float], *, positive: int
) -> list[dict[str, Any]]:
    """Return what tested pictures cost at thresholds, and without a model.

    Parameters
    ----------
    evaluation : Evaluation
        Of two classes.
    costs : Costs
        Of a missed picture of the positive class and of a false alarm.
    thresholds : Mapping
        Name -> threshold.
    positive : int
        Index of the class to detect.

    Returns
    -------
    list of dict
        ``name``, ``threshold``, the figures of `train.metrics.thresholds.at_threshold`, and
        ``cost`` per tested picture; the last two rows are ``never`` and ``always``.
    """
    scores = evaluation.probabilities[:, positive]
    rows = []
    for name, threshold in {**thresholds, "never": np.inf, "always": -np.inf}.items():
        each = at_threshold(evaluation.labels, scores, threshold, positive=positive)
        spent = costs.missed * each["missed"] + costs.false * each["false"]
        shown = threshold if np.isfinite(threshold) else None
        rows.append(
            {"name": name, "threshold": shown, **each, "cost": spent / len(evaluation.labels)}
        )
    return rows


def _validation(
    folder: Path, classes: tuple[str, ...], positive: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    file = folder / VALIDATION_FILE
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = [(row["label"], float(row[f"p_{positive}"])) for row in csv.DictReader(stream)]
    except FileNotFoundError as error:
        raise BodyshopError(
            f"{folder} has no {VALIDATION_FILE}: a threshold is chosen on the validation pictures",
            hint="give the run's own folder",
        ) from error
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise BodyshopError(f"{file} can't be read: {error}", hint=COPY_AGAIN) from error
    labels = np.array([int(label == positive) for label, _ in rows], np.int64)
    scores = np.array([score for _, score in rows])
    if len(set(labels.tolist())) < 2 or not np.isfinite(scores).all():
        raise BodyshopError(f"{file} does not hold pictures of both classes", hint=COPY_AGAIN)
    return labels, scores
