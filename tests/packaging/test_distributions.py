"""The wheel and the sdist hold every file of the packages."""

from __future__ import annotations

import email
import importlib.util
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packages import PACKAGES

CHECKOUT = Path(__file__).resolve().parents[2]
RELATIVE = re.compile(r"\]\((?!https?:|#)[^)]*\)")


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


def test_what_an_index_shows_has_no_relative_link_and_says_the_same(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        shown = email.message_from_bytes(archive.read(name)).get_payload()
    assert not RELATIVE.findall(shown)
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert len(RELATIVE.findall(readme)) > 20
    assert re.findall(r"^#.*|^bodyshop .*", shown, re.MULTILINE) == re.findall(
        r"^#.*|^bodyshop .*", readme, re.MULTILINE
    )


def test_links_lead_to_the_repository_once_its_address_is_known(tmp_path):
    (tmp_path / "README.md").write_text(
        "![a car](docs/images/a.jpg) [train](docs/train.md#runs) [PyPI](https://p.test) [up](#up)",
        encoding="utf-8",
    )
    spec = importlib.util.spec_from_file_location("hook", CHECKOUT / "scripts/readme_for_pypi.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)

    def shown(**urls: str) -> str:
        found: dict[str, Any] = {"urls": urls} if urls else {}
        hook.ReadmeHook(str(tmp_path), {}).update(found)
        return found["readme"]["text"]

    assert shown() == "*a car* train [PyPI](https://p.test) [up](#up)"
    assert shown(Repository="https://git.test/o/b/") == (
        "![a car](https://git.test/o/b/raw/HEAD/docs/images/a.jpg) "
        "[train](https://git.test/o/b/blob/HEAD/docs/train.md#runs) "
        "[PyPI](https://p.test) [up](#up)"
    )


def test_the_sdist_holds_the_packages_and_what_builds_and_tests_them(sdist_files, package_files):
    needed = {"pyproject.toml", "README.md", "LICENSE", "Makefile", "tests/conftest.py"}
    needed.add("scripts/readme_for_pypi.py")
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
