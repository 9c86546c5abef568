"""The logistic regression of `default` read in minibatches: against all rows at once, and in size.

``real DATA`` compares both on the features of a folder with one folder per class. ``rows N ...``
fits made-up rows of the same length from a memory map of half precision, each in its own process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from train.models import linear_probe
from train.models.linear_probe import fit_linear_probe
from train.models.streamed_regression import probabilities

LENGTH = 4_448
"""Numbers per row that `default` has."""


def real(data: Path, features: Path) -> dict:
    """Fit both to the views of every second picture, and compare what they say of the others."""
    from dataclasses import replace

    from train.data.pixels import View
    from train.data.samples import folder_samples
    from train.fit.features import cut_features
    from train.fit.learn import onehot
    from train.models.network import build_network
    from train.recipes.recipe import load_recipe

    recipe = load_recipe("default")
    found = folder_samples(data, split="train")
    items = [
        replace(item, split=("train", "validation")[place % 2])
        for place, item in enumerate(found.items)
    ]
    shown = replace(found, items=tuple(items))
    shown = shown.with_views(recipe.data.tta_views, recipe.data.degradation_views)
    network = build_network(recipe, len(found.classes))
    every = (*shown.of("train"), *shown.of("validation"))
    rows = cut_features(network.model, "pool", every, View(network.side), features)
    labels = onehot(every, found.classes).argmax(axis=1)
    split = len(shown.of("train"))
    x, y, checked, truth = rows[:split], labels[:split], rows[split:], labels[split:]
    said = {}
    for name, many in (("at once", linear_probe.MANY), ("minibatches", 1000)):
        linear_probe.MANY = many
        cpu = time.process_time()
        fitted = fit_linear_probe(x.astype(np.float16) if many == 1000 else x, y, checked, truth)
        answers = probabilities(fitted, checked)
        said[name] = answers
        print(
            json.dumps(
                {
                    "way": name,
                    "rows": len(x),
                    "length": x.shape[1],
                    "strength": fitted.chosen,
                    "accuracy": float((answers.argmax(axis=1) == truth).mean()),
                    "cpu_s": round(time.process_time() - cpu, 1),
                }
            ),
            flush=True,
        )
    one, two = said.values()
    return {
        "largest_difference": float(np.abs(one - two).max()),
        "decided_differently": int((one.argmax(axis=1) != two.argmax(axis=1)).sum()),
        "of": len(truth),
    }


def made_up(rows: int, folder: Path) -> dict:
    """Fit rows with two classes that overlap."""
    random = np.random.default_rng(7)
    centre = random.normal(0, 0.03, LENGTH).astype(np.float32)
    labels = random.integers(0, 2, rows)
    with tempfile.TemporaryFile(dir=folder) as file:
        x = np.memmap(file, np.float16, "w+", shape=(rows, LENGTH))
    for start in range(0, rows, 4096):
        part = slice(start, start + 4096)
        noise = random.standard_normal((len(labels[part]), LENGTH), np.float32)
        x[part] = noise + np.where(labels[part, None] == 1, centre, -centre)
    del noise
    peak, done = [0, 0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            held = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
            peak[0] = max(peak[0], int(held["RssAnon"]))
            peak[1] = max(peak[1], int(held["RssFile"]) + int(held["RssShmem"]))

    threading.Thread(target=watch).start()
    clock = time.process_time(), time.monotonic()
    held_out = slice(0, min(rows, 10_000))
    fitted = fit_linear_probe(x, labels, x[held_out], labels[held_out])
    spent = time.process_time() - clock[0], time.monotonic() - clock[1]
    done.set()
    return {
        "rows": rows,
        "strength": fitted.chosen,
        "cpu_s": round(spent[0], 1),
        "wall_s": round(spent[1], 1),
        "own_mb": peak[0] // 1024,
        "pages_of_files_mb": peak[1] // 1024,
    }


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("real")
    one.add_argument("data", type=Path)
    one.add_argument("--features", type=Path, default=Path("build/train-features"))
    many = kinds.add_parser("rows")
    many.add_argument("rows", type=int, nargs="+")
    many.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    many.add_argument("--at-once", type=int, help="Up to this many rows are fitted in memory.")
    given = parser.parse_args()
    if given.kind == "real":
        print(json.dumps(real(given.data, given.features)), flush=True)
    elif len(given.rows) == 1:
        linear_probe.MANY = given.at_once or linear_probe.MANY
        print(json.dumps(made_up(given.rows[0], given.folder)), flush=True)
    else:
        for rows in given.rows:
            rest = ["--folder", str(given.folder), "--at-once", str(given.at_once or 0)]
            subprocess.run(
                [sys.executable, "-m", "benchmarks.train_features", "rows", str(rows), *rest],
                check=True,
            )


if __name__ == "__main__":
    main()
