"""What `benchmarks.looking` runs in processes of their own, with the packages of either commit.

It uses only what both have, and prints one JSON object.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

SIDE = 224


def main() -> None:
    part, *words = sys.argv[1:]
    print(json.dumps(PARTS[part](*words)))


def cpu_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def decode(listed: str) -> dict[str, Any]:
    """Decode each photo at a reduced size and resize it to a square of 224: the yardstick."""
    from PIL import Image

    files = Path(listed).read_text().splitlines()
    begun = cpu_seconds()
    for file in files:
        with Image.open(file) as image:
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return {"cpu_s": cpu_seconds() - begun, "pictures": len(files)}


class Steps:
    """A progress that notes the processor time of each step."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def task(self, name: str, total: int | None = None) -> Any:
        """Note what the block uses."""
        begun = cpu_seconds()
        yield lambda n=1, note="": None
        self.spent[name] = self.spent.get(name, 0.0) + cpu_seconds() - begun

    def log(self, message: str) -> None:
        """Say nothing."""


def curate(photos: str, folder: str, precision: str = "") -> dict[str, Any]:
    """Import class folders and curate them with every default but the gate's precision."""
    import collector
    from bodyshop_core.workspace import Workspace

    workspace = Workspace.open(Path(folder))
    collector.import_folder(Path(photos) / "damage", workspace)
    collector.import_folder(Path(photos) / "not_car", workspace, label="stranger", field="brand")
    steps, started, begun = Steps(), perf_counter(), cpu_seconds()
    import curate

    words: dict[str, Any] = {}
    if precision:  # older commits have no such key
        from curate.policy import Policy

        words["policy"] = Policy.model_validate({"gate": {"precision": precision}})
    summary = curate.curate(workspace, target="damage", progress=steps, **words)
    mib = [
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return {
        "cpu_s": cpu_seconds() - begun,
        "wall_s": perf_counter() - started,
        "pictures": summary.pictures,
        "steps": steps.spent,
        "mib_driver": mib[0],
        "mib_worker": mib[1],
        "tensorflow": "tensorflow" in sys.modules,
    }


def gate(listed: str) -> dict[str, Any]:
    """Judge photos one by one with the default gate, kept open."""
    from bodyshop_core.workspace import Workspace
    from curate import load_gate

    files = [Path(line) for line in Path(listed).read_text().splitlines()]
    opened = load_gate(Workspace.open(Path(listed).parent / "empty"))
    opened.judge(files[:4])
    begun = cpu_seconds()
    opened.judge(files)
    return {"cpu_s": cpu_seconds() - begun, "pictures": len(files)}


def runtime(name: str, weights: str, kind: str, listed: str, scratch: str) -> dict[str, Any]:
    """Run a backbone over squares by one runtime; the first call of `keras` is the reference."""
    os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    sys.path.append(str(Path(__file__).parent))  # last: it has modules named like packages
    import numpy as np
    from looking_runtimes import RUNTIMES

    from bodyshop_core.imaging import fit_square, load_rgb

    files = [Path(line) for line in Path(listed).read_text().splitlines()]
    squares = np.stack([fit_square(load_rgb(file, at_least=2 * SIDE), SIDE) for file in files])
    begun = cpu_seconds()
    try:
        run, note = RUNTIMES[kind](name, Path(weights) if weights else None, squares)
    except ImportError as error:
        return {"missing": str(error)}
    run(squares[:32])
    opening = cpu_seconds() - begun
    spent = []
    for _ in range(3):
        begun = cpu_seconds()
        features = run(squares)
        spent.append(cpu_seconds() - begun)
    reference = Path(scratch) / f"{name}.npy"
    if kind == "keras":
        np.save(reference, features)
    expected = np.load(reference)
    cosine = (expected * features).sum(1) / (
        np.linalg.norm(expected, axis=1) * np.linalg.norm(features, axis=1)
    )
    return {
        "cpu_ms": 1e3 * statistics.median(spent) / len(squares),
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "opening_s": opening,
        "cosine": f"{cosine.min():.6f}",
        "note": note,
    }


PARTS = {"decode": decode, "curate": curate, "gate": gate, "runtime": runtime}

if __name__ == "__main__":
    main()
