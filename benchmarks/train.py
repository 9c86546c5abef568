"""Recipes on real photos, by grouped 5-fold cross-validation: python -m benchmarks.train DATA.

DATA is a folder with damage/{training,validation}/{damaged,whole}, masks/ and models/; --weights is
a folder with vgg16_notop.weights.h5. Every picture is tested once by a model that saw neither it
nor a near-duplicate of it. Results are added to --out after every step, so that it can be run in
parts (--only STEP ...).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from bodyshop import imaging
from bodyshop.errors import UnreadableImageError
from bodyshop.imaging import Equalise
from train.crossval import assign_folds, cross_validate
from train.learning import learn, onehot
from train.metrics import wilson
from train.pairing import mcnemar, paired_bootstrap
from train.recipe import load_recipe
from train.samples import Sample, Samples, folder_samples

NEAR = 10
"""Bits of 64 within which two perceptual hashes make one group."""

FOLDS = 5
SEEDS = (7, 8, 9)


def damage_photos(data: Path) -> tuple[Samples, list[int]]:
    """Pool the given training and validation folders and group near-duplicates."""
    items, seen = [], set()
    for part in ("training", "validation"):
        for item in folder_samples(data / "damage" / part).items:
            if item.sha256 not in seen and readable(item.path):
                seen.add(item.sha256)
                items.append(replace(item, split=part))
    hashes = np.array([phash(item.path) for item in items])
    distance = np.array([(hashes ^ one).sum(axis=1) for one in hashes])
    _, groups = connected_components(coo_matrix(distance <= NEAR), directed=False)
    items = [replace(item, group=f"g{group}") for item, group in zip(items, groups, strict=True)]
    sides = [max(Image.open(item.path).size) for item in items]
    print(f"{len(items)} pictures, {len(set(groups))} groups", flush=True)
    return Samples(tuple(items), ("whole", "damaged"), "damage", "damage"), sides


def readable(path: Path) -> bool:
    """Say whether the picture can be decoded."""
    try:
        imaging.load_rgb(path)
    except UnreadableImageError:
        return False
    return True


def phash(path: Path) -> np.ndarray:
    """Return the 64 bits of a perceptual hash."""
    return np.asarray(imagehash.phash(Image.fromarray(imaging.load_rgb(path))).hash).ravel()


def cross(
    samples: Samples,
    recipe: str,
    features: Path,
    equalise: Equalise | None,
    seed: int,
    weights: Path | None = None,
) -> dict:
    """Cross-validate; returns (figures, right per picture)."""
    wall, cpu = time.monotonic(), time.process_time()
    result = cross_validate(
        load_recipe(recipe),
        samples,
        features,
        folds=FOLDS,
        equalise=equalise,
        seed=seed,
        weights=weights,
    )
    return {
        "accuracy": result.metrics["accuracy"],
        "ci95": result.metrics["ci95"],
        "folds": result.metrics["folds"],
        "loss": result.metrics["loss"],
        "ece": result.metrics["ece"],
        "recall": {k: v["recall"] for k, v in result.metrics["per_class"].items()},
        "wall_s": round(time.monotonic() - wall, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "right": result.right.astype(int).tolist(),
    }


def size_only(samples: Samples, sides: list[int], seed: int) -> dict:
    """One threshold on the picture's area, chosen on the other folds."""
    from sklearn.tree import DecisionTreeClassifier

    areas = []
    for item in samples.items:
        with Image.open(item.path) as image:
            areas.append(image.width * image.height)
    x = np.log(np.array(areas))[:, None]
    y = onehot(samples.items, samples.classes).argmax(axis=1)
    place = assign_folds(samples.items, FOLDS, seed)
    right = np.zeros(len(y), bool)
    for fold in range(FOLDS):
        tree = DecisionTreeClassifier(max_depth=1).fit(x[place != fold], y[place != fold])
        right[place == fold] = tree.predict(x[place == fold]) == y[place == fold]
    return {
        "accuracy": float(right.mean()),
        "ci95": list(wilson(int(right.sum()), len(right))),
        "right": right.astype(int).tolist(),
    }


def probe(samples: Samples, features: Path, equalise: Equalise | None, seed: int) -> dict:
    """Logistic regression on untouched EfficientNet-Lite0 features, originals only."""
    from train.features import cut_features
    from train.network import build_network
    from train.pixels import View
    from train.probe import fit_probe

    network = build_network(load_recipe("bottleneck"), 2)
    x = cut_features(network.model, "pool", samples.items, View(network.side, equalise), features)
    y = onehot(samples.items, samples.classes).argmax(axis=1)
    place = assign_folds(samples.items, FOLDS, seed)
    right = np.zeros(len(y), bool)
    for fold in range(FOLDS):
        test, validation = place == fold, place == (fold + 1) % FOLDS
        rest = ~(test | validation)
        model = fit_probe(x[rest], y[rest], x[validation], y[validation], seed=seed)
        right[test] = model.predict(x[test]) == y[test]
    return {
        "accuracy": float(right.mean()),
        "ci95": list(wilson(int(right.sum()), len(right))),
        "right": right.astype(int).tolist(),
    }


