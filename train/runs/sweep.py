"""Many variants of one recipe on the same data: a table, a plot, and the best one."""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from bodyshop_core.config import StrictModel
from bodyshop_core.errors import BodyshopError, NothingFoundError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from train.metrics.classification import wilson
from train.models.run_folder import read_json, write_json
from train.recipes.recipe import Recipe, load_recipe
from train.recipes.shipped import load_shipped, shipped_names
from train.report.pages import decimal, interval, percent, write_table

TRIALS = "trials"
"""Folder of the finished trials, one file each: several processes may work on one sweep."""

TRIALS_PER_PROCESS = 8
"""A Keras process grows by about 125 MB per trained network and gives nothing back."""


class SweepSpec(StrictModel):
    """A sweep as a YAML file."""

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    description: str = ""
    recipe: str
    grid: dict[str, tuple[Any, ...]] = Field(min_length=1)


@dataclass(frozen=True)
class SweepSummary:
    """What a sweep found.

    Parameters
    ----------
    name : str
        Of the sweep.
    recipe : str
        Name or file of the recipe that was varied.
    folder : Path
        Trials, table and plot.
    trials : tuple of dict
        ``overrides``, ``accuracy``, ``ci95``, ``loss`` (all on validation), ``seconds``, ``error``.
    best : Mapping
        The trial with the highest validation accuracy, the lower loss among equals.
    report : Path
        The HTML table.
    """

    name: str
    recipe: str
    folder: Path
    trials: tuple[dict[str, Any], ...]
    best: Mapping[str, Any]
    report: Path

    @property
    def command(self) -> str:
        """The command that trains the best trial into a run."""
        words = [f"--set {shlex.quote(f'{k}={v}')}" for k, v in self.best["overrides"].items()]
        return " ".join(["bodyshop train", self.recipe, *words])

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {
            "sweep": self.name,
            "trials": list(self.trials),
            "best": dict(self.best),
            "command": self.command,
            "report": str(self.report),
        }


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
    """Train every combination of a grid and judge each on validation; the test split is not seen.

    Trials run in processes of their own. Finished ones are remembered in the sweep's folder: run
    again, only the missing and the failed ones are trained. Several sweeps of the same name, also
    on other machines that see the folder, share what is finished.

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
        Trials at the same time. TensorFlow uses all cores for one; more help where there are many.
    progress : Progress
        Told of each trial.

    Raises
    ------
    BodyshopError
        Every trial failed.
    """
    chosen = load_sweep(spec)
    trials = [dict(overrides or {}) | point for point in grid_points(chosen.grid)]
    for trial in trials:
        load_recipe(chosen.recipe, overrides=trial)  # a wrong key fails now, not in trial 7
    common = {
        "workspace": str(workspace.root),
        "recipe": chosen.recipe,
        "target": target,
        "split_set": split_set,
        "equalise": equalise,
        "weights": str(weights) if weights is not None else None,
        "seed": seed,
    }
    with workspace.record_run("sweep", {**common, "sweep": chosen.name}) as record:
        folder = workspace.runs / f"sweep-{chosen.name}"
        results = _run_trials(folder, common, trials, jobs, progress)
        record.counts = {"trials": len(results), "folder": folder.name}
    good = [trial for trial in results if not trial["error"]]
    if not good:
        raise BodyshopError(
            f"all {len(results)} trials of sweep '{chosen.name}' failed, the first with: "
            f"{results[0]['error']}"
        )
    best = max(good, key=lambda trial: (trial["accuracy"], -trial["loss"]))
    report = _report(folder, chosen, results, best)
    return SweepSummary(chosen.name, chosen.recipe, folder, tuple(results), best, report)


