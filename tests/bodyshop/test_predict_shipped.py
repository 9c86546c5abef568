"""`bodyshop predict` without a run: the damage model that comes with the package."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import bodyshop
from bodyshop.cli import main
from bodyshop_core.errors import UsageError
from showroom.render import render
from showroom.shade import Paint
from showroom.shot import Shot

DOOR = Shot("hatch", Paint((170, 30, 28), 0.3), "plaza", 1, 75, 6, 480, 320, 3, focus="door")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("photos")
    Image.fromarray(render(DOOR).rgb).save(place / "a-whole.png")
    damaged = replace(DOOR, damage=("scratch", "dent"), width=960, height=640)
    Image.fromarray(render(damaged).rgb).save(place / "b-damaged.png")
    noise = np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8)
    Image.fromarray(noise).save(place / "c-noise.png")
    (place / "d-broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return place


def test_predict_answers_in_an_empty_folder_and_says_which_model_answered(
    folder: Path, tmp_path: Path
) -> None:
    program = "from bodyshop.cli import main; main()"
    command = [sys.executable, "-c", program, "--json", "predict", str(folder)]
    found = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    whole, damaged, noise, broken = json.loads(found.stdout)
    assert {row["run"] for row in (whole, damaged, noise, broken)} == {"shipped"}
    assert whole["is_car"] and whole["label"] == "whole" and whole["where"] is None
    assert damaged["is_car"] and damaged["label"] == "damaged" and len(damaged["where"]) == 4
    assert whole["regions"] is None and damaged["regions"]
    for region in damaged["regions"]:
        assert set(region) == {"label", "score", "polygon"} and region["label"] == "damage"
        assert all(0 <= share <= 1 for point in region["polygon"] for share in point)
    assert noise["is_car"] is False and noise["label"] is None
    assert broken["error"] and broken["label"] is None
    assert "heat" not in damaged
    assert not list(tmp_path.iterdir())


def test_the_window_that_decided_lies_on_the_damage(folder: Path) -> None:
    damage = render(replace(DOOR, damage=("scratch", "dent"), width=960, height=640)).mask
    (one,) = bodyshop.Predictor.open().predict(folder / "b-damaged.png")
    assert one.where is not None
    left, top, right, bottom = one.where
    height, width = damage.shape
    inside = damage[
        round(top * height) : round(bottom * height), round(left * width) : round(right * width)
    ]
    assert inside.mean() > 0.2


def test_the_surest_outline_touches_the_damage(folder: Path) -> None:
    damage = render(replace(DOOR, damage=("scratch", "dent"), width=960, height=640)).mask
    (one,) = bodyshop.Predictor.open().predict(folder / "b-damaged.png")
    assert one.regions
    canvas = Image.new("1", damage.shape[::-1])
    points = np.array(one.regions[0].polygon) * canvas.size
    ImageDraw.Draw(canvas).polygon([(x, y) for x, y in points.tolist()], fill=1)
    assert (np.asarray(canvas) & (damage > 0)).any()


def test_annotated_pictures_show_the_window_and_the_evidence(folder: Path, tmp_path: Path) -> None:
    found = bodyshop.predict(None, [folder / "b-damaged.png"], out=tmp_path, annotate=True)
    assert found[0].label == "damaged"
    with Image.open(tmp_path / "00000-b-damaged.jpg") as drawn:
        changed = np.abs(
            np.asarray(drawn).astype(int) - np.asarray(Image.open(folder / "b-damaged.png"))
        )
    assert (changed.max(axis=2) > 60).mean() > 0.01


def test_arrays_bytes_and_pictures_give_the_same_answer(folder: Path) -> None:
    file = folder / "b-damaged.png"
    with Image.open(file) as image:
        image.load()
        given = [file, file.read_bytes(), np.asarray(image), image]
    answers = bodyshop.Predictor.open().predict(given)
    assert len({(one.label, one.probability) for one in answers}) == 1


def test_a_detector_needs_a_run() -> None:
    with pytest.raises(UsageError, match="needs a run"):
        bodyshop.Predictor.open(detector="cars.tflite")


def test_doctor_prints_the_card(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--workspace", str(tmp_path / "none"), "doctor", "--models"])
    assert ended.value.code in {0, None}
    assert "Where it fails" in capsys.readouterr().out
