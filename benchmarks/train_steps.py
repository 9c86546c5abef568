"""The steps of benchmarks.train: recipes, baselines, photos from other sources, time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.stats import binomtest

from benchmarks.train_photos import NEAR, phash, pictures
from bodyshop_core.imaging import Equalise
from train.data.affine import distorter
from train.data.pixels import View
from train.data.samples import Sample, Samples
from train.evaluation.crossval import assign_folds, cross_validate
from train.fit.features import cut_features, load_pixels
from train.fit.labels import LabelObjective, Rows
from train.fit.learn import learn, onehot
from train.fit.loop import fit
from train.models.inference import predict
from train.models.linear_probe import fit_linear_probe
from train.models.network import build_network, find_cut, set_trainable, split_at
from train.recipes.recipe import load_recipe

FOLDS = 5


def cross(
    samples: Samples,
    recipe: str,
    features: Path,
    equalise: Equalise | None,
    seed: int,
    weights: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> dict:
    """Cross-validate a recipe; the time includes features that are not in the cache yet."""
    wall, cpu = time.monotonic(), time.process_time()
    result = cross_validate(
        load_recipe(recipe, overrides=overrides),
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
        "right": result.correct.astype(int).tolist(),
    }


def size_only(samples: Samples, seed: int) -> dict:
    """One threshold on the picture's area, chosen on the other folds (a tree for more classes)."""
    from sklearn.tree import DecisionTreeClassifier

    areas = []
    for item in samples.items:
        with Image.open(item.path) as image:
            areas.append(image.width * image.height)
    x = np.log(np.array(areas))[:, None]
    y, place = _labels(samples), assign_folds(samples.items, FOLDS, seed)
    leaves = len(samples.classes)
    right = np.zeros(len(y), bool)
    for fold in range(FOLDS):
        tree = DecisionTreeClassifier(max_leaf_nodes=leaves).fit(x[place != fold], y[place != fold])
        right[place == fold] = tree.predict(x[place == fold]) == y[place == fold]
    return _share(right)


def linear_probe(samples: Samples, features: Path, equalise: Equalise | None, seed: int) -> dict:
    """Logistic regression on pretrained EfficientNet-Lite0 features, originals only."""
    network = build_network(load_recipe("bottleneck"), len(samples.classes))
    x = cut_features(network.model, "pool", samples.items, View(network.side, equalise), features)
    y, place = _labels(samples), assign_folds(samples.items, FOLDS, seed)
    right = np.zeros(len(y), bool)
    for fold in range(FOLDS):
        test, validation = place == fold, place == (fold + 1) % FOLDS
        rest = ~(test | validation)
        model = fit_linear_probe(x[rest], y[rest], x[validation], y[validation], seed=seed)
        right[test] = model.predict(x[test]) == y[test]
    return _share(right)


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
    data_of = load_recipe(recipe).data
    part = replace(samples, items=tuple(items)).with_views(
        data_of.tta_views, data_of.degradation_views
    )
    learned = learn(
        load_recipe(recipe), part, features, equalise=equalise, seed=seed, with_linear_probe=False
    )
    hashes = np.array([phash(item.path) for item in train_part])

    def others(folder: str, label: str) -> list[Sample]:
        return [
            replace(items[0], path=path, label=label, sha256=str(path))
            for path in pictures(data / folder)
            if (hashes ^ phash(path)).sum(axis=1).min() > NEAR
        ]

    result = {}
    for name, chosen in (
        ("given validation", given),
        ("masks (all damaged)", others("masks", "damaged")),
        ("models (all whole)", others("models", "whole")),
    ):
        labels = onehot(tuple(chosen), samples.classes).argmax(axis=1)
        result[name] = _share(learned.probabilities(tuple(chosen)).argmax(axis=1) == labels)
        result[name] |= {"n": len(chosen)}
        result[name].pop("right")
    return result


def study_way(samples: Samples, weights: Path, equalise: Equalise | None, seed: int) -> dict:
    """CPU time on the same pictures: the study's method, its head on cached features, `default`.

    The study's method runs the frozen VGG16 in every epoch on newly augmented pictures. Two epochs
    are timed, the first including the tracing of TensorFlow's graph; the others are extrapolated.
    """
    recipe = load_recipe("gate2-bottleneck")
    affine = load_recipe("gate2-finetune").stages[1].affine
    network = build_network(recipe, 2, weights=weights)
    stage = recipe.stages[0]
    set_trainable(network, stage)
    some = tuple(samples.items[:: max(1, len(samples.items) // 200)])
    pixels = load_pixels(some, View(network.side))
    y = onehot(some, samples.classes)
    rows = Rows(pixels, y, np.ones(len(y), np.float32), distorter(affine, seed))
    few = Rows(pixels[:32], y[:32], np.ones(32, np.float32))
    cpu = time.process_time()
    slow = fit(
        network.model, LabelObjective(rows, few, stage.model_copy(update={"epochs": 2})), seed=seed
    )
    slow_cpu = time.process_time() - cpu
    cpu = time.process_time()
    before, after = split_at(network.model, find_cut(network.model))
    cached = predict(before, pixels)
    once = time.process_time() - cpu
    cpu = time.process_time()
    plain = Rows(cached, y, rows.weight)
    fit(after, LabelObjective(plain, Rows(cached[:32], y[:32], few.weight), stage), seed=seed)
    head = time.process_time() - cpu
    cpu, wall = time.process_time(), time.monotonic()
    default = load_recipe("default")
    split = [replace(item, split="train") for item in some]
    split += [replace(item, split="validation") for item in some[:32]]
    part = replace(samples, items=tuple(split))
    part = part.with_views(default.data.tta_views, default.data.degradation_views)
    with tempfile.TemporaryDirectory() as folder:
        learn(default, part, Path(folder), equalise=equalise, seed=seed, with_linear_probe=False)
    ours, ours_wall = time.process_time() - cpu, time.monotonic() - wall
    whole = slow_cpu / 2 * stage.epochs
    return {
        "pictures": len(some),
        "epochs": stage.epochs,
        "study_cpu_s_per_epoch": slow_cpu / 2,
        "study_cpu_s_extrapolated": whole,
        "study_wall_s_second_epoch": slow.epochs[1]["seconds"],
        "cached_features_cpu_s": once,
        "cached_head_cpu_s": head,
        "cached_faster": whole / (once + head),
        "default_cpu_s": ours,
        "default_wall_s": ours_wall,
        "default_faster": whole / ours,
    }


def _labels(samples: Samples) -> np.ndarray:
    return onehot(samples.items, samples.classes).argmax(axis=1)


def _share(right: np.ndarray) -> dict:
    return {
        "accuracy": float(right.mean()),
        "ci95": list(binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")),
        "right": right.astype(int).tolist(),
    }
