"""Print the coverage of each package, from the ``.coverage`` file of the last ``make coverage``.

Exits with 1 when all of them together are below the threshold.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
OVERALL = 85.0
"""Percent of lines and branches that the quick tests must run, over all packages."""


def main() -> int:
    """Print one line per package; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "--ignore-errors", "--quiet"]
        subprocess.run([*command, "-o", str(report)], cwd=CHECKOUT, check=True)
        files = json.loads(report.read_text(encoding="utf-8"))["files"]
    packages: dict[str, Counter[str]] = defaultdict(Counter)
    for name, measured in files.items():
        parts = Path(name).parts
        if "site-packages" not in parts:
            continue  # a copy of the packages that a test took files out of
        package = parts[parts.index("site-packages") + 1]
        for room in (package, "together"):
            packages[room].update(
                {key: value for key, value in measured["summary"].items() if key in COUNTED}
            )
    print(f"{'':16}{'lines':>8}{'branches':>10}{'together':>10}")
    for room in [*sorted(packages.keys() - {"together"}), "together"]:
        counts = packages[room]
        lines = _percent(counts["covered_lines"], counts["num_statements"])
        branches = _percent(counts["covered_branches"], counts["num_branches"])
        print(f"{room:16}{lines:7.1f}%{branches:9.1f}%{_both(counts):9.1f}%")
    overall = _both(packages["together"])
    if overall < OVERALL:
        print(f"{overall:.1f}% is less than the {OVERALL:.0f}% that CONTRIBUTING.md asks for")
        return 1
    return 0


COUNTED = {"covered_lines", "num_statements", "covered_branches", "num_branches"}


def _both(counts: Counter[str]) -> float:
    covered = counts["covered_lines"] + counts["covered_branches"]
    return _percent(covered, counts["num_statements"] + counts["num_branches"])


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0


if __name__ == "__main__":
    sys.exit(main())
