"""Trials of a sweep: each trained in a worker process, and kept as a file."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bodyshop_core.errors import BodyshopError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from train.models.run_folder import read_json, write_json
from train.recipes.recipe import Recipe, load_recipe
from train.runs.options import TrainOptions
from train.runs.plan import plan_classifier
from train.runs.worker_process import WorkerFailedError, WorkerProcess, wait_for_any

TRIALS = "trials"
"""Folder of the finished trials, one file each: several processes may work on one sweep."""

TRIALS_PER_PROCESS = 8
"""A Keras process grows by about 125 MB per trained network and frees none of it."""


@dataclass(frozen=True)
class Trial:
    """One point of a grid or search, as its worker process needs it.

    Parameters
    ----------
    workspace : Path
        Where the pictures are.
    recipe : Recipe
        With the point's values.
    overrides : Mapping
        The point's values: dotted key -> value.
    options : TrainOptions
        Shared by all trials.
    key : str
        Of everything that decides the result; see `train.runs.plan.plan_key`.
    name : str
        For people.
    """

    workspace: Path
    recipe: Recipe
    overrides: Mapping[str, Any]
    options: TrainOptions
    key: str
    name: str = ""


def make_trial(
    workspace: Workspace,
    recipe: Recipe,
    overrides: Mapping[str, Any],
    options: TrainOptions,
    *,
    name: str,
) -> Trial:
    """Return a trial of a recipe with some keys changed.

    Raises
    ------
    UsageError
        The recipe has no such key.
    ConfigError
        The changed recipe is not valid.
    """
    varied = load_recipe(recipe, overrides=overrides)
    key = plan_classifier(workspace, varied, options).key
    return Trial(workspace.root, varied, overrides, options, key, name)


class Source(Protocol):
    """Where trials come from; called from one thread only."""

    def ask(self) -> Trial | None:
        """Return the next trial; None when no more are wanted."""

    def tell(self, trial: Trial, entry: Mapping[str, Any]) -> None:
        """Take in what a trial came to: its figures, or its ``error``."""


def run_trials(
    folder: Path, source: Source, *, total: int, jobs: int = 1, progress: Progress = SILENT
) -> None:
    """Train what a source asks for, `jobs` trials at a time; a finished one is read from its file.

    The source is told ``overrides``, ``error`` and, without an error, the figures of `run_trial`.

    Parameters
    ----------
    folder : Path
        Of the sweep.
    source : Source
        The trials.
    total : int
        How many are expected; for progress.
    jobs : int
        Number of worker processes.
    progress : Progress
        Told of each trial.
    """
    idle = [WorkerProcess(calls=TRIALS_PER_PROCESS) for _ in range(max(1, jobs))]
    busy: dict[WorkerProcess, Trial] = {}

    def settle(trial: Trial, entry: dict[str, Any]) -> None:
        source.tell(trial, entry)
        tick(1, trial.name + (" failed" if entry["error"] else ""))

    try:
        with progress.task("sweep", total=total) as tick:
            while True:
                while idle and (trial := source.ask()) is not None:
                    known = _finished(_file(folder, trial))
                    if known is not None:
                        settle(trial, known)
                        continue
                    worker = idle.pop()
                    busy[worker] = trial
                    worker.submit(run_trial, trial)
                if not busy:
                    break
                for worker in wait_for_any([*busy]):
                    trial = busy.pop(worker)
                    idle.append(worker)
                    entry = _entry(trial, worker)
                    write_json(_file(folder, trial), entry)
                    settle(trial, entry)
    finally:
        for worker in (*idle, *busy):
            worker.close()


def run_trial(trial: Trial) -> dict[str, Any]:
    """Train one trial and return its validation figures (runs in a worker process).

    Raises
    ------
    BodyshopError
        The pictures, labels or weights are no longer those of the trial's key.
    """
    from train.fit.learn import learn, onehot
    from train.metrics.classification import summary

    workspace = Workspace.open(trial.workspace, create=False)
    began = time.monotonic()
    plan = plan_classifier(workspace, trial.recipe, trial.options)
    if plan.key != trial.key:
        raise BodyshopError(
            "the pictures, labels or weights changed while the sweep was running",
            hint="run the sweep again",
        )
    learned = learn(
        trial.recipe,
        plan.samples,
        workspace.features,
        equalise=plan.equalise,
        weights=plan.weights,
        seed=plan.seed,
        with_linear_probe=False,
    )
    part = plan.samples.of("validation")
    labels = onehot(part, plan.samples.classes).argmax(axis=1)
    rule = trial.recipe.threshold
    figures = summary(
        labels,
        learned.probabilities(part),
        plan.samples.classes,
        # A rule would choose its threshold on the very pictures that judge the trial.
        threshold=rule if isinstance(rule, float) else 0.5,
        positive=1 if len(plan.samples.classes) == 2 else None,
    )
    return {
        **{name: figures[name] for name in ("accuracy", "ci95", "n", "loss")},
        "epochs": [len(history.epochs) for history in learned.histories],
        "seconds": round(time.monotonic() - began, 2),
    }


def _file(folder: Path, trial: Trial) -> Path:
    return folder / TRIALS / f"{trial.key}.json"


def _finished(file: Path) -> dict[str, Any] | None:
    """Return a trial that is there, also when another process has finished it in the meantime."""
    if not file.exists():
        return None
    entry: dict[str, Any] = read_json(file)
    return None if entry["error"] else entry


def _entry(trial: Trial, worker: WorkerProcess) -> dict[str, Any]:
    """Return what is kept of a trial that has ended, also of one that failed or died."""
    entry: dict[str, Any] = {"overrides": dict(trial.overrides), "error": None}
    try:
        return entry | worker.result()
    except WorkerFailedError as error:
        return entry | {"error": str(error), "details": error.details}
    except BodyshopError as error:
        return entry | {"error": str(error)}
