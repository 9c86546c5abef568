"""Recipes on real photos, by grouped 5-fold cross-validation: python -m benchmarks.train DATA.

DATA is a folder with damage/{training,validation}/{damaged,whole}, masks/ and models/; --weights is
a folder with vgg16_notop.weights.h5 and mobilenet_v2_notop.weights.h5. Every picture is tested once
by a model that was trained on neither it nor a near-duplicate of it. Results are added to --out
after every step, so that the benchmark can be run in parts (--only STEP ...).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import train_steps as steps_of
from benchmarks.train_photos import damage_photos, model_photos
from bodyshop_core.imaging import Equalise
from train.data.samples import Samples
from train.metrics.paired import mcnemar, paired_bootstrap

SEEDS = (7, 8, 9)

FOREIGN = {
    "gate2-bottleneck": "vgg16_notop.weights.h5",
    "gate2-finetune": "vgg16_notop.weights.h5",
    "mobilenetv2-3class": "mobilenet_v2_notop.weights.h5",
}
"""Recipes of the studies whose weights are available."""

OWN = ("default", "bottleneck")


def damage_steps(
    samples: Samples, even: Equalise, arguments: argparse.Namespace
) -> dict[str, Callable[[], Any]]:
    """Return the steps on pictures of damaged and whole cars: name -> function."""
    found: dict[str, Callable[[], Any]] = {}
    features = arguments.features
    for seed in arguments.seeds:
        found[f"size-only/{seed}"] = lambda s=seed: steps_of.size_only(samples, s)
        for name, spec in (("equalised", even), ("raw", None)):
            found[f"linear_probe/{name}/{seed}"] = lambda e=spec, s=seed: steps_of.linear_probe(
                samples, features, e, s
            )
            for recipe, weights in recipes(arguments).items():
                found[f"{recipe}/{name}/{seed}"] = lambda r=recipe, e=spec, s=seed, w=weights: (
                    steps_of.cross(samples, r, features, e, s, w)
                )
    for recipe in OWN:
        for name, spec in (("equalised", even), ("raw", None)):
            found[f"outside/{recipe}/{name}"] = lambda r=recipe, e=spec: steps_of.outside(
                samples, r, features, e, arguments.data, 7
            )
    if arguments.weights:
        vgg16 = arguments.weights / FOREIGN["gate2-bottleneck"]
        found["study-way"] = lambda: steps_of.study_way(samples, vgg16, even, 7)
    return found


def model_steps(samples: Samples, arguments: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """Return the steps on car models, not equalised: name -> function; softmax for ten classes."""
    found: dict[str, Callable[[], Any]] = {}
    features = arguments.features
    found["models/size-only"] = lambda: steps_of.size_only(samples, 7)
    found["models/linear_probe"] = lambda: steps_of.linear_probe(samples, features, None, 7)
    for recipe, weights in recipes(arguments).items():
        found[f"models/{recipe}"] = lambda r=recipe, w=weights: steps_of.cross(
            samples, r, features, None, 7, w, {"head.activation": "softmax"}
        )
    return found


def recipes(arguments: argparse.Namespace) -> dict[str, Path | None]:
    """Return recipe -> its weights file; None for those whose weights are installed."""
    foreign = {
        name: arguments.weights / file for name, file in FOREIGN.items() if arguments.weights
    }
    return dict.fromkeys(OWN) | foreign


def compare(results: dict[str, Any], groups: np.ndarray) -> None:
    """Print the comparison of `default` with everything else that was tested on the same folds."""
    for ours in [name for name in results if name.startswith("default/")]:
        _, view, seed = ours.split("/")
        for other, result in results.items():
            same = other.endswith(f"/{view}/{seed}") or other == f"size-only/{seed}"
            if same and other != ours:
                first, second = (np.array(r["right"], bool) for r in (results[ours], result))
                paired = paired_bootstrap(first, second, groups=groups)
                print(ours, "against", other, paired, mcnemar(first, second))


def main() -> None:
    """Run the chosen steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--features", type=Path, default=Path("build/train-features"))
    parser.add_argument("--out", type=Path, default=Path("build/train-benchmark.json"))
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    arguments = parser.parse_args()
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    samples = damage_photos(arguments.data)
    sides = [max(Image.open(item.path).size) for item in samples.items]
    even = Equalise(int(np.percentile(sides, 25)))
    groups = np.array([item.group for item in samples.items])
    print(f"{len(groups)} pictures, {len(set(groups))} groups, {even}", flush=True)
    steps = damage_steps(samples, even, arguments)
    if not arguments.only or any(step.startswith("models/") for step in arguments.only):
        steps |= model_steps(model_photos(arguments.data), arguments)
    for step in arguments.only or steps:
        if step not in steps:
            sys.exit(f"no step '{step}': {', '.join(steps)}")
        if step in results:
            continue
        results[step] = steps[step]()
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(results))
        shown = {k: v for k, v in results[step].items() if k != "right"}
        print(step, json.dumps(shown), flush=True)
    compare(results, groups)


if __name__ == "__main__":
    main()
