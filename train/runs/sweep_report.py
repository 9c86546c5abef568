"""What a sweep came to: a table, a plot, and the command that trains the best trial."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.report.pages import decimal, interval, percent, write_table
from train.report.plots import plot_trials
from train.runs.options import TrainOptions


def trial_command(recipe: str, overrides: Mapping[str, Any], options: TrainOptions) -> str:
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


def trial_names(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a name per trial; keys are shortened to their last part where that is unique."""
    keys = {key for point in points for key in point}
    last = Counter(key.rpartition(".")[2] for key in keys)
    short = {key: key.rpartition(".")[2] for key in keys}
    short = {key: part if last[part] == 1 else key for key, part in short.items()}
    return [", ".join(f"{short[key]}={value}" for key, value in point.items()) for point in points]


def write_sweep_report(
    folder: Path,
    sweep: str,
    description: str,
    trials: Sequence[Mapping[str, Any]],
    best: Mapping[str, Any],
) -> Path:
    """Write ``trials.png`` and ``report.html``; a row per trial, the best one highlighted."""
    names = trial_names([trial["overrides"] for trial in trials])
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
        title=f"sweep {sweep}",
        subtitle=description,
        note=f"Best on validation: {names[place]} ({percent(best['accuracy'])}). Trials whose "
        "intervals overlap may not differ. The test split was not used.",
        columns=["trial", "validation accuracy", "95 % interval", "loss", "seconds"],
        rows=rows,
        highlight=place,
        plots=["trials.png"],
    )
