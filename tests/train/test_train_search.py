"""Sweeps whose trials Optuna proposes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sweep_workers
from training_cases import tiny_recipe

import train
from bodyshop_core.catalog import schema
from bodyshop_core.config import parse_yaml
from bodyshop_core.errors import BodyshopError, ConfigError, MissingPartError, UsageError
from bodyshop_core.workspace import Workspace
from train.recipes.recipe import dump
from train.runs import search as searching
from train.runs import trials as trials_module
from train.runs.options import TrainOptions
from train.runs.sweep import SweepSpec

RATE, BATCH, TRAINABLE = (
    "stages.0.optimizer.learning_rate",
    "stages.0.batch_size",
    "stages.0.trainable",
)


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepSpec:
    pytest.importorskip("optuna", reason="the extra search is not installed")
    monkeypatch.setattr(trials_module, "run_trial", sweep_workers.answer_by_rate)
    file = tmp_path / "tiny.yaml"
    file.write_text(dump(tiny_recipe()), encoding="utf-8")
    return parse_yaml(
        f"""
name: found
recipe: {file}
search:
  trials: 8
  space:
    {RATE}: {{low: 0.00001, high: 1.0, log: true}}
    {BATCH}: {{low: 4, high: 32}}
    {TRAINABLE}: [all, {{after_layers: 2}}]
