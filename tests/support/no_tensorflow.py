"""Programs on a machine without TensorFlow, with an empty cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ABSENT = """
from importlib.machinery import PathFinder

there = PathFinder.find_spec

def find_spec(name, path=None, target=None):
    if name.partition(".")[0] not in ("tensorflow", "keras"):
        return there(name, path, target)

PathFinder.find_spec = find_spec
"""


def run_without_tensorflow(program: str, *arguments: str, folder: Path) -> str:
    """Run Python code that finds neither TensorFlow nor Keras; return what it prints.

    `folder` holds the cache, and stays for the next program.
    """
    (folder / "missing").mkdir(parents=True, exist_ok=True)
    (folder / "missing" / "sitecustomize.py").write_text(ABSENT)
    path = os.pathsep.join(filter(None, [str(folder / "missing"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "BODYSHOP_CACHE": str(folder / "cache")},
        capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
