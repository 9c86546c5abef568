"""The wheel and the sdist hold every file of the packages."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packages import PACKAGES

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*command, str(CHECKOUT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel_files(built: Path) -> set[str]:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


@pytest.fixture(scope="module")
def sdist_files(built: Path) -> set[str]:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        return {each.name.partition("/")[2] for each in archive if each.isfile()}


def test_the_wheel_holds_the_files_of_the_packages_and_nothing_else(wheel_files, package_files):
    packed = {name for name in wheel_files if ".dist-info/" not in name}
    assert packed == package_files


def test_the_wheel_carries_licence_and_command(wheel_files):
    names = {name.partition(".dist-info/")[2] for name in wheel_files if ".dist-info/" in name}
    assert {"METADATA", "RECORD", "entry_points.txt", "licenses/LICENSE"} <= names


def test_the_sdist_holds_the_packages_and_what_builds_and_tests_them(sdist_files, package_files):
    needed = {"pyproject.toml", "README.md", "LICENSE", "Makefile", "tests/conftest.py"}
    assert not (package_files | needed) - sdist_files


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed_and_what_it_loads_lazily_is_in_a_stub(package, package_files):
    assert f"{package}/py.typed" in package_files
    lazy = {
        name
        for name in package_files
        if name.startswith(f"{package}/")
        and name.endswith("/__init__.py")
        and "attach_stub" in (CHECKOUT / name).read_text(encoding="utf-8")
    }
    assert not {f"{name}i" for name in lazy} - package_files
