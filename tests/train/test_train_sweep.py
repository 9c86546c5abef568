"""Sweeps: what is trained, what is remembered, and what happens when a trial fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sweep_workers
from training_cases import tiny_recipe

import train
from bodyshop_core.catalog import schema
from bodyshop_core.errors import BodyshopError, ConfigError, UsageError
from bodyshop_core.workspace import Workspace
from train.data.samples import load_samples
from train.recipes.recipe import dump, load_recipe
from train.runs import trials as sweeping
from train.runs.options import TrainOptions
from train.runs.plan import plan_classifier
from train.runs.sweep import SweepSpec, grid_points

EPOCHS = "stages.0.epochs"


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.yaml"
    file.write_text(dump(tiny_recipe()), encoding="utf-8")
    return file


def calls(workspace: Workspace) -> int:
    """How often `sweep_workers.answer` was called."""
    return len((workspace.root / "calls.txt").read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("name", train.sweep_names())
def test_every_point_of_a_shipped_sweep_is_a_valid_recipe(name: str) -> None:
    spec = train.load_sweep(name)
    points = grid_points(spec.grid)
    assert len(points) == np.prod([len(values) for values in spec.grid.values()])
    for point in points:
        load_recipe(spec.recipe, overrides=point)


def test_the_freeze_points_are_those_of_the_study() -> None:
    spec = train.load_sweep("freeze-points")
    frozen = spec.grid["stages.0.trainable.after_layers"]
    assert [n + 1 for n in frozen] == [52, 56, 140, 144, 147, 151, 312, 316]


def test_a_sweep_trains_each_point_once_and_names_the_best(
    small: Workspace, recipe_file: Path
) -> None:
    rates = "stages.0.optimizer.learning_rate"
    spec = SweepSpec(
        name="rates", recipe=str(recipe_file), grid={rates: (1e-7, 0.01), EPOCHS: (3,)}
    )
    found = train.sweep(small, spec, seed=5)
    assert len(found.trials) == 2
    assert found.best in found.trials
    assert f"--set {rates}={found.best['overrides'][rates]}" in found.command
    assert found.command.endswith("--seed 5")
    assert found.best["loss"] == min(
        t["loss"] for t in found.trials if t["accuracy"] == found.best["accuracy"]
    )
    assert (found.folder / "trials.png").exists()
    # What is finished is not trained again, in this process or another.
    files = sorted((found.folder / "trials").glob("*.json"))
    stamps = [file.stat().st_mtime_ns for file in files]
    assert len(files) == 2
    again = train.sweep(small, spec, seed=5, jobs=2)
    assert again.trials == found.trials
    assert [file.stat().st_mtime_ns for file in files] == stamps


def test_a_trial_that_is_there_already_is_shown_with_the_overrides_of_this_sweep(
    small: Workspace, recipe_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "run_trial", sweep_workers.answer)
    recipe = load_recipe("bottleneck", overrides={EPOCHS: 5})
    recipe_file.write_text(dump(recipe), encoding="utf-8")
    rates = "stages.0.optimizer.learning_rate"
    rate = recipe.stages[0].optimizer.learning_rate
    train.sweep(small, SweepSpec(name="a", recipe=str(recipe_file), grid={rates: (rate,)}))
    other = train.sweep(small, SweepSpec(name="a", recipe=str(recipe_file), grid={EPOCHS: (5,)}))
    assert calls(small) == 1  # the plan is the same
    assert [trial["overrides"] for trial in other.trials] == [{EPOCHS: 5}]
    assert f"--set {EPOCHS}=5" in other.command


def flip_a_label(workspace: Workspace, recipe_file: Path) -> None:
    first = load_samples(workspace).of("train")[0]
    other = "whole" if first.label == "damaged" else "damaged"
    splits = schema.splits
    with workspace.catalog.begin() as connection:
        connection.execute(
            splits.update().where(splits.c.sha256 == first.sha256).values(label=other)
        )


def remove_a_picture(workspace: Workspace, recipe_file: Path) -> None:
    first = load_samples(workspace).of("train")[0].sha256
    with workspace.catalog.begin() as connection:
        connection.execute(schema.splits.delete().where(schema.splits.c.sha256 == first))


def edit_the_recipe(workspace: Workspace, recipe_file: Path) -> None:
    text = recipe_file.read_text(encoding="utf-8")
    changed = text.replace("batch_size: 32", "batch_size: 4")
    assert changed != text
    recipe_file.write_text(changed, encoding="utf-8")


def replace_the_weights(workspace: Workspace, recipe_file: Path) -> None:
    recipe_file.with_name("weights.h5").write_bytes(b"other weights")


@pytest.mark.parametrize(
    "change", [flip_a_label, remove_a_picture, edit_the_recipe, replace_the_weights]
)
def test_a_trial_is_trained_again_when_what_it_learns_from_changed(
    small: Workspace, recipe_file: Path, change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "run_trial", sweep_workers.answer)
    recipe_file.write_text(dump(load_recipe("bottleneck")), encoding="utf-8")
    weights = recipe_file.with_name("weights.h5")
    weights.write_bytes(b"weights")
    spec = SweepSpec(name="keys", recipe=str(recipe_file), grid={EPOCHS: (1,)})
    for expected in (1, 1):
        train.sweep(small, spec, weights=weights)
        assert calls(small) == expected
    change(small, recipe_file)
    for expected in (2, 2):
        train.sweep(small, spec, weights=weights)
        assert calls(small) == expected


def test_a_trial_refuses_pictures_that_changed_since_the_sweep_began(
    small: Workspace, recipe_file: Path
) -> None:
    recipe, options = load_recipe(recipe_file), TrainOptions()
    key = plan_classifier(small, recipe, options).key
    trial = sweeping.Trial(small.root, recipe, {}, options, key)
    flip_a_label(small, recipe_file)
    with pytest.raises(BodyshopError, match="changed while the sweep was running"):
        sweeping.run_trial(trial)


def test_two_trials_run_at_the_same_time(
    small: Workspace, recipe_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "run_trial", sweep_workers.meet_the_other)
    spec = SweepSpec(name="pairs", recipe=str(recipe_file), grid={EPOCHS: (1, 2)})
    found = train.sweep(small, spec, jobs=2)
    assert [trial["error"] for trial in found.trials] == [None, None]


def test_an_interrupted_sweep_goes_on_with_what_is_missing(
    small: Workspace, recipe_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "run_trial", sweep_workers.answer)
    spec = SweepSpec(name="parts", recipe=str(recipe_file), grid={EPOCHS: (1, 3, 4)})
    real, written = sweeping.write_json, []

    def dying(path: Path, data: object) -> None:
        if written:
            raise KeyboardInterrupt
        real(path, data)
        written.append(path)

    monkeypatch.setattr(sweeping, "write_json", dying)
    with pytest.raises(KeyboardInterrupt):
        train.sweep(small, spec)
    monkeypatch.setattr(
        sweeping, "write_json", lambda path, data: written.append(path) or real(path, data)
    )
    assert len(train.sweep(small, spec).trials) == 3
    assert len(written) == len(set(written)) == 3


def test_a_trial_that_fails_or_dies_is_recorded_with_the_reason_and_the_others_stay(
    small: Workspace, recipe_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "run_trial", sweep_workers.fail_in_every_way)
    spec = SweepSpec(name="deaths", recipe=str(recipe_file), grid={EPOCHS: (1, 2, 3, 4, 5, 6)})
    found = train.sweep(small, spec)
    errors = [trial["error"] for trial in found.trials]
    assert (errors[0], errors[5]) == (None, None)
    assert "exit status 9" in errors[1]
    assert "SIGKILL" in errors[2]
    assert errors[3] == "RuntimeError: a bug"
    assert "fail_in_every_way" in found.trials[3]["details"]
    assert "lower the learning rate" in errors[4]
    page = found.report.read_text(encoding="utf-8")
    assert page.count("failed") == 4
    assert "SIGKILL" in page


def test_a_sweep_of_which_nothing_succeeds_is_an_error(
    small: Workspace, recipe_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "run_trial", sweep_workers.fail_in_every_way)
    spec = SweepSpec(name="nothing", recipe=str(recipe_file), grid={EPOCHS: (5,)})
    with pytest.raises(BodyshopError, match=r"all 1 trials .* the loss diverged"):
        train.sweep(small, spec)


def test_trials_are_named_by_whole_keys_where_the_last_part_is_ambiguous(
    small: Workspace, recipe_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "run_trial", sweep_workers.answer)
    grid = {EPOCHS: (1,), "input_size": (32,), "stages.0.head_l2": (0.1,), "head.l2": (0.2,)}
    found = train.sweep(small, SweepSpec(name="names", recipe=str(recipe_file), grid=grid))
    page = found.report.read_text(encoding="utf-8")
    assert "epochs=1, input_size=32, head_l2=0.1, l2=0.2" in page


def test_a_grid_over_a_key_that_is_not_there_fails_before_any_training(small: Workspace) -> None:
    spec = SweepSpec(name="x", recipe="default", grid={"stages.0.epoch": (1, 2)})
    with pytest.raises(ConfigError, match="epoch"):
        train.sweep(small, spec)
    with pytest.raises(UsageError, match="batch-sizes"):
        train.load_sweep("bach-sizes")
    with pytest.raises(UsageError, match="no split set 'second'"):
        train.sweep(small, "batch-sizes", split_set="second")
