"""Many variants of one recipe on the same data: a table, a plot, and the best one."""

from __future__ import annotations

import itertools
import json
import shlex
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from bodyshop_core.config import StrictModel
from bodyshop_core.errors import BodyshopError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace
from train.models.run_folder import read_json, write_json
from train.recipes.recipe import Recipe, load_recipe
from train.recipes.shipped import load_shipped, shipped_names
from train.report.pages import decimal, interval, percent, write_table
from train.runs.options import TrainOptions
from train.runs.plan import plan_classifier
from train.runs.worker_process import WorkerFailedError, WorkerProcess, wait_for_any

TRIALS = "trials"
"""Folder of the finished trials, one file each: several processes may work on one sweep."""

TRIALS_PER_PROCESS = 8
"""A Keras process grows by about 125 MB per trained network and frees none of it."""


class SweepSpec(StrictModel):
    """A sweep as a YAML file."""

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    description: str = ""
    recipe: str
    grid: dict[str, tuple[Any, ...]] = Field(min_length=1)


@dataclass(frozen=True)
class Trial:
    """One point of the grid, as its worker process needs it.

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
    """

    workspace: Path
    recipe: Recipe
    overrides: Mapping[str, Any]
    options: TrainOptions
    key: str


@dataclass(frozen=True)
class SweepSummary(Summary):
    """Result of a sweep.

    Parameters
    ----------
    sweep : str
        Its name.
    recipe : str
        Name or file of the recipe that was varied.
    folder : Path
        Trials, table and plot.
    trials : tuple of dict
        ``overrides`` and ``error``; of a trial that succeeded also ``accuracy``, ``ci95`` and
        ``loss`` (on validation), ``n``, ``epochs`` and ``seconds``.
    best : Mapping
        The trial with the highest validation accuracy; of equals, the one with the lowest loss.
    command : str
        The command that trains the best trial as a run.
    report : Path
        The HTML table.
    """

    sweep: str
    recipe: str
    folder: Path
    trials: tuple[dict[str, Any], ...]
    best: Mapping[str, Any]
    command: str
    report: Path


def sweep_names() -> tuple[str, ...]:
    """Return the names of the shipped sweeps."""
    return shipped_names("sweeps")


def load_sweep(name_or_path: str | Path | SweepSpec) -> SweepSpec:
    """Read a shipped sweep by name, or a YAML file.

    Raises
    ------
    UsageError
        No shipped sweep has that name.
    ConfigError
        The file is not valid.
    """
    return load_shipped(name_or_path, SweepSpec, "sweeps", what="sweep")


def sweep(
    workspace: Workspace,
    spec: str | Path | SweepSpec,
    *,
    target: str | None = None,
    split_set: str | None = None,
    equalise: bool | None = None,
    weights: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int = 7,
    jobs: int = 1,
    progress: Progress = SILENT,
) -> SweepSummary:
    """Train every combination of a grid and test each on validation; the test split is not used.

    Trials run in worker processes; one that fails or dies is recorded with its error, the others
    go on. Finished trials are kept in the sweep's folder, each under a key of its recipe, pictures,
    labels, weights and settings: run again, only new, changed and failed ones are trained. Several
    sweeps of the same name, also on other machines that share the folder, share finished trials.

    Parameters
    ----------
    workspace : Workspace
        With curated splits.
    spec : str, Path or SweepSpec
        A shipped sweep's name or a YAML file.
    target, split_set, equalise, weights, seed
        As `train.train`.
    overrides : Mapping, optional
        Applied to the recipe before the grid.
    jobs : int
        Trials at the same time. TensorFlow uses all cores for one; more help on large machines.
    progress : Progress
        Reports one step per trial.

    Raises
    ------
    UsageError
        No such sweep, recipe, split set or weights file, or the grid names a key that the recipe
        does not have.
    NothingFoundError
        There is no split set, or it is empty.
    BodyshopError
        Every trial failed.
    """
    chosen = load_sweep(spec)
    options = TrainOptions(target, split_set, equalise, weights, seed=seed)
    points = [dict(overrides or {}) | point for point in grid_points(chosen.grid)]
    recipe = load_recipe(chosen.recipe)
    # All recipes first: a wrong key fails now and not in trial 7.
    recipes = [load_recipe(recipe, overrides=point) for point in points]
    trials = [
        Trial(
            workspace.root, varied, point, options, plan_classifier(workspace, varied, options).key
        )
        for varied, point in zip(recipes, points, strict=True)
    ]
    arguments = {
        "sweep": chosen.name,
        "recipe": chosen.recipe,
        "overrides": dict(overrides or {}),
        "target": target,
        "split_set": split_set,
        "equalise": equalise,
        "weights": str(weights) if weights is not None else None,
        "seed": seed,
    }
    with workspace.record_run("sweep", arguments) as record:
        folder = workspace.runs / f"sweep-{chosen.name}"
        results = _run_trials(folder, trials, jobs, progress)
        record.counts = {
            "trials": len(results),
            "failed": sum(bool(trial["error"]) for trial in results),
            "folder": folder.name,
        }
    good = [trial for trial in results if not trial["error"]]
    if not good:
        raise BodyshopError(
            f"all {len(results)} trials of sweep '{chosen.name}' failed, the first with: "
            f"{results[0]['error']}"
        )
    best = max(good, key=lambda trial: (trial["accuracy"], -trial["loss"]))
    report = _report(folder, chosen, results, best)
    command = _command(chosen.recipe, best["overrides"], options)
    return SweepSummary(chosen.name, chosen.recipe, folder, tuple(results), best, command, report)


