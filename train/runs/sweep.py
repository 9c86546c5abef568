"""Many variants of one recipe on the same data: a table, a plot, and the best one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from bodyshop_core.config import StrictModel
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace
from train.recipes.recipe import load_recipe
from train.recipes.shipped import load_shipped, shipped_names
from train.runs.options import TrainOptions
from train.runs.plan import plan_classifier
from train.runs.search import Search, StudySource
from train.runs.sweep_report import trial_command, trial_names, write_sweep_report
from train.runs.trials import Trial, make_trial, run_trials


class SweepSpec(StrictModel):
    """A sweep as a YAML file: every point of a `grid`, or a `search` of some points."""

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    description: str = ""
    recipe: str
    grid: dict[str, tuple[Any, ...]] | None = Field(default=None, min_length=1)
    search: Search | None = None

    @model_validator(mode="after")
    def _one_way(self) -> SweepSpec:
        if (self.grid is None) == (self.search is None):
            raise ValueError("give either grid or search")
        return self


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
    storage: str | None = None,
    progress: Progress = SILENT,
) -> SweepSummary:
    """Train variants of a recipe and test each on validation; the test split is not used.

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
        Applied to the recipe before the grid or search.
    jobs : int
        Trials at the same time. TensorFlow uses all cores for one; more help on large machines.
    storage : str, optional
        Where a search is kept: a database URL of SQLAlchemy, such as one of PostgreSQL that several
        machines share; by default a SQLite file in the sweep's folder.
    progress : Progress
        Reports one step per trial.

    Raises
    ------
    UsageError
        No such sweep, recipe, split set or weights file; the sweep names a key that the recipe
        does not have; or a storage is given for a grid.
    MissingPartError
        Optuna, which searches need, is not installed.
    NothingFoundError
        There is no split set, or it is empty.
    BodyshopError
        Every trial failed, or another process is training all of them.
    """
    chosen = load_sweep(spec)
    options = TrainOptions(target, split_set, equalise, weights, seed=seed)
    fixed = dict(overrides or {})
    folder = workspace.runs / f"sweep-{chosen.name}"
    source: GridSource | StudySource
    if chosen.search is not None:
        recipe = load_recipe(chosen.recipe, overrides=fixed)
        make = partial(_changed, workspace, chosen.recipe, fixed, options)
        base = plan_classifier(workspace, recipe, options).key
        source = StudySource(
            chosen.search,
            make,
            name=chosen.name,
            base=base,
            folder=folder,
            storage=storage,
            seed=seed,
        )
    elif storage is not None:
        raise UsageError(
            f"sweep '{chosen.name}' has a grid: it needs no storage",
            hint="finished trials are kept in the sweep's folder",
        )
    else:
        source = GridSource(_grid_trials(workspace, chosen, fixed, options))
    arguments = {
        "sweep": chosen.name,
        "recipe": chosen.recipe,
        "overrides": fixed,
        "target": target,
        "split_set": split_set,
        "equalise": equalise,
        "weights": str(weights) if weights is not None else None,
        "seed": seed,
    }
    with workspace.record_run("sweep", arguments) as record:
        run_trials(folder, source, total=source.total, jobs=jobs, progress=progress)
        results = source.entries()
        record.counts = {
            "trials": len(results),
            "failed": sum(bool(trial["error"]) for trial in results),
            "folder": folder.name,
        }
    good = [trial for trial in results if not trial["error"]]
    if not results:
        raise BodyshopError(
            f"all trials of sweep '{chosen.name}' are being trained by another process",
            hint="give the command again when it has finished the first",
        )
    if not good:
        raise BodyshopError(
            f"all {len(results)} trials of sweep '{chosen.name}' failed, the first with: "
            f"{results[0]['error']}"
        )
    best = max(good, key=lambda trial: (trial["accuracy"], -trial["loss"]))
    description = f"recipe {chosen.recipe} · {chosen.description}"
    report = write_sweep_report(folder, chosen.name, description, results, best)
    command = trial_command(chosen.recipe, best["overrides"], options)
    return SweepSummary(chosen.name, chosen.recipe, folder, tuple(results), best, command, report)


class GridSource:
    """The trials of a grid, one after the other (see `train.runs.trials.Source`)."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self.total = len(trials)
        self._places = {id(trial): place for place, trial in enumerate(trials)}
        self._waiting = iter(trials)
        self._entries: dict[int, dict[str, Any]] = {}

    def ask(self) -> Trial | None:
        """Return the next point's trial."""
        return next(self._waiting, None)

    def tell(self, trial: Trial, entry: Mapping[str, Any]) -> None:
        """Keep the outcome."""
        # the same plan may have been asked for with other overrides before
        self._entries[self._places[id(trial)]] = {**entry, "overrides": dict(trial.overrides)}

    def entries(self) -> list[dict[str, Any]]:
        """Return what the trials came to, in the order of the grid."""
        return [self._entries[place] for place in sorted(self._entries)]


def grid_points(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of a grid's values, the last key changing fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _grid_trials(
    workspace: Workspace, spec: SweepSpec, fixed: Mapping[str, Any], options: TrainOptions
) -> list[Trial]:
    """Return all trials at once: a wrong key fails now and not in trial 7."""
    recipe = load_recipe(spec.recipe)
    points = [{**fixed, **point} for point in grid_points(spec.grid or {})]
    for point in points:
        load_recipe(recipe, overrides=point)
    return [
        make_trial(workspace, recipe, point, options, name=name)
        for point, name in zip(points, trial_names(points), strict=True)
    ]


def _changed(
    workspace: Workspace,
    recipe: str,
    fixed: Mapping[str, Any],
    options: TrainOptions,
    overrides: Mapping[str, Any],
) -> Trial:
    """Return a trial that a search proposes."""
    (name,) = trial_names([overrides])
    return make_trial(workspace, load_recipe(recipe), {**fixed, **overrides}, options, name=name)