""",
        SweepSpec,
    )


def _calls(workspace: Workspace) -> int:
    return len((workspace.root / "calls.txt").read_text(encoding="utf-8").splitlines())


def test_a_search_proposes_trials_within_its_space_and_is_kept(
    small: Workspace, spec: SweepSpec
) -> None:
    found = train.sweep(small, spec, overrides={"stages.0.epochs": 3})
    assert len(found.trials) == _calls(small) == 8
    for trial in found.trials:
        assert 1e-5 <= trial["overrides"][RATE] <= 1
        assert trial["overrides"][BATCH] in range(4, 33)
        assert trial["overrides"][TRAINABLE] in ("all", {"after_layers": 2})
        assert trial["overrides"]["stages.0.epochs"] == 3
    assert found.best["loss"] == min(trial["loss"] for trial in found.trials)
    assert "--set stages.0.epochs=3" in found.command
    json.dumps(found.as_dict())
    again = train.sweep(small, spec, overrides={"stages.0.epochs": 3})
    assert (again.trials, _calls(small)) == (found.trials, 8)


def test_more_trials_go_on_and_other_labels_begin_anew(small: Workspace, spec: SweepSpec) -> None:
    assert spec.search is not None
    few = spec.model_copy(update={"search": spec.search.model_copy(update={"trials": 2})})
    three = spec.model_copy(update={"search": spec.search.model_copy(update={"trials": 3})})
    first = train.sweep(small, few)
    more = train.sweep(small, three)
    assert more.trials[:2] == first.trials
    assert _calls(small) == 3
    with small.catalog.begin() as connection:
        table = schema.splits
        shas = connection.execute(
            table.select().where(table.c.label == "damaged", table.c.split == "train")
        ).all()
        connection.execute(
            table.update().where(table.c.sha256 == shas[0].sha256).values(label="whole")
        )
    assert len(train.sweep(small, few).trials) == 2
    assert _calls(small) == 5


def test_what_failed_is_trained_when_the_search_is_given_again(
    small: Workspace, spec: SweepSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert spec.search is not None
    few = spec.model_copy(update={"search": spec.search.model_copy(update={"trials": 2})})
    with monkeypatch.context() as patch:
        patch.setattr(trials_module, "run_trial", sweep_workers.fail)
        with pytest.raises(BodyshopError, match="all 2 trials"):
            train.sweep(small, few)
    for _ in range(2):
        found = train.sweep(small, few)
        assert [trial["error"] for trial in found.trials] == [None, None]
        assert _calls(small) == 2


def test_trials_that_another_process_has_in_hand_are_waited_for(
    small: Workspace, spec: SweepSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert spec.search is not None
    few = spec.model_copy(update={"search": spec.search.model_copy(update={"trials": 1})})
    monkeypatch.setattr(searching, "_owner", lambda: "another-machine:1")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(searching.StudySource, "tell", killed)
        with pytest.raises(KeyboardInterrupt):
            train.sweep(small, few)
    with pytest.raises(BodyshopError, match="by another process"):
        train.sweep(small, few)


def test_a_killed_search_trains_its_unfinished_trial_again(
    small: Workspace, spec: SweepSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert spec.search is not None
    few = spec.model_copy(update={"search": spec.search.model_copy(update={"trials": 3})})
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    host = searching._owner().rpartition(":")[0]
    real, told = searching.StudySource.tell, []

    def killed(self: searching.StudySource, trial, entry) -> None:
        told.append(trial.overrides)
        if len(told) == 2:
            raise KeyboardInterrupt
        real(self, trial, entry)

    with monkeypatch.context() as patch:
        patch.setattr(searching, "_owner", lambda: f"{host}:{gone.stdout.strip()}")
        patch.setattr(searching.StudySource, "tell", killed)
        with pytest.raises(KeyboardInterrupt):
            train.sweep(small, few)
    found = train.sweep(small, few)
    assert len(found.trials) == 3
    assert told[1] in [trial["overrides"] for trial in found.trials]
    assert _calls(small) == 3  # its result had been written when it was killed


def _source(
    spec: SweepSpec, workspace: Workspace, folder: Path, trials: int
) -> searching.StudySource:
    assert spec.search is not None

    def make(overrides: Mapping[str, Any]) -> trials_module.Trial:
        options = TrainOptions()
        return trials_module.make_trial(workspace, tiny_recipe(), overrides, options, name="")

    search = spec.search.model_copy(update={"trials": trials})
    return searching.StudySource(
        search, make, name="x", base="x", folder=folder, storage=None, seed=7
    )


def test_processes_that_ask_at_the_same_time_do_not_train_more_than_was_wanted(
    small: Workspace, spec: SweepSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (_source(spec, small, tmp_path / "study", 1) for _ in range(2))
    study, first = one._study, []
    ask = study.ask

    def later(*args: Any) -> Any:
        first.append(other.ask())  # after the one has counted, before it has its trial
        return ask(*args)

    monkeypatch.setattr(study, "ask", later)
    assert one.ask() is None
    assert [trial is not None for trial in first] == [True]
    other.tell(first[0], {"error": None, "loss": 0.5})
    assert len(one.entries()) == 1


def test_a_process_that_goes_on_takes_over_the_trial_of_one_that_was_killed(
    small: Workspace, spec: SweepSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (_source(spec, small, tmp_path / "study", 1) for _ in range(2))
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    host = searching._owner().rpartition(":")[0]
    with monkeypatch.context() as patch:
        patch.setattr(searching, "_owner", lambda: f"{host}:{gone.stdout.strip()}")
        left = one.ask()
    assert left is not None
    found = other.ask()
    assert found is not None and found.overrides == left.overrides


def test_spaces_and_storages_that_cannot_be_are_refused(
    small: Workspace, spec: SweepSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "name: x\nrecipe: bottleneck\nsearch:\n  space:\n    a: {low: 2, high: 1}\n"
    with pytest.raises(ConfigError, match="low must be below high"):
        parse_yaml(text, SweepSpec)
    with pytest.raises(ConfigError, match="above 0"):
        parse_yaml(text.replace("low: 2", "low: 0, log: true"), SweepSpec)
    with pytest.raises(ConfigError, match="either grid or search"):
        parse_yaml(f"{text}grid: {{a: [1]}}\n".replace("low: 2", "low: 0"), SweepSpec)
    with pytest.raises(BodyshopError, match="storage can't be opened"):
        train.sweep(small, spec, storage="nonsense://")
    with pytest.raises(UsageError, match="needs no storage"):
        train.sweep(small, "batch-sizes", storage="sqlite:///x", weights="none")
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingPartError, match="Optuna") as caught:
        train.sweep(small, spec)
    assert "bodyshop[search]" in str(caught.value.hint)
