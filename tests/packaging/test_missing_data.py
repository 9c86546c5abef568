"""An installation that lost a data file says so; it never takes another way in silence."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = {
    "curate/gate/probes": (
        "from curate.gate.probe import find_probe; find_probe('efficientnet-lite0-0')",
        "probe",
    ),
    "curate/report/templates": (
        "import tempfile, curate; from bodyshop_core.workspace import Workspace;"
        " curate.write_report(Workspace.open(tempfile.mkdtemp()))",
        "templates",
    ),
    "labeling/configs/damage.xml": (
        "from labeling.configs.label_config import load_label_config; load_label_config('damage')",
        "damage.xml",
    ),
    "augment/policies": ("import augment; augment.load_policy('car-damage')", "car-damage"),
    "train/recipes/default.yaml": ("import train; train.load_recipe('default')", "default"),
    "collector/recipes/bing.yaml": ("import collector; collector.load_recipe('bing')", "bing"),
}


@pytest.mark.parametrize("lost", CASES)
def test_a_missing_data_file_is_an_error_when_it_is_asked_for(lost, tmp_path):
    code, named = CASES[lost]
    package = lost.partition("/")[0]
    source = importlib.import_module(package).__file__
    assert source is not None
    copy = tmp_path / "packages" / package
    shutil.copytree(Path(source).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert (complete := _run(code, tmp_path)).returncode == 0, complete.stderr

    target = tmp_path / "packages" / lost
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    incomplete = _run(code, tmp_path)
    assert incomplete.returncode == 1
    assert named in incomplete.stderr[incomplete.stderr.rindex("Error:") :]


def _run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code with the packages in `folder` before the installed ones."""
    path = os.pathsep.join(filter(None, [str(folder / "packages"), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder, env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
