from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from sqlalchemy import select

from bodyshop.cli import app, main, normalise
from bodyshop_core.catalog import schema

REPOSITORY = Path(__file__).resolve().parents[2]
BODYSHOP = Path(sys.executable).with_name("bodyshop")


def commands() -> list[str]:
    """Every command of the table, groups opened."""
    root = typer.main.get_command(app)
    names = []
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        names += [f"{name} {sub}" for sub in inner] if inner else [name]
    return names


def run(*arguments: str, capsys) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help_for_itself_and_each_option(command, capsys):
    code, out, _ = run(*command.split(), "--help", capsys=capsys)
    assert code == 0 and len(out.splitlines()[2].strip()) > 20
    root = typer.main.get_command(app)
    for part in command.split():
        root = root.commands[part]
    for parameter in root.params:
        assert getattr(parameter, "help", None), f"{command}: {parameter.name} has no help"


@pytest.mark.parametrize("command", commands())
def test_every_command_stands_in_the_documentation(command):
    pages = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    assert any(f"bodyshop {command}" in page.read_text(encoding="utf-8") for page in pages)


def test_help_answers_at_once_with_no_heavy_import():
    before = os.times()
    subprocess.run([BODYSHOP, "--help"], check=True, capture_output=True)
    after = os.times()
    script = (
        "import sys, bodyshop.cli;"
        "heavy = {'tensorflow', 'keras', 'albumentations', 'selenium', 'numpy', 'sqlalchemy',"
        " 'importlib.metadata'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert result.stdout.strip() == b"[]"
    # Processor time, since other work on the machine stretches the wall clock.
    used = after.children_user + after.children_system
    assert used - before.children_user - before.children_system < 0.7


def test_global_options_work_before_and_after_the_command():
    moved = normalise(["status", "--workspace", "x", "--json", "-v"])
    assert moved == ["--workspace", "x", "--json", "-v", "status"]
    assert normalise(["predict", "--", "--json"]) == ["predict", "--", "--json"]
    assert normalise(["collect", "b.yaml", "--retry-failed"])[-1] == "--retry-failed=all"


def test_wrong_usage_is_exit_2_and_bad_config_exit_4(tmp_path, capsys):
    assert run("nosuch", capsys=capsys)[0] == 2
    assert run("status", "--workspace", str(tmp_path / "none"), capsys=capsys)[0] == 2
    broken = tmp_path / "brands.yaml"
    broken.write_text("brands: [")
    code, out, err = run("collect", str(broken), "-w", str(tmp_path / "w"), capsys=capsys)
    assert code == 4 and out == "" and "brands.yaml:1" in err


def test_a_broken_override_is_an_error_of_its_own_and_no_traceback(workspace, capsys):
    command = ("train", "-w", str(workspace.root), "--set")
    code, _, err = run(*command, "head.units=[", capsys=capsys)
    assert code == 4 and "head.units" in err and "not valid YAML" in err
    code, _, err = run(*command, "head.units", capsys=capsys)
    assert code == 2 and "no equals sign" in err


def test_nothing_found_is_exit_3(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    code, _, err = run("import", str(tmp_path / "empty"), "-w", str(tmp_path / "w"), capsys=capsys)
    assert code == 3 and "empty" in err


def test_status_of_a_new_workspace_is_json_with_stable_keys(workspace, capsys):
    code, out, _ = run("status", "--json", "-w", str(workspace.root), capsys=capsys)
    assert code == 0
    assert set(json.loads(out)) == {
        *("stages", "models", "origins", "reasons", "splits", "refusals"),
        *("failures", "runs", "warnings"),
    }


def test_why_explains_the_verdict_of_a_file_and_of_a_digest(curated, tmp_path, capsys):
    workspace, names = curated
    picture = tmp_path / "seen elsewhere.jpg"
    picture.write_bytes(workspace.image_path(names[0]).read_bytes())
    for word in (str(picture), names[0][:12]):
        code, out, _ = run("why", word, "--json", "-w", str(workspace.root), capsys=capsys)
        answer = json.loads(out)
        assert code == 0 and answer["sha256"] == names[0] and answer["verdict"] == "keep"
    code, _, err = run("why", "0" * 64, "-w", str(workspace.root), capsys=capsys)
    assert code == 3 and "0" * 12 in err


def test_overlap_lists_what_a_folder_has_too_and_changes_no_verdict(curated, tmp_path, capsys):
    workspace, names = curated
    other = tmp_path / "other"
    other.mkdir()
    (other / "copy.png").write_bytes(workspace.image_path(names[2]).read_bytes())
    with workspace.catalog.read() as connection:
        before = connection.execute(select(schema.verdicts)).all()
    code, out, _ = run("overlap", str(other), "--json", "-w", str(workspace.root), capsys=capsys)
    answer = json.loads(out)
    assert code == 0 and [pair["sha256"] for pair in answer["shared"]] == [names[2]]
    with workspace.catalog.read() as connection:
        assert connection.execute(select(schema.verdicts)).all() == before


def test_detect_stores_a_row_per_picture_and_is_recorded_as_a_run(curated, real_weights, capsys):
    workspace, names = curated
    model = str(real_weights / "coco_ssd_mobilenet_v1.tflite")
    code, out, _ = run("detect", model, "--json", "-w", str(workspace.root), capsys=capsys)
    assert code == 0 and json.loads(out)["pictures"] == len(names)
    with workspace.catalog.read() as connection:
        rows = connection.scalars(select(schema.detections.c.sha256)).all()
        runs = connection.execute(select(schema.runs.c.command, schema.runs.c.state)).all()
    assert sorted(rows) == sorted(names) and runs == [("detect", "done")]


def test_demo_without_its_extra_names_the_one_command_that_installs_it(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "waitress", None)  # as if it were not installed
    code, out, err = run("demo", "--folder", str(tmp_path / "demo"), capsys=capsys)
    assert code == 5 and out == ""
    assert "waitress" in err and "pip install 'bodyshop[demo]'" in err
    assert not (tmp_path / "demo").exists()


def test_a_users_own_train_py_and_augment_py_do_no_harm(tmp_path):
    for name in ("train", "augment", "curate", "collector"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module was imported')")
    environment = {**os.environ, "BODYSHOP_WORKSPACE": str(tmp_path / "w")}
    for arguments in (["--help"], ["doctor", "--json"]):
        result = subprocess.run(
            [BODYSHOP, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert "wrong module" not in result.stdout + result.stderr
        assert result.returncode in {0, 5}
