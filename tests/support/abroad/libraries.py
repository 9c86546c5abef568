"""Installs the libraries of `package.json` with npm, pinned, outside the repository."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

MOST_SECONDS = 480
"""For the installation: a registry may be slow."""
PACKAGES = Path(__file__).with_name("package.json")


class NoRegistryError(Exception):
    """npm is missing, or reaches no registry."""


def library_versions() -> dict[str, str]:
    """Return library -> version."""
    return dict(json.loads(PACKAGES.read_text("utf-8"))["dependencies"])


def install_libraries(folder: Path) -> Path:
    """Install into `folder`, unless it has them; return its ``node_modules``.

    Raises
    ------
    NoRegistryError
        With the reason.
    """
    modules = folder / "node_modules"
    if all((modules / name).is_dir() for name in library_versions()):
        return modules
    npm = shutil.which("npm")
    if npm is None:
        raise NoRegistryError("npm is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(PACKAGES, folder / "package.json")
    # Peers are build tools that no page loads.
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock",
               "--legacy-peer-deps"]  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NoRegistryError(f"npm did not finish within {MOST_SECONDS} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise NoRegistryError(f"npm cannot install the libraries: {last[:200]}")
    return modules
