"""Damage masks by grouped 5-fold cross-validation: python -m benchmarks.segment DATA.

DATA is a folder with masks/ (COCO polygons) and damage/training/whole/. Every picture is tested
once by a model that was trained on neither it nor a near-duplicate of it; the constant mask is
chosen on the same training folds. Finished folds are kept in --out: it can be run in parts.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from benchmarks.train_photos import masked_photos
from bodyshop_core import atomic
from train.data.mask_samples import MaskedSample, MaskedSamples, load_squeezed_masks
from train.evaluation.crossval import assign_folds
from train.evaluation.mask_predictions import predict_masks, squeeze_all
from train.metrics.masks import SMALLEST, mask_summary
from train.models.segmenter import load_segmenter
from train.recipes.segment_recipe import SegmentRecipe, load_segment_recipe
from train.runs.plan import RunPlan
from train.runs.segment_run import fit_segmenter

FOLDS = 5
CLASSES = ("broken", "dent", "scratch")
WHOLE = 60


def fold_outputs(
    samples: list[MaskedSample], recipe: SegmentRecipe, run: Path, seed: int
) -> dict[str, np.ndarray]:
    """Train on one fold's division; returns the test part's truth, network and constant masks."""
    masked = MaskedSamples(tuple(samples), CLASSES, "benchmark")
    fit_segmenter(RunPlan(recipe, masked, None, None, seed), run, run="benchmark")
    model, side = load_segmenter(run).model, recipe.input_size
    train, test = ([s for s in samples if s.split == split] for split in ("train", "test"))
    constant = constant_mask(load_squeezed_masks(train, CLASSES, side))
    found = list(predict_masks(model, test, CLASSES, rows=recipe.rows))
    truth, network = squeeze_all(found, side)
    return {
        "truth": truth,
        "network": network.astype(np.float16),
        "constant": np.repeat(constant[None], len(truth), axis=0),
    }


def constant_mask(masks: np.ndarray) -> np.ndarray:
    """Return per class the level set of the mean mask that fits these masks best, as 0 or 1."""
    best = np.zeros(masks.shape[1:], np.uint8)
    for index in range(masks.shape[-1]):
        real, mean, top = masks[..., index].astype(bool), masks[..., index].mean(axis=0), -1.0
        for level in np.unique(np.quantile(mean, np.linspace(0, 1, 40))):
            mask = mean >= level
            score = (real & mask).sum() / (real | mask).sum()
            if score > top:
                top, best[..., index] = score, mask
    return best


def figures(truth: np.ndarray, network: np.ndarray, constant: np.ndarray, level: float) -> dict:
    """Pool all folds: IoU and Dice per class and of any damage, and whole pictures found."""
    result = {}
    for name, masks in (("network", network), ("constant", constant)):
        each = mask_summary(truth, masks, CLASSES, level=level)
        whole = truth.any(axis=-1, keepdims=True).astype(np.uint8)
        single = mask_summary(whole, masks.max(axis=-1, keepdims=True), ("damage",), level=level)
        each["per_class"] |= single["per_class"]
        each["mean_dice"] = float(np.mean([each["per_class"][kind]["dice"] for kind in CLASSES]))
        result[name] = each
    damaged = truth.any(axis=(1, 2, 3))
    found = (network >= level).any(axis=-1).mean(axis=(1, 2)) >= SMALLEST
    for name, rows in (("damaged found", damaged), ("whole called damaged", ~damaged)):
        hits, count = int(found[rows].sum()), int(rows.sum())
        interval = binomtest(hits, count).proportion_ci(method="wilson")
        result[name] = {"share": hits / count, "ci95": list(interval), "n": count}
    return result


def bootstrap_iou(
    truth: np.ndarray, masks: np.ndarray, groups: np.ndarray, level: float, rounds: int = 1000
) -> dict[str, list[float]]:
    """95 % intervals of IoU, whole groups of pictures drawn with replacement."""
    found, real = masks >= level, truth.astype(bool)
    both = np.concatenate([(found & real), (found.any(-1) & real.any(-1))[..., None]], axis=-1)
    either = np.concatenate([(found | real), (found.any(-1) | real.any(-1))[..., None]], axis=-1)
    both, either = both.sum(axis=(1, 2)), either.sum(axis=(1, 2))
    names, place = np.unique(groups, return_inverse=True)
    sums = np.zeros((2, len(names), both.shape[1]))
    np.add.at(sums[0], place, both)
    np.add.at(sums[1], place, either)
    random = np.random.default_rng(7)
    drawn = random.integers(0, len(names), (rounds, len(names)))
    ious = sums[0][drawn].sum(axis=1) / sums[1][drawn].sum(axis=1)
    mean = ious[:, : len(CLASSES)].mean(axis=1)
    bounds = {name: ious[:, i] for i, name in enumerate((*CLASSES, "damage"))} | {"mean": mean}
    return {name: np.quantile(each, [0.025, 0.975]).tolist() for name, each in bounds.items()}


def main() -> None:
    """Run what is missing, then pool the folds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipe", default="segment")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=Path("build/segment-benchmark"))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folds", type=int, default=FOLDS, help="stop after so many of the five")
    arguments = parser.parse_args()
    changes = {key: json.loads(value) for key, value in (s.split("=", 1) for s in arguments.set)}
    recipe = load_segment_recipe(arguments.recipe, overrides=changes)
    out = arguments.out
    pairs = masked_photos(arguments.data, WHOLE, out / "masks")
    place = assign_folds([sample for sample, _ in pairs], FOLDS, arguments.seed)
    groups = np.array([sample.group for sample, _ in pairs])
    print(f"{len(pairs)} pictures, {len(set(groups))} groups", flush=True)
    for fold in range(arguments.folds):
        file = out / f"fold-{fold}.npz"
        if file.exists():
            continue
        role = {fold: "test", (fold + 1) % FOLDS: "validation"}
        samples = [
            replace(masks, split=role.get(int(each), "train"))
            for (_, masks), each in zip(pairs, place, strict=True)
        ]
        run = out / f"fold-{fold}"  # a fold that was killed goes on after its last epoch
        outputs = fold_outputs(samples, recipe, run, arguments.seed)
        with atomic.replacing(file) as temporary:
            np.savez_compressed(temporary, places=np.flatnonzero(place == fold), **outputs)
        shutil.rmtree(run)
        print(f"fold {fold} is done", flush=True)
    folds = [np.load(out / f"fold-{fold}.npz") for fold in range(arguments.folds)]
    order = np.concatenate([each["places"] for each in folds])
    truth, network, constant = (
        np.concatenate([each[name] for each in folds]) for name in ("truth", "network", "constant")
    )
    result = figures(truth, network.astype(np.float32), constant, recipe.level)
    result["network"]["iou_ci95"] = bootstrap_iou(truth, network, groups[order], recipe.level)
    result["constant"]["iou_ci95"] = bootstrap_iou(truth, constant, groups[order], recipe.level)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
