"""Packages of npm that tests use, installed once per machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import gettempdir

import pytest


def npm_folder(package: str, version: str) -> Path:
    """Folder into which npm has installed a package; skips the test where it can't."""
    folder = Path(gettempdir()) / f"bodyshop-{package}-{version}"
    if not (folder / "node_modules" / package).exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip(f"npm, which brings {package}, is not installed")
        folder.mkdir(exist_ok=True)
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
        done = subprocess.run(
            [npm, "install", *options, "--prefix", str(folder), f"{package}@{version}"],
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"npm cannot install {package}: {done.stderr.strip()[-200:]}")
    return folder