def grid_points(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of a grid's values, the last key changing fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def run_trial(job: Mapping[str, Any]) -> dict[str, Any]:
    """Train one combination and return its validation figures (runs in a worker process)."""
    import time

    from train.fit.learn import learn, onehot
    from train.metrics.classification import summary
    from train.runs.plan import RunPlan

    workspace = Workspace.open(job["workspace"], create=False)
    recipe: Recipe = load_recipe(job["recipe"], overrides=job["overrides"])
    began = time.monotonic()
    plan = RunPlan.make(
        workspace,
        recipe,
        target=job["target"],
        split_set=job["split_set"],
        equalise=job["equalise"],
        weights=job["weights"],
        gate=None,
        seed=job["seed"],
        progress=SILENT,
    )
    learned = learn(
        recipe,
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
        "accuracy": figures["accuracy"],
        "right": figures["right"],
        "n": figures["n"],
        "loss": figures["loss"],
        "epochs": [len(history.epochs) for history in learned.histories],
        "seconds": round(time.monotonic() - began, 2),
    }


def _run_trials(
    folder: Path,
    common: Mapping[str, Any],
    trials: Sequence[Mapping[str, Any]],
    jobs: int,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Train what is not finished yet, `jobs` at a time; returns every trial's entry in order."""
    files = [folder / TRIALS / f"{_key(common, trial)}.json" for trial in trials]
    # One process per worker: a trial that takes its process with it takes no other.
    pools: list[ProcessPoolExecutor | None] = [None] * max(1, jobs)
    waiting = list(range(len(trials)))
    running: dict[Future[dict[str, Any]], tuple[int, int]] = {}
    try:
        with progress.task("sweep", total=len(trials)) as tick:
            while waiting or running:
                free = set(range(len(pools))) - {worker for worker, _ in running.values()}
                while waiting and free:
                    place = waiting.pop(0)
                    if _is_finished(files[place]):
                        tick(1, _spell(trials[place]))
                        continue
                    worker = free.pop()
                    pool = pools[worker] or _pool()
                    pools[worker] = pool
                    job = {**common, "overrides": dict(trials[place])}
                    running[pool.submit(run_trial, job)] = (worker, place)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    worker, place = running.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        pools[worker] = None
                    write_json(files[place], _entry(trials[place], future))
                    tick(1, _spell(trials[place]))
    finally:
        for each in pools:
            if each is not None:
                each.shutdown(cancel_futures=True)
    return [read_json(file) for file in files]


def _is_finished(file: Path) -> bool:
    """Say whether a trial is there, also when another process has finished it in the meantime."""
    return file.exists() and not read_json(file)["error"]


def _entry(trial: Mapping[str, Any], future: Future[dict[str, Any]]) -> dict[str, Any]:
    """Return what is remembered of a trial that ended.

    Raises
    ------
    NothingFoundError
        There is nothing to train on: no other trial would fare better.
    """
    entry: dict[str, Any] = {"overrides": dict(trial), "error": None}
    try:
        entry |= future.result()
    except BrokenProcessPool:
        return entry | {"error": "the trial's process died (out of memory?)"}
    except NothingFoundError:
        raise
    except BodyshopError as error:
        return entry | {"error": str(error)}
    return entry | {"ci95": list(wilson(entry["right"], entry["n"]))}


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        max_workers=1,
        mp_context=multiprocessing.get_context("spawn"),
        max_tasks_per_child=TRIALS_PER_PROCESS,
    )


def _key(common: Mapping[str, Any], trial: Mapping[str, Any]) -> str:
    settings = {name: value for name, value in common.items() if name != "workspace"}
    text = json.dumps([settings, dict(trial)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _spell(overrides: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.split('.')[-1]}={value}" for key, value in overrides.items())


def _report(
    folder: Path, spec: SweepSpec, trials: Sequence[Mapping[str, Any]], best: Mapping[str, Any]
) -> Path:
    from train.report.plots import plot_trials

    labels = [_spell(trial["overrides"]) for trial in trials]
    good = [
        (label, trial) for label, trial in zip(labels, trials, strict=True) if not trial["error"]
    ]
    plot_trials(
        [label for label, _ in good],
        [trial["accuracy"] for _, trial in good],
        [trial["ci95"] for _, trial in good],
        folder / "trials.png",
    )
    rows = [
        [
            label,
            percent(trial["accuracy"]) if not trial["error"] else "failed",
            interval(trial["ci95"]) if not trial["error"] else trial["error"],
            decimal(trial["loss"]) if not trial["error"] else "–",
            f"{trial['seconds']:.0f}" if not trial["error"] else "–",
        ]
        for label, trial in zip(labels, trials, strict=True)
    ]
    return write_table(
        folder / "report.html",
        title=f"sweep {spec.name}",
        subtitle=f"recipe {spec.recipe} · {spec.description}",
        note=f"Best on validation: {_spell(best['overrides'])} ({percent(best['accuracy'])}). "
        "Intervals that overlap are no difference; the test split was not looked at.",
        columns=["trial", "validation accuracy", "95 %", "loss", "seconds"],
        rows=rows,
        highlight=trials.index(best),
        plots=["trials.png"],
    )
