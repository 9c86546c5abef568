from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest
from PIL import Image

from bodyshop.cli import main
from bodyshop.demo.run import run_demo
from bodyshop.prediction import find_run, predict
from showroom import load_truth


def call(*arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out


@pytest.mark.parametrize("stage", ["collect", "gate", "duplicates", "splits"])
def test_every_stage_does_what_the_showrooms_truth_asks(demo, stage):
    findings = [finding for finding in demo[1].findings if finding.stage == stage]
    assert findings
    assert [f"{f.what}: {f.found}, needed {f.needed}" for f in findings if not f.ok] == []


def test_second_run_resumes_in_seconds_and_trains_nothing_again(demo):
    folder, first = demo
    runs = sorted((folder / "workspace" / "runs").glob("train-*"))
    begun = perf_counter()
    again = run_demo(folder, size="tiny", recipe="bottleneck")
    assert perf_counter() - begun < 30
    assert sorted((folder / "workspace" / "runs").glob("train-*")) == runs
    assert [f.found for f in again.findings] == [f.found for f in first.findings]


def test_run_folder_works_in_another_place_and_the_gate_comes_first(demo, tmp_path):
    folder, _ = demo
    moved = tmp_path / "moved"
    shutil.copytree(find_run(folder / "workspace", None), moved)
    truth = load_truth(folder / "showroom")
    car = next(p for p in truth.pictures if p.kind == "car" and p.framing == "full")
    decoy = next(p for p in truth.pictures if p.kind == "decoy")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes((folder / "showroom" / car.file).read_bytes()[:2000])
    places = [folder / "showroom" / car.file, folder / "showroom" / decoy.file, broken]
    is_car, is_decoy, is_broken = predict(moved, places)
    assert is_car.is_car and is_car.label in {"damaged", "whole"} and 0.5 <= is_car.probability <= 1
    assert is_decoy.is_car is False and is_decoy.label is None
    assert is_broken.error and is_broken.label is None


def test_predict_json_has_the_published_keys(demo, capsys):
    folder, _ = demo
    picture = next((folder / "showroom" / "pictures").glob("*.jpg"))
    code, out = call("predict", picture, "-w", folder / "workspace", "--json", capsys=capsys)
    assert code == 0
    (answer,) = json.loads(out)
    assert set(answer) == {
        *(
            "picture",
            "is_car",
            "p_car",
            "label",
            "probability",
            "mask",
            "boxes",
            "run",
            "error",
            "where",
            "regions",
        ),
    }


def test_status_counts_what_the_demo_left(demo, capsys):
    folder, _ = demo
    code, out = call("status", "-w", folder / "workspace", "--json", capsys=capsys)
    status = json.loads(out)
    assert code == 0
    assert status["stages"]["collect"]["pictures"] == status["stages"]["curate"]["measured"]
    assert status["stages"]["augment"]["variants"] > 0
    assert status["stages"]["train"]["runs"] == 1
    assert {row["brand"] for row in status["models"]} >= {"한빛", "Norden", "Corvo"}


def test_reports_open_from_disk_and_load_nothing_from_elsewhere(demo):
    _folder, report = demo
    for name in ("curation report", "training report"):
        page = Path(report.places[name])
        text = page.read_text(encoding="utf-8")
        assert "<html" in text
        assert not re.search(r"""(src|<link[^>]+href)=["'](https?:)?//""", text)
        assert "@import" not in text


def test_forgotten_picture_leaves_no_trace_and_is_not_brought_back(demo, tmp_path, capsys):
    folder, _ = demo
    copy = tmp_path / "workspace"
    shutil.copytree(folder / "workspace", copy)
    picture = next((copy / "blobs").rglob("*.jpg"))
    code, out = call("forget", picture.stem, "-w", copy, "--json", capsys=capsys)
    assert code == 0 and json.loads(out)["pictures"] == 1
    left = [path for path in copy.rglob("*") if picture.stem in path.name]
    assert left == []
    for file in copy.rglob("*.html"):
        assert picture.stem not in file.read_text(encoding="utf-8") or "runs" in file.parts


def test_pictures_that_are_no_pictures_end_as_rejects_with_reasons(tmp_path, capsys):
    folder = tmp_path / "given" / "whole"
    folder.mkdir(parents=True)
    Image.new("RGB", (320, 240), "red").save(folder / "good.jpg")
    (folder / "empty.jpg").touch()
    (folder / "half.jpg").write_bytes((folder / "good.jpg").read_bytes()[:400])
    workspace = tmp_path / "w"
    code, _out = call("import", tmp_path / "given", "-w", workspace, "--json", capsys=capsys)
    assert code == 0
    from sqlalchemy import select

    from bodyshop_core.catalog import schema
    from bodyshop_core.workspace import Workspace
    from curate import measure_images

    opened = Workspace.open(workspace)
    measure_images(opened)
    with opened.catalog.read() as connection:
        errors = connection.scalars(select(schema.measurements.c.error)).all()
    assert sum(error is None for error in errors) == 1 and len(errors) >= 2


@pytest.mark.long
def test_full_demo_passes_every_check_in_under_four_minutes(tmp_path):
    command = [str(Path(sys.executable).with_name("bodyshop")), "demo", "--json"]
    begun = perf_counter()
    result = subprocess.run(
        [*command, "--folder", str(tmp_path / "demo")], capture_output=True, text=True
    )
    seconds = perf_counter() - begun
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert all(finding["ok"] for finding in report["findings"])
    # Four minutes on two quiet cores; a busy machine gets the double.
    assert seconds < 480