def outside(
    samples: Samples,
    recipe: str,
    features: Path,
    equalise: Equalise | None,
    data: Path,
    seed: int,
) -> dict:
    """Train on the given training folder; test on the given validation one and on other sets."""
    train_part = [item for item in samples.items if item.split == "training"]
    groups = {item.group for item in train_part}
    given = [i for i in samples.items if i.split == "validation" and i.group not in groups]
    place = assign_folds(train_part, 6, seed)
    items = [
        replace(item, split="validation" if fold == 0 else "train")
        for item, fold in zip(train_part, place, strict=True)
    ]
    chosen = load_recipe(recipe)
    part = replace(samples, items=tuple(items)).with_camera_views(chosen.data.camera_views)
    learned = learn(chosen, part, features, equalise=equalise, seed=seed, with_probe=False)
    hashes = np.array([phash(item.path) for item in train_part])

    def others(folder: str, label: str) -> list[Sample]:
        found = []
        for path in sorted((data / folder).rglob("*")):
            if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"} and readable(path):
                near = (hashes ^ phash(path)).sum(axis=1).min()
                if near > NEAR:
                    found.append(replace(items[0], path=path, label=label, sha256=str(path)))
        return found

    result = {}
    for name, chosen_items in (
        ("given validation", given),
        ("masks (all damaged)", others("masks", "damaged")),
        ("models (all whole)", others("models", "whole")),
    ):
        labels = onehot(tuple(chosen_items), samples.classes).argmax(axis=1)
        right = learned.probabilities(tuple(chosen_items)).argmax(axis=1) == labels
        result[name] = {
            "n": len(right),
            "accuracy": float(right.mean()),
            "ci95": list(wilson(int(right.sum()), len(right))),
        }
    return result


def study_way(samples: Samples, weights: Path, seed: int) -> dict:
    """Time two epochs of VGG16, frozen but run in every epoch on fresh distortions, and cached."""
    from train.features import load_pixels
    from train.fitting import Rows, fit
    from train.jitter import distorter
    from train.network import build_network, find_cut, set_trainable, split_at
    from train.pixels import View

    recipe = load_recipe("gate2-bottleneck")
    jitter = load_recipe("gate2-finetune").stages[1].jitter
    network = build_network(recipe, 2, weights=weights / "vgg16_notop.weights.h5")
    stage = recipe.stages[0]
    set_trainable(network, stage)
    some = tuple(samples.items[:: max(1, len(samples.items) // 200)])
    pixels = load_pixels(some, View(network.side))
    y = onehot(some, samples.classes)
    rows = Rows(pixels, y, np.ones(len(y), np.float32), distorter(jitter, seed))
    few = Rows(pixels[:32], y[:32], np.ones(32, np.float32))
    cpu = time.process_time()
    slow = fit(network.model, rows, few, stage.model_copy(update={"epochs": 2}), seed=seed)
    slow_cpu = time.process_time() - cpu
    cpu = time.process_time()
    before, after = split_at(network.model, find_cut(network.model))
    from train.fitting import predict

    cached = predict(before, pixels)
    once = time.process_time() - cpu
    cpu = time.process_time()
    plain = Rows(cached, y, rows.weight)
    fit(after, plain, Rows(cached[:32], y[:32], few.weight), stage, seed=seed)
    epochs = stage.epochs
    head = time.process_time() - cpu
    return {
        "pictures": len(some),
        "study_cpu_s_per_epoch": slow_cpu / 2,
        "study_cpu_s_extrapolated": slow_cpu / 2 * epochs,
        "study_wall_s_second_epoch": slow.epochs[1]["seconds"],
        "cached_features_cpu_s": once,
        "cached_head_cpu_s": head,
        "epochs": epochs,
        "faster": slow_cpu / 2 * epochs / (once + head),
    }


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
    samples, sides = damage_photos(arguments.data)
    even = Equalise(int(np.percentile(sides, 25)))
    print("equalise", even, flush=True)
    steps = {"size-only": lambda: size_only(samples, sides, 7)}
    for name, spec in (("equalised", even), ("raw", None)):
        steps[f"probe/{name}"] = lambda spec=spec: probe(samples, arguments.features, spec, 7)
        for seed in arguments.seeds:
            for recipe in ("bottleneck", "default"):
                steps[f"{recipe}/{name}/{seed}"] = lambda r=recipe, e=spec, s=seed: cross(
                    samples, r, arguments.features, e, s
                )
            if arguments.weights:
                steps[f"gate2-bottleneck/{name}/{seed}"] = lambda e=spec, s=seed: cross(
                    samples,
                    "gate2-bottleneck",
                    arguments.features,
                    e,
                    s,
                    arguments.weights / "vgg16_notop.weights.h5",
                )
        for recipe in ("bottleneck", "default"):
            steps[f"outside/{recipe}/{name}"] = lambda r=recipe, e=spec: outside(
                samples, r, arguments.features, e, arguments.data, 7
            )
    if arguments.weights:
        steps["study-way"] = lambda: study_way(samples, arguments.weights, 7)
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
    groups = np.array([item.group for item in samples.items])
    for name in ("equalised", "raw"):
        ours = results.get(f"default/{name}/7")
        for other in (
            f"gate2-bottleneck/{name}/7",
            f"probe/{name}",
            f"bottleneck/{name}/7",
            "size-only",
        ):
            if ours and other in results:
                first, second = (np.array(r["right"], bool) for r in (ours, results[other]))
                print(
                    name,
                    "default against",
                    other,
                    paired_bootstrap(first, second, groups=groups),
                    mcnemar(first, second),
                )


if __name__ == "__main__":
    main()
