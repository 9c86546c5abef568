"""A run in other formats."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_cases import draw

import train
from bodyshop.cli import app, normalise
from bodyshop_core.errors import BodyshopError, UsageError
from train.data.samples import load_samples
from train.runs import export as exporting


@pytest.mark.parametrize("format", exporting.FORMATS)
def test_an_export_predicts_the_same(finished, tmp_path: Path, format: str) -> None:
    if format == "onnx":
        pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    summary, workspace = finished
    pictures = [item.path for item in load_samples(workspace).items]
    learned = [item.path for item in load_samples(workspace).of("train")]
    found = train.export(
        train.load_run(summary.folder),
        format,
        tmp_path / "e",
        pictures=pictures,
        calibration=learned,
    )
    assert found.pictures == 80
    assert found.difference < (0.1 if format == "tflite-int8" else 1e-4)
    assert found.changed <= (2 if format == "tflite-int8" else 0)
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
        train.export(train.load_run(summary.folder), "coreml", tmp_path / "e")


def test_an_exported_model_is_evaluated_without_the_pictures_it_was_trained_on(
    finished, tmp_path: Path
) -> None:
    summary, workspace = finished
    seen = load_samples(workspace).of("train")[0]
    train.export(train.load_run(summary.folder), "keras", tmp_path / "exported")
    folder = tmp_path / "photos" / seen.label
    folder.mkdir(parents=True)
    shutil.copy(seen.path, folder / "seen.png")
    Image.fromarray(draw(seen.label, 7000)).save(folder / "new.png")
    found = train.evaluate(tmp_path / "exported", cross=tmp_path / "photos")
    assert (found.metrics["n"], found.left_out) == (1, 1)


def test_a_run_whose_training_pictures_are_unknown_is_not_exported(
    carried: Path, tmp_path: Path
) -> None:
    (carried / "samples.csv").unlink()
    with pytest.raises(BodyshopError, match=r"samples\.csv"):
        train.export(train.load_run(carried), "keras", tmp_path / "e")
    assert not (tmp_path / "e").exists()


def test_an_int8_network_is_small_and_needs_the_runs_training_pictures(
    finished, tmp_path: Path
) -> None:
    summary, workspace = finished
    run = train.load_run(summary.folder)
    with pytest.raises(UsageError, match="was trained on"):
        train.export(run, "tflite-int8", tmp_path / "e")
    words = ["--json", "--workspace", str(workspace.root), "export"]
    sizes = {}
    for format in ("tflite", "tflite-int8"):
        app(normalise([*words, format, str(tmp_path / format)]), standalone_mode=False)
        sizes[format] = next((tmp_path / format).glob("*.tflite")).stat().st_size
    assert sizes["tflite-int8"] < sizes["tflite"]


def test_an_int8_network_beyond_its_difference_is_not_written(
    finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary, workspace = finished
    black = [np.zeros((40, 40, 3), np.uint8)] * 8  # ranges of pictures that it will never see
    pictures = [item.path for item in load_samples(workspace).items]
    with pytest.raises(BodyshopError, match=r"tflite-int8 network differs by .*allowed: 0\.1"):
        train.export(
            train.load_run(summary.folder),
            "tflite-int8",
            tmp_path / "e",
            pictures=pictures,
            calibration=black,
        )
    assert not list((tmp_path / "e").iterdir())


def test_an_export_by_cost_carries_the_cheapest_threshold_and_the_gate(
    finished, tmp_path: Path
) -> None:
    summary, _ = finished
    run = train.load_run(summary.folder)
    costs = train.Costs(missed=20, false=1)
    found = train.export(run, "keras", tmp_path / "e", costs=costs)
    exported = train.load_run(tmp_path / "e").record
    assert exported.threshold == found.threshold == pytest.approx(1 / 21)
    assert exported.gate == run.record.gate
    assert exported.gate is not None
    assert run.record.threshold == 0.5
