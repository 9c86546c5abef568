"""One procedure for all runs: return the finished one, resume the interrupted one, or train."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.locking import locked
from bodyshop_core.progress import Progress
from bodyshop_core.snapshots import record_state
from bodyshop_core.workspace import Workspace
from train.models.run_folder import RECORD_FILE, read_json, write_json
from train.runs.plan import PLAN_FILE, RunPlan, plan_key
from train.runs.summary import SUMMARY_FILE, TrainSummary, read_summary, save_summary

STATE_FOLDER = "state"
"""Below the run's folder, as long as there is something to resume."""

LOCK = ".lock"
"""In the run's folder: held by the process that trains it."""

START_LOCK = ".start.lock"
"""In the folder of all runs: held while a process decides which run is its own."""


class Fit(Protocol):
    """Trains as planned and writes the run's folder."""

    def __call__(self, folder: Path, *, run: str) -> TrainSummary:
        """Train a run of this name."""


def execute(
    workspace: Workspace,
    command: str,
    plan: RunPlan[Any, Any],
    fit: Fit,
    *,
    anew: bool,
    progress: Progress,
) -> TrainSummary:
    """Carry out a plan, unless a finished run has the same one.

    Parameters
    ----------
    workspace : Workspace
        Where the run is recorded.
    command : str
        ``train`` or ``segment``: how the run's name begins.
    plan : RunPlan
        With the name of the run to resume, if one was given.
    fit : callable
        (folder, run=name) -> summary: trains, from the state in the folder if there is one, and
        writes everything into the folder.
    anew : bool
        Train even when a run with the same plan exists.
    progress : Progress
        Told which run is returned or resumed.

    Raises
    ------
    UsageError
        Another process trains the same run now.
    """
    described = plan.as_dict()  # once: it reads every mask that is learned from
    with ExitStack() as held:
        # One process at a time decides: a second identical command then sees the first one's run.
        with locked(workspace.runs / START_LOCK, wait=True):
            run = plan.run or (None if anew else find_same(workspace, plan_key(described), command))
            if run is not None:
                folder = workspace.runs / run
                if not is_finished(folder):
                    held.enter_context(locked(folder / LOCK, taken=_taken(run)))
                if is_finished(folder):  # perhaps since a moment ago
                    progress.log(f"run {run} has the same recipe, data, weights, settings and seed")
                    return read_summary(folder)
                progress.log(f"resuming the interrupted run {run}")
            record = held.enter_context(workspace.record_run(command, described, run=run))
            if run is None:
                held.enter_context(locked(record.folder / LOCK))
            (record.folder / STATE_FOLDER).mkdir(exist_ok=True)
            write_json(record.folder / PLAN_FILE, described)
        state = record_state(workspace).id
        workspace.note_data_state(record, state)
        result = replace(fit(record.folder, run=record.id), snapshot=state)
        save_summary(result)
        # Only now is there nothing left to resume.
        shutil.rmtree(record.folder / STATE_FOLDER, ignore_errors=True)
        with suppress(OSError):  # Windows removes no open file; an empty one is left behind
            (record.folder / LOCK).unlink()
        record.counts = result.counts
    return result


def find_same(workspace: Workspace, key: str, command: str) -> str | None:
    """Return the newest run with this plan key that is finished or can be resumed, or None."""
    for file in sorted(workspace.runs.glob(f"{command}-*/{PLAN_FILE}"), reverse=True):
        try:
            stored = read_json(file)
        except BodyshopError:  # a damaged plan is the plan of no run
            continue
        folder = file.parent
        resumable = is_finished(folder) or (folder / STATE_FOLDER).is_dir()
        if resumable and isinstance(stored, dict) and plan_key(stored) == key:
            return folder.name
    return None


def find_interrupted(workspace: Workspace, run: str | Path) -> Path:
    """Return the folder of an interrupted run.

    Parameters
    ----------
    workspace : Workspace
        Where its folder is.
    run : str or Path
        Its name or folder.

    Raises
    ------
    UsageError
        There is no such run, or it is finished.
    """
    folder = Path(run) if Path(run).is_dir() else workspace.runs / str(run)
    if not (folder / PLAN_FILE).exists():
        raise UsageError(
            f"there is no run '{run}' to resume", hint="bodyshop status lists the runs"
        )
    if is_finished(folder):
        raise UsageError(f"run '{folder.name}' is finished: there is nothing to resume")
    return folder


def is_finished(folder: Path) -> bool:
    """Say whether a run's folder holds everything."""
    return all((folder / name).exists() for name in (RECORD_FILE, SUMMARY_FILE))


def _taken(run: str) -> str:
    return (
        f"run '{run}' has the same plan, and another process is training it now: wait for it, or "
        "train another one with --anew"
    )
