"""Label Studio in its own virtual environment: it needs other versions of NumPy and OpenCV."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

from bodyshop_core import atomic
from bodyshop_core.errors import MissingPartError
from bodyshop_core.locking import locked
from bodyshop_core.progress import SILENT, Progress

REQUIREMENT = "label-studio~=1.23.2"
"""The release that the tests use; later patch releases are accepted."""

SIZE_MB = 1000
"""Approximate size of the installation."""

QUIETLY = ("--progress-bar", "off", "--no-input", "--disable-pip-version-check")

HEARTBEAT_S = 5.0
"""Seconds without a word of pip after which its step is shown again, with the time it has taken."""

_A_PACKAGE = ("Collecting ", "Processing ")  # from an index, or from a file

_STEP = re.compile(
    r"(Collecting|Processing|Downloading|Using cached|Building wheel for) (\S+)( \([\d.]+ \w+\))?"
)


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
        begun = monotonic()
        with progress.task("install Label Studio") as tick:

            def say(packages: int, step: str) -> None:
                tick(packages, f"{step}, {monotonic() - begun:.0f} s")

            if not executable().exists():
                make = [sys.executable, "-m", "venv", "--clear", str(venv)]
                _run(make, "making a virtual environment", say)
            python = executable().with_name("python.exe" if os.name == "nt" else "python")
            pip = [str(python), "-m", "pip", "install", *QUIETLY, REQUIREMENT]
            _run(pip, "starting pip", say)
        atomic.write_text(_marker(), REQUIREMENT + "\n")
    return executable()


def _marker() -> Path:
    return cache_folder() / "label-studio" / "installed.txt"


def _run(command: list[str], step: str, say: Callable[[int, str], None]) -> None:
    """Run venv or pip, and say how many packages pip has met since, and its present step."""
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    environment |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    said: deque[str] = deque(maxlen=40)
    lines: SimpleQueue[str | None] = SimpleQueue()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment, encoding="utf-8", errors="replace",
    ) as process, ExitStack() as unfinished:  # fmt: skip
        Thread(target=_read, args=(process, lines), daemon=True).start()
        unfinished.callback(process.kill)
        while True:
            try:
                line = lines.get(timeout=HEARTBEAT_S)
            except Empty:  # a large file, or all packages at once
                line = ""
            if line is None:
                break
            if line:
                said.append(line)
                step = _step(line) or step
            say(int(line.startswith(_A_PACKAGE)), step)
        unfinished.pop_all()  # to its end: nothing to kill
    if process.returncode:
        output = "\n".join(said)[-800:]
        raise MissingPartError(
            f"Label Studio could not be installed: {' '.join(command[:4])} … failed:\n{output}",
            hint="without a network, install it on another machine and set LABEL_STUDIO_URL and "
            "LABEL_STUDIO_API_KEY to that server",
        )


def _read(process: subprocess.Popen[str], lines: SimpleQueue[str | None]) -> None:
    for line in process.stdout or ():
        lines.put(line.strip())
    lines.put(None)


def _step(line: str) -> str:
    """Return what a line of pip says that it does; empty for a line that says something else."""
    if line.startswith("Installing collected packages:"):
        return f"unpacking {line.count(',') + 1} packages"
    found = _STEP.match(line)
    return f"{found[1].lower()} {Path(found[2]).name}{found[3] or ''}" if found else ""
