"""What calibration after few photos is worth: python -m benchmarks.calibrate DATA --work DIR.

42 photos of six sources adapt the damage model as `train damage` does, 8 choose the strength, the
others are asked. "labels": the calibration is fitted to 0 and 1; "Platt": to Platt's targets.
Beside the shipped weights the figures are flattered: the shipped model has seen these photos.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from bodyshop_core.imaging import load_rgb
from train.fit.learn_windows import PLAIN
from train.windows import evidence
from train.windows.classifier import DamageClassifier, shipped_folder
from train.windows.fit import KnownPictures, KnownWindows, fit_evidence, fit_platt
from train.windows.grid import SIDE, squeeze

SOURCES = {
    "damage/training/damaged": 50, "abroad/damage/bilgi_tr/damaged": 56,
    "abroad/damage/csabika_in/damaged": 28, "damage/training/whole": 50,
    "abroad/damage/hyundai_in/whole": 32, "abroad/damage/openalpr_eu/whole": 42,
}  # fmt: skip
TRAIN, CHECK, DRAWS = 42, 8, 3
STRENGTHS = (0.03, 0.3, 3.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    base = DamageClassifier(shipped_folder())
    x, damaged = look(options.data, base, options.work / "calibrate.npz")
    print("| weights | targets | log loss | right | more than 99.9 % sure |\n|---|---|---|---|---|")
    for near in (True, False):
        shown = x if near else np.concatenate([x[..., :-1], np.zeros_like(x[..., -1:])], axis=-1)
        start = (base.model.weights, base.model.bias) if near else None
        rows = [draw(seed, shown, damaged, start) for seed in range(DRAWS)]
        for name in ("labels", "Platt"):
            loss, right, sure = np.mean([row[name] for row in rows], axis=0)
            weights = "near the shipped" if near else "new"
            print(f"| {weights} | {name} | {loss:.3f} | {right:.1%} | {sure:.0%} |", flush=True)


def look(data: Path, base: DamageClassifier, file: Path) -> tuple[np.ndarray, np.ndarray]:
    if not file.exists():
        features, labels = [], []
        for folder, most in SOURCES.items():
            for path in sorted(each for each in (data / folder).iterdir() if each.is_file())[:most]:
                square = squeeze(load_rgb(path, at_least=SIDE))
                features.append(base.features(square[None])[0].astype(np.float16))
                labels.append(folder.endswith("damaged"))
        np.savez(file, x=np.stack(features), damaged=np.array(labels))
    kept = np.load(file)
    return kept["x"].astype(np.float32), kept["damaged"]


def draw(
    seed: int, x: np.ndarray, damaged: np.ndarray, start: tuple[np.ndarray, float] | None
) -> dict[str, tuple[float, float, float]]:
    order = np.random.default_rng(seed).permutation(len(damaged))
    known, check, rest = order[:TRAIN], order[TRAIN : TRAIN + CHECK], order[TRAIN + CHECK :]
    best: dict[str, tuple[float, np.ndarray]] = {}
    for strength in STRENGTHS:
        windows, pictures = parts(x[known], damaged[known])
        weights, bias = fit_evidence(windows, pictures, start=start, strength=strength)
        score = evidence.pool(evidence.log_odds(x, weights, bias)).astype(float)
        for name, fit in (("labels", fit_labels), ("Platt", fit_platt)):
            slope, offset = fit(score[known], damaged[known])
            odds = slope * score + offset
            loss = log_loss(odds[check], damaged[check])
            if name not in best or loss < best[name][0]:
                best[name] = loss, odds[rest]
    return {
        name: (
            log_loss(odds, damaged[rest]),
            float(((odds >= 0) == damaged[rest]).mean()),
            float((np.abs(odds) > np.log(999)).mean()),
        )
        for name, (_, odds) in best.items()
    }


def parts(x: np.ndarray, damaged: np.ndarray) -> tuple[KnownWindows, KnownPictures]:
    plain = x[~damaged].reshape(-1, x.shape[-1])
    even = np.full(len(plain), PLAIN / len(plain), np.float32)
    each = np.where(damaged, 1 / damaged.sum(), 1 / (~damaged).sum()) * PLAIN / 2
    return (
        KnownWindows(plain, np.zeros(len(plain), bool), even),
        KnownPictures(x, damaged, each.astype(np.float32)),
    )


def fit_labels(score: np.ndarray, damaged: np.ndarray) -> tuple[float, float]:
    found = LogisticRegression(C=1e3, class_weight="balanced").fit(score[:, None], damaged)
    return float(found.coef_[0, 0]), float(found.intercept_[0])


def log_loss(odds: np.ndarray, damaged: np.ndarray) -> float:
    return float(np.logaddexp(0, -np.where(damaged, 1, -1) * odds).mean())


if __name__ == "__main__":
    main()
