"""How long snapshot and diff take, and what they store, at 100,000 pictures.

    python -m benchmarks.versions [--pictures 100000]

The rows are made up (three labels, a verdict and, for four of five, a split per picture; one in
ten has a mask file); there are no picture files. CPU-seconds of this process, and seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update

from bodyshop.forget import forget
from bodyshop.versions import diff
from bodyshop_core.catalog import now, schema
from bodyshop_core.snapshots import save_snapshot
from bodyshop_core.workspace import Workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100_000)
    pictures = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "workspace")
        shas = fill(workspace, pictures)
        print(f"{pictures} pictures\n\n| | CPU s | s | stored, MB |\n|---|---|---|---|")
        timed("snapshot, the first", workspace, lambda: save_snapshot(workspace, "first"))
        timed("snapshot, nothing changed", workspace, lambda: save_snapshot(workspace, "same"))
        reject(workspace, shas[:100])
        timed("snapshot, 100 verdicts changed", workspace, lambda: save_snapshot(workspace, "few"))
        reject(workspace, shas[: pictures // 5])
        timed("snapshot, a fifth changed", workspace, lambda: save_snapshot(workspace, "many"))
        timed("diff, the same", workspace, lambda: diff(workspace, "first", "same"))
        timed("diff, 100 changed", workspace, lambda: diff(workspace, "first", "few"))
        timed("diff, a fifth changed", workspace, lambda: diff(workspace, "first", "many"))
        timed("diff with now", workspace, lambda: diff(workspace, "first"))
        timed("forget one picture", workspace, lambda: forget(workspace, shas[0]))


def timed(what: str, workspace: Workspace, act: Callable[[], Any]) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    act()
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    with workspace.catalog.read() as connection:
        size = connection.scalar(select(func.sum(func.length(schema.state_chunks.c.rows))))
    print(f"| {what} | {cpu:.2f} | {seconds:.2f} | {(size or 0) / 1e6:.1f} |", flush=True)


def reject(workspace: Workspace, shas: list[str]) -> None:
    with workspace.catalog.begin() as connection:
        for start in range(0, len(shas), 500):
            table = schema.verdicts
            change = update(table).where(table.c.sha256.in_(shas[start : start + 500]))
            connection.execute(change.values(verdict="reject", reasons=["bad_exposure"]))


def fill(workspace: Workspace, pictures: int) -> list[str]:
    shas = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(pictures)]
    choose, at = random.Random(7), now()
    words = {"damage": ["damaged", "whole"], "brand": ["A", "B", "C"], "model": ["A x", "B y"]}
    reasons: list[list[str]] = [[], ["blurry"], ["too_small", "blurry"]]
    workspace.masks.mkdir()
    masked = shas[::10]
    for sha in masked:
        (workspace.masks / f"{sha}.png").write_bytes(sha.encode() * 30)
    row = {"name": "damage", "target": "damage", "seed": 7, "ratios": {}, "options": {}}
    workspace.catalog.upsert(schema.split_sets, [row | {"created_at": at}])
    tables: list[tuple[Any, list[dict[str, Any]]]] = [
        (schema.images, [{"sha256": s, "extension": "jpg", "bytes": 9, "added_at": at}
                         for s in shas]),
        (schema.sightings, [{"key": s, "sha256": s, "source": "pages", "tool_version": "0",
                             "origin": f"host{choose.randrange(50)}.example", "fetched_at": at}
                            for s in shas]),
        (schema.labels, [{"sha256": s, "field": field, "value": choose.choice(values),
                          "origin": "import", "annotator": "", "at": at}
                         for s in shas for field, values in words.items()]),
        (schema.verdicts, [{"sha256": s, "verdict": choose.choice(["keep", "keep", "reject"]),
                            "reasons": choose.choice(reasons), "group": s[:16], "policy": "p",
                            "human": False, "decided_at": at} for s in shas]),
        (schema.splits, [{"split_set": "damage", "sha256": s, "label": "damaged", "group": s[:16],
                          "split": choose.choice(["train", "test"])}
                         for s in shas[: pictures * 4 // 5]]),
        (schema.annotations, [{"key": s, "sha256": s, "project": "p", "annotator": "me",
                               "kind": "mask", "label": "dent", "file": f"masks/{s}.png",
                               "state": "current", "updated_at": at} for s in masked]),
    ]  # fmt: skip
    with workspace.catalog.begin() as connection:
        for table, rows in tables:
            for start in range(0, len(rows), 20_000):
                connection.execute(table.insert(), rows[start : start + 20_000])
    return shas


if __name__ == "__main__":
    main()
