"""Recipe gate2-bottleneck on sources left out: python -m benchmarks.gate2_abroad DATA --work DIR.

--weights is VGG16's file. As many damaged and undamaged photos of each fold, its sources in turn,
by a fixed seed; a head is fitted without each fold, and asked about it beside a linear probe of the
same photos and the simple model of benchmarks.same_scale, which has learned from all photos of the
other folds. DIR holds that, and keeps the maps of VGG16.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.abroad_photos import Photo, photos
from benchmarks.same_scale import compared, fitted, odds
from benchmarks.shipped_features import Looked, look
from benchmarks.shipped_folds import FOLDS, Data, folds_of
from train.data.pixels import View, to_square
from train.fit.labels import LabelObjective, Rows
from train.fit.loop import fit
from train.models.inference import predict
from train.models.network import Network, build_network, find_cut, set_trainable, split_at
from train.recipes.recipe import Recipe, load_recipe
from train.windows import evidence

SEED, BATCH = 7, 16

LABELS = ("damaged", "whole")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--each", type=int, default=50, help="photos of each fold and label")
    parser.add_argument("--components", type=int, default=512)
    parser.add_argument("--folds", type=int, nargs="*", default=list(range(len(FOLDS))))
    options = parser.parse_args()
    listed = photos(options.data)

    def never(squares: np.ndarray) -> np.ndarray:
        raise SystemExit("run python -m benchmarks.make_shipped first")

    whole = look(listed, never, options.work / "whole.npz", cuts=False)
    whole = Looked(whole.photo, whole.features[..., : options.components], whole.labels)
    none = Looked(whole.photo[:0], whole.features[:0], whole.labels[:0])
    data = Data(listed, whole, none, None, None)  # type: ignore[arg-type]
    recipe = load_recipe("gate2-bottleneck")
    file = options.work / "vgg16.npz"
    if not file.exists():
        keep_maps(listed, sampled(listed, options.each), recipe, options.weights, file)
    with np.load(file) as stored:
        maps, place = stored["maps"].astype(np.float32), stored["photo"]
    fold = folds_of(data)
    damaged = data.labels[place] == "damaged"
    for number in options.folds:
        inside = fold[place] == number
        model = fitted(data, fold != number, options.work)
        bases = {
            "simple model": evidence.pool(odds(data, model))[place],
            "linear probe": probe(data.whole.features[place, -1], damaged, ~inside),
        }
        network = build_network(recipe, 2, weights=options.weights)
        score = head(network, recipe, maps, damaged, ~inside)
        d, u = np.flatnonzero(inside & damaged), np.flatnonzero(inside & ~damaged)
        for name, base in bases.items():
            area, low, high = compared(score, base, d, u)
            print(
                f"| {', '.join(sorted(set(data.origins[place[d]])))} | {len(d)} / {len(u)} | "
                f"{area:.3f} | {name} {area - (low + high) / 2:.3f} | {low:+.3f} to {high:+.3f} |",
                flush=True,
            )


def probe(features: np.ndarray, damaged: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fit a regression on the window that is the whole picture, as benchmarks.same_scale does."""
    x = features.astype(np.float32)
    x = (x - x[known].mean(axis=0)) / x[known].std(axis=0)
    regression = LogisticRegression(C=1e-3, class_weight="balanced", max_iter=300)
    return np.asarray(regression.fit(x[known], damaged[known]).decision_function(x))


def sampled(listed: list[Photo], each: int) -> np.ndarray:
    """Return the places of `each` photos of every fold and label, the folds in turn."""
    origins = np.array([photo.origin for photo in listed])
    labels = np.array([photo.label for photo in listed])
    rng = np.random.default_rng(SEED)
    orders = []
    for sources in FOLDS:
        for label in LABELS:
            parts = [
                list(rng.permutation(np.flatnonzero((origins == origin) & (labels == label))))
                for origin in sorted(sources)
            ]
            parts, order = [part for part in parts if part], []
            while any(parts):
                order += [part.pop() for part in parts if part]
            orders.append(order[:each])
    return np.array([order[turn] for turn in range(each) for order in orders])


def keep_maps(
    listed: list[Photo], place: np.ndarray, recipe: Recipe, weights: Path, file: Path
) -> None:
    """Compute the frozen network's maps once."""
    network = build_network(recipe, 2, weights=weights)
    set_trainable(network, recipe.stages[0])
    before, _ = split_at(network.model, find_cut(network.model))
    view, found = View(network.side), []
    for start in range(0, len(place), BATCH):
        part = [to_square(listed[each].file, view) for each in place[start : start + BATCH]]
        found.append(predict(before, np.stack(part)))
    np.savez(file, maps=np.concatenate(found).astype(np.float16), photo=place)


def head(
    network: Network, recipe: Recipe, maps: np.ndarray, damaged: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """Fit the head to the known photos, a fifth of which choose the epoch; return log-odds."""
    (stage,) = recipe.stages
    set_trainable(network, stage)
    _, after = split_at(network.model, find_cut(network.model))
    rows = np.random.default_rng(SEED).permutation(np.flatnonzero(known))
    y = np.stack([~damaged, damaged], axis=1).astype(np.float32)
    checked, training = (
        Rows(maps[part], y[part], np.ones(len(part), np.float32))
        for part in np.split(rows, [len(rows) // 5])
    )
    fit(after, LabelObjective(training, checked, stage), seed=SEED)
    chance = np.clip(predict(after, maps)[:, -1].astype(np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(np.log(chance / (1 - chance)))


if __name__ == "__main__":
    main()
