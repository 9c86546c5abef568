"""What feeding a training step costs: pictures per second and CPU-seconds, each case by itself.

Needs a folder with one folder per class, and the weights file of MobileNetV2 without its top.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from train.data.affine import distorter
from train.data.pixels import View
from train.data.samples import folder_samples
from train.fit import features
from train.fit.labels import LabelObjective, Rows
from train.fit.learn import onehot
from train.fit.loop import fit
from train.models.network import build_network, find_cut, set_trainable, split_at
from train.recipes.recipe import AffineAugmentation, Recipe

AFFINE = AffineAugmentation(rotation=20, shift=0.1, shear=10, zoom=0.1, flip=True)
CASES = ("head", "block", "augmented", "file", "compiled")
EPOCHS = 3


def recipe(weights: Path, case: str) -> Recipe:
    """Return a head on cached features, or the last block of MobileNetV2 on pictures."""
    head = case == "head"
    return Recipe.model_validate(
        {
            "name": case,
            "description": "for the benchmark",
            "backbone": "mobilenet_v2",
            "weights": str(weights),
            "stages": [
                {
                    "name": "head",
                    "trainable": "head" if head else {"from_block": "block_16_"},
                    "epochs": 50 if head else EPOCHS,
                    "keep": "last",
                    "optimizer": {"learning_rate": 1e-4},
                }
            ],
        }
    )


def measure(data: Path, weights: Path, case: str, rows: int) -> dict:
    """Time one case; `rows` pictures, repeated from the folder as often as needed."""
    found = folder_samples(data, split="train")
    some = tuple(found.items[i * len(found.items) // rows] for i in range(rows))
    made = recipe(weights, case)
    stage = made.stages[0]
    network = build_network(made, len(found.classes))
    set_trainable(network, stage)
    model, view = network.model, View(network.side)
    if case == "file":
        features.MEMORY_LIMIT = 0
    clock = time.monotonic(), time.process_time()
    x = features.load_pixels(some, view)
    loaded = time.monotonic() - clock[0], time.process_time() - clock[1]
    if case == "head":
        before, model = split_at(model, find_cut(model))
        x = features.predict(before, x)
    y = onehot(some, found.classes)
    distort = distorter(AFFINE, 7) if case == "augmented" else None
    few = Rows(x[:32], y[:32], np.ones(32, np.float32))
    spent: list[tuple[float, float]] = []

    def note(history: object) -> None:
        spent.append((time.monotonic(), time.process_time()))

    objective = LabelObjective(Rows(x, y, np.ones(rows, np.float32), distort), few, stage)
    history = fit(model, objective, seed=7, jit_compile=case == "compiled", on_epoch=note)
    epochs = len(spent) - 1  # without the first, which traces the graph
    wall, cpu = (spent[-1][each] - spent[0][each] for each in (0, 1))
    return {
        "case": case,
        "pictures": rows,
        "load_wall_s": round(loaded[0], 2),
        "load_cpu_s": round(loaded[1], 2),
        "pictures_per_s": round(rows * epochs / wall, 1),
        "cpu_s_per_1000": round(1000 * cpu / rows / epochs, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "last_loss": history.step_losses[-1],
    }


def main() -> None:
    """Measure each case in a process of its own; one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--rows", type=int, default=320)
    parser.add_argument("--case", choices=CASES)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measure(given.data, given.weights, given.case, given.rows)), flush=True)
        return
    for case in CASES:
        subprocess.run(
            [sys.executable, "-m", "benchmarks.train_input", *sys.argv[1:], "--case", case],
            check=True,
        )


if __name__ == "__main__":
    main()
