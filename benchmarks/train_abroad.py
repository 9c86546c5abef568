"""The recipe `default` at home and abroad, with and without `balance`, on real photos by origin.

    python -m benchmarks.train_abroad DATA --work DIR

Imports all car photos of DATA by origin, with their masks, curates, trains, and measures on origins
left out: all by the commands that a user has. What is there already in --work is kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bodyshop_core import atomic
from train.evaluation.abroad.wording import abroad_lines

RUN = "import sys; from bodyshop.cli import main; sys.exit(main())"

MASKS = {
    "masks": "lensor",
    "abroad/masks/bilgi_tr": "bilgi_tr",
    "abroad/masks/bilgi_more": "bilgi_tr",
    "abroad/masks/data1a_caramel": "data1a",
}

TRIES: dict[str, tuple[str, ...]] = {
    "default": (),
    "default, balanced": ("--set", "data.balance=[label,origin,framing]"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    workspace = options.work / "workspace"
    if not (options.work / "curated").exists():
        for folder, origin, label in sources(options.data):
            bodyshop(workspace, "import", folder, "--label", label, "--source", origin)
        for folder in MASKS:
            file = options.data / folder / "annotations.json"
            name = folder.replace("/", "-")
            bodyshop(workspace, "label", "import", "coco", file, "--name", name)
        bodyshop(workspace, "curate")
        (options.work / "curated").touch()
    answers = {}
    for name, settings in TRIES.items():
        kept = options.work / f"{name.replace(', ', '-')}.json"
        if not kept.exists():
            run = bodyshop(workspace, "train", "default", "--no-abroad", *settings)["run"]
            found = bodyshop(workspace, "evaluate", "--run", run, "--abroad")
            atomic.write_text(kept, json.dumps(found, indent=1))
        answers[name] = json.loads(kept.read_text(encoding="utf-8"))
    print(table(answers))


def sources(data: Path) -> list[tuple[Path, str, str]]:
    """Return each folder of photos with its origin and its label."""
    found = [
        (data / "damage" / half / label, "data1a", label)
        for half in ("training", "validation")
        for label in ("damaged", "whole")
    ]
    found += [(data / folder / "images", origin, "damaged") for folder, origin in MASKS.items()]
    found.append((data / "models", "stanford", "whole"))
    for kind in ("damage", "closeups"):
        for origin in sorted((data / "abroad" / kind).iterdir()):
            found += [(each, origin.name, each.name) for each in sorted(origin.iterdir())]
    models = sorted((data / "abroad" / "models").iterdir())
    return found + [(origin, origin.name, "whole") for origin in models]


def bodyshop(workspace: Path, *words: Any) -> dict[str, Any]:
    """Run a command and return what it printed as JSON."""
    command = [sys.executable, "-c", RUN, *map(str, words), "--workspace", str(workspace), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def table(answers: dict[str, dict[str, Any]]) -> str:
    """Return one row per figure and one column per try, as Markdown."""
    columns = {name: dict(abroad_lines(found, found["home"])) for name, found in answers.items()}
    figures = list(dict.fromkeys(figure for lines in columns.values() for figure in lines))
    rows = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for figure in figures:
        cells = " | ".join(lines.get(figure, "") for lines in columns.values())
        rows.append(f"| {figure} | {cells} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
