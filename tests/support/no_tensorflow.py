"""Programs on a machine without TensorFlow, with an empty cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_without_tensorflow(program: str, *arguments: str, folder: Path) -> str:
    """Run Python code to which TensorFlow and Keras are missing; return what it prints.

    `folder` holds the cache and the stand-ins, and stays for the next program.
    """
    for name in ("tensorflow", "keras"):
        package = folder / "missing" / name
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text(f"raise ImportError('no {name} here')\n")
    path = os.pathsep.join(filter(None, [str(folder / "missing"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "BODYSHOP_CACHE": str(folder / "cache")},
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
