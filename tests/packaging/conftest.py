from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from packages import PACKAGES

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def package_files() -> frozenset[str]:
    """Every file of the packages that git knows or would take, relative to the checkout."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--"]
    names: set[str] = set()
    if shutil.which("git"):
        listed = subprocess.run(
            [*command, *PACKAGES], cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
        names = {name for name in listed.stdout.split("\0") if name}
    if not names:  # no git, or an unpacked sdist
        names = {
            path.relative_to(CHECKOUT).as_posix()
            for package in PACKAGES
            for path in (CHECKOUT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
    return frozenset(name for name in names if (CHECKOUT / name).is_file())


@pytest.fixture
def elsewhere(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """An empty folder and an environment in which no folder is on Python's path by a variable."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "MYPYPATH"}
    return folder, environment
