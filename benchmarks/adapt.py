"""What fifty labelled photos of a new source are worth: python -m benchmarks.adapt DATA --work DIR.

DIR holds the features that benchmarks.make_shipped computed. For each fold, a model that has not
seen its sources starts; 25 damaged and 25 undamaged photos of them adapt it, as `train damage`
does, and the others are asked before and after. Mean of `DRAWS` random draws.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.shipped_data import computed
from benchmarks.shipped_folds import FOLDS, Data, fit
from train.fit.learn_windows import LABELLED, MASKED, PLAIN
from train.windows import evidence
from train.windows.fit import KnownPictures, KnownWindows, fit_evidence, fit_platt

DRAWS = 5
OF_EACH = 25
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    data = computed(options.data, options.work)
    print("| sources | masks | AUC before | after | right before | after | strength |")
    print("|---|---|---|---|---|---|---|")
    for sources in (FOLDS[0], FOLDS[1], FOLDS[3]):
        out = np.isin(data.origins, list(sources)) & (data.labels != "none")
        fitted = fit(data, ~np.isin(data.origins, list(sources)))
        start, scale = (fitted.weights, fitted.bias), (fitted.slope, fitted.offset)
        seen = replace(data, whole=replace(data.whole, features=fitted.features))
        for masked in (False, True):
            rows = [_draw(seen, out, start, scale, masked, draw) for draw in range(DRAWS)]
            mean = np.mean(rows, axis=0)
            names = ", ".join(sorted(sources & set(data.origins[data.labels == "damaged"])))
            print(
                f"| {names} and others | {'yes' if masked else 'no'} | {mean[0]:.3f} | "
                f"{mean[1]:.3f} | {mean[2]:.3f} | {mean[3]:.3f} | {mean[4]:.2f} |",
                flush=True,
            )


def _draw(
    data: Data,
    out: np.ndarray,
    start: tuple[np.ndarray, float],
    scale: tuple[float, float],
    masked: bool,
    draw: int,
) -> tuple[float, float, float, float, float]:
    rng = np.random.default_rng(draw)
    damaged = data.labels == "damaged"
    known = [
        rng.choice(np.flatnonzero(out & part & (data.masked == (masked and label))), OF_EACH, False)
        if (out & part & (data.masked == (masked and label))).sum() >= OF_EACH
        else rng.choice(np.flatnonzero(out & part), OF_EACH, False)
        for label, part in ((True, damaged), (False, (data.labels == "whole")))
    ]
    mine = np.concatenate(known)
    rest = np.flatnonzero(out & ~np.isin(np.arange(len(out)), mine))
    # two thirds to fit, one third to choose the strength, as the splits of a small workspace
    part = np.arange(len(mine)) % 3 == 2
    fitted = {strength: _fit(data, mine[~part], start, strength, masked) for strength in STRENGTHS}
    x = data.whole.features[mine].astype(np.float32)
    best, chosen = np.inf, (start, scale, 0.0)
    for strength, (weights, bias) in fitted.items():
        pooled = evidence.pool(evidence.log_odds(x, weights, bias))
        slope, offset = fit_platt(pooled[~part], damaged[mine][~part])
        sign = np.where(damaged[mine][part], 1, -1)
        loss = np.logaddexp(0, -sign * (slope * pooled[part] + offset)).mean()
        if loss < best:
            best, chosen = loss, ((weights, bias), (slope, offset), strength)
    truth = damaged[rest]
    before = _scores(data, rest, start, scale)
    after = _scores(data, rest, chosen[0], chosen[1])
    return (
        float(roc_auc_score(truth, before)),
        float(roc_auc_score(truth, after)),
        _balanced(truth, before),
        _balanced(truth, after),
        chosen[2],
    )


def _fit(
    data: Data, rows: np.ndarray, start: tuple[np.ndarray, float], strength: float, masked: bool
) -> tuple[np.ndarray, float]:
    x = data.whole.features[rows].astype(np.float32)
    labels = data.whole.labels[rows].copy()
    damaged = data.labels[rows] == "damaged"
    if not masked:
        labels[damaged] = -1
    has = masked & data.masked[rows]
    groups = [
        (labels == 1, MASKED / 2),
        ((labels == 0) & has[:, None], MASKED / 2),
        ((labels == 0) & ~has[:, None], PLAIN),
    ]
    chosen = [(np.nonzero(group), weight) for group, weight in groups if group.any()]
    windows = KnownWindows(
        np.concatenate([x[places] for places, _ in chosen]),
        np.concatenate([labels[places] == 1 for places, _ in chosen]),
        np.concatenate(
            [np.full(len(places[0]), weight / len(places[0])) for places, weight in chosen]
        ).astype(np.float32),
    )
    bags = np.flatnonzero(~has)
    weights = np.zeros(len(bags), np.float32)
    for label in (True, False):
        of = damaged[bags] == label
        weights[of] = (LABELLED if has.any() else PLAIN) / 2 / max(of.sum(), 1)
    pictures = KnownPictures(x[bags], damaged[bags], weights)
    return fit_evidence(windows, pictures, start=start, strength=strength)


def _scores(
    data: Data, rows: np.ndarray, model: tuple[np.ndarray, float], scale: tuple[float, float]
) -> np.ndarray:
    pooled = evidence.pool(evidence.log_odds(data.whole.features[rows].astype(np.float32), *model))
    return scale[0] * pooled + scale[1]


def _balanced(truth: np.ndarray, scores: np.ndarray) -> float:
    return float(((scores[truth] > 0).mean() + (scores[~truth] <= 0).mean()) / 2)


if __name__ == "__main__":
    main()
