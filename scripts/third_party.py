"""List what users install with bodyshop: licences and a bill of materials.

``python scripts/third_party.py FOLDER`` installs the wheel of ``dist/`` into an environment of its
own, so that no tool of the developers is listed, and writes ``FOLDER/third-party/licences.md`` and
``FOLDER/third-party/sbom.cdx.json`` (CycloneDX). Needs the dependency group ``release``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def main(folder: Path) -> None:
    """Install, list, write."""
    (wheel,) = (REPOSITORY / "dist").glob("*.whl")
    out = folder / "third-party"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        venv.create(place, with_pip=True)
        bin_folder = "Scripts" if os.name == "nt" else "bin"
        python = Path(place) / bin_folder / "python"
        run(str(python), "-m", "pip", "install", "--quiet", f"{wheel}[all]")
        licences = run(
            tool("pip-licenses"), f"--python={python}", "--format=markdown", "--with-urls",
            "--order=license",
        )  # fmt: skip
        (out / "licences.md").write_text(licences, encoding="utf-8")
        run(
            tool("cyclonedx-py"), "environment", str(python),
            "--output-file", str(out / "sbom.cdx.json"),
        )  # fmt: skip
    print(out)


def tool(name: str) -> str:
    """Return the path of a tool of this environment."""
    return str(Path(sys.executable).with_name(name))


def run(*command: str) -> str:
    """Run a command and return its output; its errors are shown, and end this script."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
