"""Sweeps, comparisons, explanations and exports."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_cases import draw, tiny_recipe

import train
from bodyshop.cli import app, normalise
from bodyshop_core import backbones
from bodyshop_core.errors import BodyshopError, ConfigError, UsageError
from bodyshop_core.workspace import Workspace
from train.data.samples import load_samples
from train.models.flops import count_flops
from train.models.network import build_network
from train.recipes.recipe import dump, load_recipe
from train.runs import export as exporting
from train.runs import sweep as sweeping
from train.runs.sweep import SweepSpec, grid_points


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
    small: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(dump(tiny_recipe()), encoding="utf-8")
    spec = SweepSpec(
        name="rates",
        recipe=str(file),
        grid={"stages.0.optimizer.learning_rate": (1e-7, 0.01), "stages.0.epochs": (3,)},
    )
    found = train.sweep(small, spec)
    assert len(found.trials) == 2
    assert found.best in found.trials
    rate = found.best["overrides"]["stages.0.optimizer.learning_rate"]
    assert f"--set stages.0.optimizer.learning_rate={rate}" in found.command
    assert found.best["loss"] == min(
        t["loss"] for t in found.trials if t["accuracy"] == found.best["accuracy"]
    )
    assert (found.folder / "trials.png").exists()
    # What is finished is not trained again, in this process or another.
    files = sorted((found.folder / "trials").glob("*.json"))
    stamps = [file.stat().st_mtime_ns for file in files]
    assert len(files) == 2
    again = train.sweep(small, spec, jobs=2)
    assert again.trials == found.trials
    assert [file.stat().st_mtime_ns for file in files] == stamps


def test_two_trials_run_at_the_same_time(
    small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "run_trial", meet_the_other)
    file = tmp_path / "tiny.yaml"
    file.write_text(dump(tiny_recipe()), encoding="utf-8")
    spec = SweepSpec(name="pairs", recipe=str(file), grid={"stages.0.epochs": (1, 2)})
    found = train.sweep(small, spec, weights=str(tmp_path), jobs=2)
    assert [trial["error"] for trial in found.trials] == [None, None]


def meet_the_other(job: dict) -> dict:
    """Stand-in for a trial that only ends when another one runs beside it."""
    place = Path(job["weights"])
    (place / f"here-{job['overrides']['stages.0.epochs']}").touch()
    for _ in range(1200):
        if len(list(place.glob("here-*"))) == 2:
            return {"accuracy": 0.5, "right": 4, "n": 8, "loss": 0.7, "epochs": [1], "seconds": 0.1}
        time.sleep(0.05)
    raise BodyshopError("nobody came")


def test_an_interrupted_sweep_goes_on_with_what_is_missing(
    small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "run_trial", die_or_answer)
    file = tmp_path / "tiny.yaml"
    file.write_text(dump(tiny_recipe()), encoding="utf-8")
    spec = SweepSpec(name="parts", recipe=str(file), grid={"stages.0.epochs": (1, 3, 4)})
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


def test_a_trial_whose_process_dies_is_recorded_and_the_sweep_goes_on(
    small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "run_trial", die_or_answer)
    file = tmp_path / "tiny.yaml"
    file.write_text(dump(tiny_recipe()), encoding="utf-8")
    spec = SweepSpec(name="deaths", recipe=str(file), grid={"stages.0.epochs": (1, 2, 3)})
    found = train.sweep(small, spec)
    assert ["died" in str(trial["error"]) for trial in found.trials] == [False, True, False]
    assert "failed" in found.report.read_text(encoding="utf-8")


def die_or_answer(job: dict) -> dict:
    """Stand-in for a trial: the one with two epochs takes its process with it."""
    if job["overrides"]["stages.0.epochs"] == 2:
        os._exit(9)
    return {"accuracy": 0.5, "right": 4, "n": 8, "loss": 0.7, "epochs": [1], "seconds": 0.1}


def test_a_grid_over_a_key_that_is_not_there_fails_before_any_training(small: Workspace) -> None:
    spec = SweepSpec(name="x", recipe="default", grid={"stages.0.epoch": (1, 2)})
    with pytest.raises(ConfigError, match="epoch"):
        train.sweep(small, spec)
    with pytest.raises(UsageError, match="batch-sizes"):
        train.load_sweep("bach-sizes")


@pytest.mark.parametrize(
    ("name", "gflops"),
    # keras.applications and the papers, in multiply-adds x 2: MobileNet 569 M, ResNet50 3.9 G.
    [("mobilenet", 1.14), ("resnet50", 7.7), ("efficientnet-lite0", 0.77)],
)
def test_operations_match_the_published_ones(name: str, gflops: float) -> None:
    model = backbones.build(name, weights="none")
    assert count_flops(model) / 1e9 == pytest.approx(gflops, rel=0.05)


@pytest.mark.slow
def test_backbones_are_compared_on_both_runtimes(small: Workspace) -> None:
    found = train.compare(
        small, ["efficientnet-lite0", "mobilenet"], weights={"mobilenet": "none"}, pictures=32
    )
    lite, mobile = found.rows
    assert lite["linear_probe_accuracy"] is not None
    assert mobile["linear_probe_accuracy"] is None
    for row in found.rows:
        assert row["seconds_per_picture"] > 0
        assert row["peak_mib"] > 100
        assert 50 < row["litert_peak_mib"] < row["peak_mib"]
        assert row["litert_difference"] < 1e-2
    assert "efficientnet-lite0" in found.report.read_text(encoding="utf-8")


def test_comparing_without_the_weights_says_so_and_goes_on(small: Workspace, monkeypatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(small.root / "empty"))
    found = train.compare(
        small,
        ["efficientnet-lite0"],
        weights={"efficientnet-lite0": "/nowhere.h5"},
        runtimes=["keras"],
    )
    assert "/nowhere.h5" in found.rows[0]["error"]
    with pytest.raises(UsageError, match="runtime"):
        train.compare(small, ["vgg16"], runtimes=["onnx"])


@pytest.mark.parametrize("format", exporting.FORMATS)
def test_an_export_predicts_the_same(finished, tmp_path: Path, format: str) -> None:
    summary, workspace = finished
    pictures = [item.path for item in load_samples(workspace).items]
    found = train.export(train.load_run(summary.folder), format, tmp_path / "e", pictures=pictures)
    assert found.pictures == 80
    assert found.difference < 1e-4
    assert found.path.exists()
    assert (tmp_path / "e" / "labels.txt").read_text(encoding="utf-8") == "whole\ndamaged\n"
    assert sorted(p.name for p in (tmp_path / "e").iterdir() if p.name.startswith("tmp")) == []


def test_an_export_is_compared_on_the_runs_own_pictures(
    finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary, workspace = finished
    run = train.load_run(summary.folder)
    own = train.known_pictures(run, workspace)
    assert len(own) == 80
    assert {path.stem for path in own[:16]} == {
        item.sha256 for item in load_samples(workspace).of("test")
    }
    words = ["--json", "--workspace", str(workspace.root), "export", "tflite", str(tmp_path / "e")]
    app(normalise(words), standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["pictures"] == 80
    elsewhere = ["--json", "-w", str(tmp_path), "export", "keras", str(tmp_path / "f")]
    app(normalise([*elsewhere, "--run", str(summary.folder)]), standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["pictures"] == 100


def test_an_export_that_predicts_otherwise_is_not_written(
    finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary, _ = finished
    real = exporting.predict
    calls: list[int] = []

    def off(model: object, pixels: np.ndarray, **options: object) -> np.ndarray:
        calls.append(1)
        return real(model, pixels) + 0.01 * (len(calls) == 1)

    monkeypatch.setattr(exporting, "predict", off)
    with pytest.raises(BodyshopError, match=r"differs by 0\.01"):
        train.export(train.load_run(summary.folder), "keras", tmp_path / "e")
    assert not list((tmp_path / "e").iterdir())
    with pytest.raises(UsageError, match="savedmodel"):
        train.export(train.load_run(summary.folder), "onnx", tmp_path / "e")


def test_the_heat_lies_on_the_stroke(finished, tmp_path: Path) -> None:
    summary, _ = finished
    run = train.load_run(summary.folder)
    hits = []
    for number in range(9000, 9006):
        picture = draw("damaged", number)
        red = (picture[..., 0] > 190) & (picture[..., 1] < 30)
        found = train.grad_cam(run, picture, label="damaged")
        assert found.heat.shape == picture.shape[:2]
        assert 0 <= found.heat.min() <= found.heat.max() <= 1
        hits.append(float(found.heat[red].mean() / found.heat[~red].mean()))
    assert np.median(hits) > 1.5, hits
    with pytest.raises(UsageError, match="does not know 'dented'"):
        train.grad_cam(run, picture, label="dented")


def test_overlays_are_written_with_a_page(finished, tmp_path: Path) -> None:
    summary, workspace = finished
    pictures = [item.path for item in load_samples(workspace).of("test")[:3]]
    found = train.explain(train.load_run(summary.folder), pictures, tmp_path / "e")
    assert len(found.rows) == 3
    with (
        Image.open(tmp_path / "e" / found.rows[0]["overlay"]) as image,
        Image.open(pictures[0]) as original,
    ):
        assert image.size == original.size
    assert found.report.read_text(encoding="utf-8").count("<figure") == 3


def test_heat_outside_the_square_that_the_network_sees_is_zero(finished) -> None:
    summary, _ = finished
    wide = np.concatenate([draw("damaged", 9100)] * 3, axis=1)
    heat = train.grad_cam(train.load_run(summary.folder), wide).heat
    margin = (wide.shape[1] - wide.shape[0]) // 2
    assert not heat[:, : margin - 1].any()


def test_networks_without_maps_are_refused_for_heat() -> None:
    from train.evaluation.grad_cam import _tapped

    recipe = tiny_recipe()
    model = build_network(recipe, 2).model
    assert _tapped(model) is _tapped(model)
