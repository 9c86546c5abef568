"""All stages on real photos: import, curate, train; gate, duplicates, accuracy, speed.

    python -m benchmarks.real_photos PHOTOS [--workspace DIR] [--recipe default]

PHOTOS holds damage/{training,validation}/{damaged,whole} and not_car/.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import select

import collector
import curate
import train
from bodyshop_core.catalog import schema
from bodyshop_core.workspace import Workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--recipe", default="default")
    options = parser.parse_args()
    folder = options.workspace or Path(tempfile.mkdtemp(prefix="real-photos-"))
    workspace = Workspace.open(folder)
    rows: list[tuple[str, str]] = []

    def timed(name: str, work: Callable[[], Any], count: int) -> Any:
        begun, spent = perf_counter(), cpu_seconds()
        result = work()
        seconds, spent = perf_counter() - begun, cpu_seconds() - spent
        speed = f"{count / seconds:.1f} pictures/s ({seconds:.1f} s, {spent:.1f} CPU s)"
        rows.append((name, speed))
        return result

    damage, strangers = options.photos / "damage", options.photos / "not_car"
    n_damage = sum(1 for path in damage.rglob("*") if path.is_file())
    n_strangers = sum(1 for path in strangers.rglob("*") if path.is_file())
    timed("import", lambda: collector.import_folder(damage, workspace), n_damage)
    collector.import_folder(strangers, workspace, label="stranger", field="brand")
    total = n_damage + n_strangers
    curated = timed("curate", lambda: curate.curate(workspace, target="damage"), total)
    rows += gate_rows(workspace)
    rows += split_rows(workspace)
    rows.append(("kept / rejected", f"{curated.kept} / {curated.rejected} {dict(curated.reasons)}"))
    trained = timed(
        "train",
        lambda: train.train(workspace, options.recipe, gate=curate.load_gate(workspace).as_dict()),
        curated.kept,
    )
    summary = trained.as_dict()
    low, high = summary["ci95"]
    rows.append(
        (
            "test accuracy",
            f"{summary['accuracy']:.3f} [{low:.3f}, {high:.3f}], n = {summary['n']}; "
            f"shortcut audit {summary['baseline']['audit']['accuracy']:.3f}",
        )
    )
    for name, value in rows:
        print(f"| {name} | {value} |")
    print(json.dumps({"audit": curated.as_dict()["audit"]}, indent=1, default=str))
    if options.workspace is None:
        shutil.rmtree(folder)


def cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def gate_rows(workspace: Workspace) -> list[tuple[str, str]]:
    """Return accepted pictures per folder: recall of cars, false accepts among other pictures."""
    seen, verdicts = schema.sightings, schema.verdicts
    query = select(seen.c.file, verdicts.c.reasons).join(
        verdicts, verdicts.c.sha256 == seen.c.sha256
    )
    passed: Counter[str] = Counter()
    every: Counter[str] = Counter()
    with workspace.catalog.read() as connection:
        for file, reasons in connection.execute(query):
            group = "not_car" if "not_car" in Path(file).parts else Path(file).parent.name
            every[group] += 1
            passed[group] += "not_a_car" not in reasons
    return [
        (
            f"accepted by the gate: {group}",
            f"{passed[group]} of {every[group]} ({passed[group] / every[group]:.1%})",
        )
        for group in sorted(every)
    ]


def split_rows(workspace: Workspace) -> list[tuple[str, str]]:
    """Return the duplicate clusters with pictures on both sides of the given split."""
    seen, verdicts = schema.sightings, schema.verdicts
    query = (
        select(verdicts.c.cluster, seen.c.given_split)
        .join(seen, seen.c.sha256 == verdicts.c.sha256)
        .where(verdicts.c.cluster.is_not(None))
    )
    sides: dict[str, set[str]] = {}
    sizes: Counter[str] = Counter()
    with workspace.catalog.read() as connection:
        for cluster, given in connection.execute(query):
            sides.setdefault(cluster, set()).add(given)
            sizes[cluster] += 1
    clusters = [cluster for cluster, size in sizes.items() if size > 1]
    across = sum(len(sides[cluster] - {None}) > 1 for cluster in clusters)
    return [
        ("duplicate clusters", f"{len(clusters)} with {sum(sizes[c] for c in clusters)} pictures"),
        ("of them across the given split", str(across)),
    ]


if __name__ == "__main__":
    main()