def grid_points(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of a grid's values, the last key changing fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def run_trial(trial: Trial) -> dict[str, Any]:
    """Train one trial and return its validation figures (runs in a worker process).

    Raises
    ------
    BodyshopError
        The pictures, labels or weights are no longer those of the trial's key.
    """
    import time

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
    figures = summary(labels, learned.probabilities(part), plan.samples.classes)
    return {
        **{name: figures[name] for name in ("accuracy", "ci95", "n", "loss")},
        "epochs": [len(history.epochs) for history in learned.histories],
        "seconds": round(time.monotonic() - began, 2),
    }


def _run_trials(
    folder: Path, trials: Sequence[Trial], jobs: int, progress: Progress
) -> list[dict[str, Any]]:
    """Train what is not finished yet, `jobs` at a time; returns every trial's entry in order."""
    files = [folder / TRIALS / f"{trial.key}.json" for trial in trials]
    names = _names([trial.overrides for trial in trials])
    waiting = deque(range(len(trials)))
    idle = [WorkerProcess(calls=TRIALS_PER_PROCESS) for _ in range(max(1, jobs))]
    busy: dict[WorkerProcess, int] = {}
    try:
        with progress.task("sweep", total=len(trials)) as tick:
            while waiting or busy:
                while waiting and idle:
                    place = waiting.popleft()
                    if _is_finished(files[place]):
                        tick(1, names[place])
                        continue
                    worker = idle.pop()
                    busy[worker] = place
                    worker.submit(run_trial, trials[place])
                for worker in wait_for_any([*busy]):
                    place = busy.pop(worker)
                    idle.append(worker)
                    entry = _entry(trials[place], worker)
                    write_json(files[place], entry)
                    tick(1, names[place] + (" failed" if entry["error"] else ""))
    finally:
        for worker in (*idle, *busy):
            worker.close()
    # the same plan may have been asked for with other overrides before
    return [
        read_json(file) | {"overrides": dict(trial.overrides)}
        for file, trial in zip(files, trials, strict=True)
    ]


def _is_finished(file: Path) -> bool:
    """Say whether a trial is there, also when another process has finished it in the meantime."""
    return file.exists() and not read_json(file)["error"]


def _entry(trial: Trial, worker: WorkerProcess) -> dict[str, Any]:
    """Return what is kept of a trial that has ended, also of one that failed or died."""
    entry: dict[str, Any] = {"overrides": dict(trial.overrides), "error": None}
    try:
        return entry | worker.result()
    except WorkerFailedError as error:
        return entry | {"error": str(error), "details": error.details}
    except BodyshopError as error:
        return entry | {"error": str(error)}


def _command(recipe: str, overrides: Mapping[str, Any], options: TrainOptions) -> str:
    """Return the command line that trains one trial as a run."""
    words = ["bodyshop", "train", recipe]
    for key, value in overrides.items():
        words += ["--set", f"{key}={json.dumps(value, ensure_ascii=False)}"]
    for option, given, default in (
        ("--target", options.target, None),
        ("--split-set", options.split_set, None),
        ("--weights", options.weights, None),
        ("--seed", options.seed, TrainOptions.seed),
    ):
        if given != default:
            words += [option, str(given)]
    if options.equalise is False:
        words.append("--no-equalise")
    return shlex.join(words)


def _names(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a name per trial; keys are shortened to their last part where that is unique."""
    keys = {key for point in points for key in point}
    last = Counter(key.rpartition(".")[2] for key in keys)
    short = {key: key.rpartition(".")[2] for key in keys}
    short = {key: part if last[part] == 1 else key for key, part in short.items()}
    return [", ".join(f"{short[key]}={value}" for key, value in point.items()) for point in points]


def _report(
    folder: Path, spec: SweepSpec, trials: Sequence[Mapping[str, Any]], best: Mapping[str, Any]
) -> Path:
    from train.report.plots import plot_trials

    names = _names([trial["overrides"] for trial in trials])
    good = [(name, trial) for name, trial in zip(names, trials, strict=True) if not trial["error"]]
    plot_trials(
        [name for name, _ in good],
        [trial["accuracy"] for _, trial in good],
        [trial["ci95"] for _, trial in good],
        folder / "trials.png",
    )
    rows = [
        [name, "failed", trial["error"], "–", "–"]
        if trial["error"]
        else [
            name,
            percent(trial["accuracy"]),
            interval(trial["ci95"]),
            decimal(trial["loss"]),
            f"{trial['seconds']:.0f}",
        ]
        for name, trial in zip(names, trials, strict=True)
    ]
    place = trials.index(best)
    return write_table(
        folder / "report.html",
        title=f"sweep {spec.name}",
        subtitle=f"recipe {spec.recipe} · {spec.description}",
        note=f"Best on validation: {names[place]} ({percent(best['accuracy'])}). Trials whose "
        "intervals overlap may not differ. The test split was not used.",
        columns=["trial", "validation accuracy", "95 % interval", "loss", "seconds"],
        rows=rows,
        highlight=place,
        plots=["trials.png"],
    )
