"""Stand-ins for the work of train's worker processes; importable there, unlike a test module."""

from __future__ import annotations

import math
import os
import signal
import time
from pathlib import Path
from typing import Any

from bodyshop_core.errors import BodyshopError
from train.runs.trials import Trial

FIGURES = {"accuracy": 0.5, "ci95": [0.2, 0.8], "n": 8, "loss": 0.7, "epochs": [1], "seconds": 0.1}


def answer(trial: Trial) -> dict[str, Any]:
    """Answer at once, and leave a trace of having been called."""
    with (trial.workspace / "calls.txt").open("a", encoding="utf-8") as calls:
        calls.write(f"{trial.key}\n")
    return dict(FIGURES)


def meet_the_other(trial: Trial) -> dict[str, Any]:
    """End only when a second trial runs at the same time."""
    place = trial.workspace / "meeting"
    place.mkdir(exist_ok=True)
    (place / trial.key).touch()
    deadline = time.monotonic() + 60
    while len(list(place.iterdir())) < 2:
        if time.monotonic() > deadline:
            raise BodyshopError("the other trial did not start")
        time.sleep(0.02)
    return dict(FIGURES)


def fail_in_every_way(trial: Trial) -> dict[str, Any]:
    """Answer, exit, be killed or raise: by the number of epochs."""
    epochs = trial.recipe.stages[0].epochs
    if epochs == 2:
        os._exit(9)
    if epochs == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if epochs == 4:
        raise RuntimeError("a bug")
    if epochs == 5:
        raise BodyshopError("the loss diverged", hint="lower the learning rate")
    return dict(FIGURES)


def fail(trial: Trial) -> dict[str, Any]:
    raise BodyshopError(f"no space is left for {trial.key}")


def die_on_mobilenet(job: dict[str, Any]) -> dict[str, Any]:
    """Measure every backbone but one, which takes its process down."""
    if job["name"] == "mobilenet":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"parameters": 3_000_000, "seconds_per_picture": 0.01, "peak_mib": 700.0}


def die(job: dict[str, Any]) -> dict[str, Any]:
    os._exit(7)


def own_process(job: dict[str, Any]) -> int:
    """Return the id of the process that was asked."""
    return os.getpid()


def is_running(process: int) -> bool:
    """Say whether a process runs; one that has ended and was not waited for does not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
        threads = len(list(Path(f"/proc/{process}/task").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return False
    # the first thread may have ended while others still do: until then nobody can wait for it
    return threads > 1 or status.rpartition(")")[2].split()[0] != "Z"


def answer_by_rate(trial: Trial) -> dict[str, Any]:
    """Answer with a loss that is lowest at a learning rate of 0.01, and leave a trace."""
    answer(trial)
    distance = abs(math.log10(trial.recipe.stages[0].optimizer.learning_rate) + 2)
    return {**FIGURES, "loss": distance, "accuracy": 1 / (1 + distance)}
