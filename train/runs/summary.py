"""What training comes to, and how it is kept in the run's folder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from bodyshop_core.summary import Summary
from train.evaluation.abroad.wording import abroad_lines
from train.models.run_folder import read_json, write_json

SUMMARY_FILE = "summary.json"


@dataclass(frozen=True)
class TrainSummary(Summary):
    """What a training run came to; the figures are of the test split.

    Parameters
    ----------
    run : str
        Its name.
    folder : Path
        Everything about it.
    recipe, target, split_set : str
        What was trained on what.
    split : str
        Which split the figures are of: ``test``.
    metrics : Mapping
        As `train.metrics.classification.summary` or `train.metrics.masks.mask_summary` returns
        them.
    baseline : Mapping
        What has to be beaten, where known: of a classifier ``majority``, ``audit`` and
        ``linear_probe``; of a damage model also ``shipped``, what the one that comes with the
        package reaches; of a segmenter ``constant_iou`` per class, the best that one mask for all
        pictures can do.
    seconds : Mapping
        Phase -> seconds.
    report : Path
        The HTML report.
    abroad : Mapping
        What the recipe is worth on origins that it was fitted without, as
        `train.runs.abroad.measure_abroad`; empty for a segmenter, and for runs of older versions.
    snapshot : str or None
        Id of the state of all pictures that the run learned from; None for runs of older versions.
    """

    run: str
    folder: Path
    recipe: str
    target: str
    split_set: str
    split: str
    metrics: Mapping[str, Any]
    baseline: Mapping[str, Any]
    seconds: Mapping[str, float]
    report: Path
    abroad: Mapping[str, Any] = field(default_factory=dict)
    snapshot: str | None = None

    hidden: ClassVar[tuple[str, ...]] = ("metrics",)
    figures: ClassVar[tuple[str, ...]] = ("n", "accuracy", "ci95", "mean_iou", "per_class")
    """Metrics that are keys of the JSON object; those of the other kind of model are absent."""

    @property
    def accuracy(self) -> float:
        """Share of the test pictures that were classified correctly, by a classifier."""
        return float(self.metrics["accuracy"])

    @property
    def counts(self) -> dict[str, Any]:
        """What the catalog notes about the run."""
        wanted = ("accuracy", "n", "mean_iou")
        return {name: self.metrics[name] for name in wanted if name in self.metrics}

    def lines(self) -> list[tuple[str, str]]:
        """Return the figures abroad and at home side by side, for people; none of a segmenter."""
        return abroad_lines(self.abroad, self.metrics) if self.abroad else []

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values with the stable keys of ``--json``."""
        figures = {name: self.metrics[name] for name in self.figures if name in self.metrics}
        return super().as_dict() | figures


def save_summary(summary: TrainSummary) -> None:
    """Write ``summary.json`` into the run's folder, without absolute paths."""
    data = asdict(summary) | {"report": summary.report.name}
    del data["folder"]
    write_json(summary.folder / SUMMARY_FILE, data)


def read_summary(folder: Path) -> TrainSummary:
    """Return a finished run's summary from its folder, without TensorFlow.

    Raises
    ------
    BodyshopError
        The file is absent or damaged.
    """
    data = read_json(folder / SUMMARY_FILE)
    data |= {"folder": folder, "report": folder / data["report"]}
    return TrainSummary(**data)


class PhaseClock:
    """Seconds per phase of a run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def mark(self, name: str) -> None:
        """Add the time since the last mark to a phase."""
        present = time.monotonic()
        self.seconds[name] = round(self.seconds.get(name, 0.0) + present - self._last, 2)
        self._last = present
