"""What is under test is what users install, and it works where no checkout is."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from packages import PACKAGES, needs_wheel

CHECKOUT = Path(__file__).resolve().parents[2]
SITE = Path(sysconfig.get_path("purelib")).resolve()
BODYSHOP = Path(sys.executable).with_name("bodyshop")


@needs_wheel
@pytest.mark.parametrize("package", PACKAGES)
def test_the_package_under_test_is_the_installed_one(package):
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).resolve() == SITE / package / "__init__.py"


@needs_wheel
def test_no_module_was_imported_from_the_checkout():
    origins = {
        name: Path(module.__file__).resolve()
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in PACKAGES and getattr(module, "__file__", None)
    }
    assert origins
    assert [name for name, origin in origins.items() if not origin.is_relative_to(SITE)] == []


@needs_wheel
def test_a_new_process_imports_the_installed_packages(elsewhere):
    folder, environment = elsewhere
    code = f"import {', '.join(PACKAGES)}\nprint(*[m.__file__ for m in ({', '.join(PACKAGES)})])"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder, env=environment, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert [Path(file).resolve() for file in printed.split()] == [
        SITE / package / "__init__.py" for package in PACKAGES
    ]


@needs_wheel
def test_the_installed_files_are_those_of_the_checkout(package_files):
    """An old wheel would pass or fail for reasons that are gone."""
    different = [
        name
        for name in sorted(package_files)
        if not (SITE / name).is_file()
        or (SITE / name).read_bytes() != (CHECKOUT / name).read_bytes()
    ]
    assert different == []


def test_doctor_works_in_an_empty_folder_and_leaves_it_empty(elsewhere):
    folder, environment = elsewhere
    done = subprocess.run(
        [BODYSHOP, "doctor", "--json"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    checks = json.loads(done.stdout)["checks"]
    missing = [check for check in checks if check["needed"] and not check["ok"]]
    assert done.returncode == (5 if missing else 0), done.stderr
    assert all(check["fix"] for check in missing)
    assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []
