"""Label Studio in its own virtual environment: it needs other versions of NumPy and OpenCV."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bodyshop_core import atomic
from bodyshop_core.errors import MissingPartError
from bodyshop_core.locking import locked
from bodyshop_core.progress import SILENT, Progress

REQUIREMENT = "label-studio~=1.23.2"
"""The release that the tests use; later patch releases are accepted."""

SIZE_MB = 1000
"""Approximate size of the installation."""


def cache_folder() -> Path:
    """Return the folder for installed programs: ``$BODYSHOP_CACHE`` or ``~/.cache/bodyshop``."""
    return Path(os.environ.get("BODYSHOP_CACHE") or Path.home() / ".cache" / "bodyshop")


def executable() -> Path:
    """Return the path of the ``label-studio`` program, whether it exists or not."""
    scripts = ("Scripts", "label-studio.exe") if os.name == "nt" else ("bin", "label-studio")
    return cache_folder().joinpath("label-studio", "venv", *scripts)


def is_installed() -> bool:
    """Return whether the installation is complete."""
    return executable().exists() and _marker().exists()


def install(*, progress: Progress = SILENT) -> Path:
    """Install Label Studio unless it is installed; takes minutes and about one gigabyte.

    Returns
    -------
    Path
        The ``label-studio`` program.

    Raises
    ------
    MissingPartError
        The installation failed; the message contains the end of pip's output.
    """
    folder = cache_folder() / "label-studio"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "install.lock", wait=True):
        if is_installed():
            return executable()
        venv = folder / "venv"
        progress.log(f"installing {REQUIREMENT} into {venv} (about {SIZE_MB} MB, a few minutes)")
        with progress.task("install Label Studio", total=2) as tick:
            if not executable().exists():
                _run([sys.executable, "-m", "venv", "--clear", str(venv)])
            tick(1)
            python = executable().with_name("python.exe" if os.name == "nt" else "python")
            _run([str(python), "-m", "pip", "install", "--quiet", REQUIREMENT])
            tick(1)
        atomic.write_text(_marker(), REQUIREMENT + "\n")
    return executable()


def _marker() -> Path:
    return cache_folder() / "label-studio" / "installed.txt"


def _run(command: list[str]) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, errors="replace"
    )
    if done.returncode:
        output = (done.stderr or done.stdout).strip()[-800:]
        raise MissingPartError(
            f"Label Studio could not be installed: {' '.join(command[:4])} … failed:\n{output}",
            hint="without a network, install it on another machine and set LABEL_STUDIO_URL and "
            "LABEL_STUDIO_API_KEY to that server",
        )
