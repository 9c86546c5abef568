"""Size and time of each extra, installed from the built wheel into an environment of its own.

    make dist && python -m benchmarks.install_sizes

The time is that of pip with what its cache holds: run it twice and take the second.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXTRAS = ("", "collect", "desk", "label", "train", "all")


def main() -> None:
    """Install each, print a table."""
    (wheel,) = Path("dist").glob("*.whl")
    print(f"| install | MB | packages | s |\n|---|---|---|---|\n| (wheel alone) | "
          f"{wheel.stat().st_size / 1e6:.0f} | 1 | |")  # fmt: skip
    for extra in EXTRAS:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            python = Path(folder) / "bin" / "python"
            empty = size_of(Path(folder))
            wanted = f"{wheel}[{extra}]" if extra else str(wheel)
            started = time.monotonic()
            subprocess.run([python, "-m", "pip", "install", "--quiet", wanted], check=True)
            seconds = time.monotonic() - started
            listed = subprocess.run(
                [python, "-m", "pip", "list", "--format=freeze"],
                check=True, capture_output=True, text=True,
            ).stdout.splitlines()  # fmt: skip
            name = f"bodyshop[{extra}]" if extra else "bodyshop"
            megabytes = (size_of(Path(folder)) - empty) / 1e6
            print(f"| `{name}` | {megabytes:,.0f} | {len(listed)} | {seconds:.0f} |", flush=True)


def size_of(folder: Path) -> int:
    """Return the bytes of the files in a folder."""
    return sum(
        each.lstat().st_size
        for each in folder.rglob("*")
        if each.is_file() and not each.is_symlink()
    )


if __name__ == "__main__":
    main()
