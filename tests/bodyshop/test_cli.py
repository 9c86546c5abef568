from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from bodyshop.cli import app, main, normalise

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
        "heavy = {'tensorflow', 'keras', 'albumentations', 'selenium', 'numpy', 'sqlalchemy'};"
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


def test_nothing_found_is_exit_3(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    code, _, err = run("import", str(tmp_path / "empty"), "-w", str(tmp_path / "w"), capsys=capsys)
    assert code == 3 and "empty" in err


def test_status_of_a_new_workspace_is_json_with_stable_keys(workspace, capsys):
    code, out, _ = run("status", "--json", "-w", str(workspace.root), capsys=capsys)
    assert code == 0
    assert set(json.loads(out)) == {
        *("stages", "models", "reasons", "splits", "refusals", "failures", "runs", "warnings"),
    }


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
