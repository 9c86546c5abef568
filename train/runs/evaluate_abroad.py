"""`bodyshop evaluate --abroad`: a run's recipe, measured on origins that it was fitted without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bodyshop_core.errors import BodyshopError, InterruptedByUser, NothingFoundError
from bodyshop_core.imaging import Equalise
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace
from train.data.mask_samples import mask_files
from train.data.samples import Samples, load_samples
from train.evaluation.abroad.wording import (
    TABLE_COLUMNS,
    UNSEEN,
    abroad_lines,
    table_rows,
    with_test_split,
)
from train.evaluation.names import result_stem
from train.models.classifier import Classifier
from train.models.run_folder import RunRecord, read_json, write_json
from train.report.abroad_report import write_abroad_report
from train.runs.abroad import AbroadTask, is_cheap, left_out_pairs, measure_abroad
from train.runs.lookup import resolve_run
from train.runs.plan import PLAN_FILE

PAIRS = 24
"""Pairs of origins at most: more narrow the interval little, and each is one more fit."""

PAIRS_IN_TRAIN = 6
"""The same, where the figures come along with every training."""


@dataclass(frozen=True)
class AbroadSummary(Summary):
    """What a run is worth on origins that it was fitted without, and at home.

    Parameters
    ----------
    run : str
        The run's name.
    shown : bool
        Whether there were enough origins, or the test split is of ones not learned from.
    why : str or None
        Why nothing could be shown.
    origins : int
        How many there are.
    within_photo : Mapping or None
        As `train.evaluation.abroad.within_photo.within_photo_auc`.
    pairs : Mapping or None
        As `train.evaluation.abroad.table.leave_pair_out`.
    home : Mapping
        ``n``, ``accuracy``, ``ci95`` and ``auc`` on the run's own test split.
    report : Path
        The HTML page.
    """

    run: str
    shown: bool
    why: str | None
    origins: int
    within_photo: Mapping[str, Any] | None
    pairs: Mapping[str, Any] | None
    home: Mapping[str, Any]
    report: Path

    columns: ClassVar[tuple[str, ...]] = TABLE_COLUMNS

    def lines(self) -> list[tuple[str, str]]:
        """Return the figures for people, abroad first."""
        abroad = {name: getattr(self, name) for name in ("shown", "why", "within_photo", "pairs")}
        return abroad_lines(abroad, self.home)

    def rows(self) -> list[list[str]]:
        """Return the table per origin, label and framing."""
        return table_rows(self.pairs) if self.pairs else []


def evaluate_abroad(
    run: str | Path | Classifier | None,
    workspace: Workspace,
    *,
    split_set: str | None = None,
    most: int = PAIRS,
    out: Path | None = None,
    progress: Progress = SILENT,
) -> AbroadSummary:
    """Fit a run's recipe without pairs of origins, and test it on these.

    Parameters
    ----------
    run : str, Path, Classifier or None
        Its recipe, equalising, weights, threshold and seed are used; None: the newest finished one.
    workspace : Workspace
        With the pictures: those of all splits take part, and their masks.
    split_set : str, optional
        By default the one the run was trained on.
    most : int
        At most so many pairs.
    out : Path, optional
        Where the report goes; by default ``evaluations/abroad`` in the run's folder
        (``<split set>-abroad`` for another split set).
    progress : Progress
        Reports one step per pair.

    Raises
    ------
    NothingFoundError
        No such run or split set.
    BodyshopError
        The run's folder has no ``plan.json``, which names its weights.
    """
    classifier = resolve_run(run, workspace)
    record = classifier.record
    recipe = record.network_recipe()
    samples = load_samples(
        workspace,
        split_set=split_set or record.split_set,
        variants=recipe.data.variants,
        crop=recipe.data.crop,
    )
    weights = read_json(classifier.folder / PLAN_FILE)["weights"]
    task = abroad_task(workspace, record, samples, weights)
    home = home_figures(_test_metrics(classifier.folder), record)
    abroad = with_test_split(measure_abroad(task, most=most, progress=progress), home)
    stem = result_stem("abroad", split_set, record.split_set)
    folder = out or classifier.folder / "evaluations" / stem
    report = write_abroad_report(folder, record, abroad, home)
    summary = AbroadSummary(record.run, **abroad, home=home, report=report)
    write_json(folder / "metrics.json", summary.as_dict())
    return summary


def abroad_of_training(
    workspace: Workspace,
    record: RunRecord,
    samples: Samples,
    weights: str | None,
    *,
    wanted: bool | None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Return the figures that come along with a training.

    Parameters
    ----------
    workspace, record, samples, weights
        Of the run.
    wanted : bool or None
        None: only where fits are cheap, since cached features decide them.
    progress : Progress
        Reports one step per pair.
    """
    recipe = record.network_recipe()
    if wanted or (wanted is None and is_cheap(recipe)):
        task = abroad_task(workspace, record, samples, weights)
        try:
            return measure_abroad(task, most=PAIRS_IN_TRAIN, progress=progress)
        except InterruptedByUser:
            raise
        except BodyshopError as error:  # the trained model and its figures at home are not lost
            progress.log(f"not measured abroad: {error.message}")
            return _not_shown(samples, f"{error.message}; bodyshop evaluate --abroad tries again")
    _, _, why = left_out_pairs(samples, start=recipe.start)
    if why is None:
        why = (
            "it was not asked for"
            if wanted is False
            else "this recipe trains the network anew for each left-out pair of origins"
        ) + "; bodyshop evaluate --abroad measures it"
    return _not_shown(samples, why)


def abroad_task(
    workspace: Workspace, record: RunRecord, samples: Samples, weights: str | None
) -> AbroadTask:
    """Return what is to be fitted without some origins, as the run was."""
    masks = {
        sha256: [file for files in by_class.values() for file in files]
        for sha256, by_class in mask_files(workspace).items()
    }
    return AbroadTask(
        record.network_recipe(),
        samples,
        masks,
        workspace.features,
        record.threshold,
        Equalise(**record.equalise) if record.equalise else None,
        weights,
        record.seed,
    )


def home_figures(metrics: Mapping[str, Any], record: RunRecord) -> dict[str, Any]:
    """Return accuracy and area under the ROC curve on the run's own test split."""
    area = metrics["per_class"][record.positive]["roc_auc"] if record.positive else None
    found = {name: metrics[name] for name in ("n", "accuracy", "ci95")} | {"auc": area}
    if record.network_recipe().start is not None or not metrics.get(UNSEEN):
        return found  # what it started from may have learned from these origins
    return found | {UNSEEN: metrics[UNSEEN]}


def _not_shown(samples: Samples, why: str) -> dict[str, Any]:
    return {
        "shown": False,
        "why": why,
        "origins": len({item.origin for item in samples.items}),
        "within_photo": None,
        "pairs": None,
    }


def _test_metrics(folder: Path) -> Mapping[str, Any]:
    metrics = read_json(folder / "metrics.json")
    if "test" not in metrics:
        raise NothingFoundError(f"{folder / 'metrics.json'} has no figures of the test split")
    return dict(metrics["test"])
