"""A second look near the threshold: python -m benchmarks.near_threshold DATA --work DIR.

DIR holds whole.npz and basis.tflite of benchmarks.make_shipped. Simple models, of whole photos only
and without cells, are fitted without each fold's sources in turn. Photos whose score lies within
half a standard deviation of the threshold get a second look: at the window of 57 % of the sides
with the most evidence, cut from the photo, or at the mirrored photo. The score is then the mean.
Then 25 damaged and 25 undamaged photos of the fold adapt the model, with either calibration.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks.abroad_photos import Photo, photos
from benchmarks.adapt import OF_EACH, STRENGTHS, _balanced, _fit
from benchmarks.shipped_features import Looked, look
from benchmarks.shipped_folds import FOLDS, Data, calibration, fit_damage
from bodyshop_core.imaging import load_rgb
from bodyshop_core.inference import FrozenNetwork
from train.windows import evidence
from train.windows.fit import fit_platt
from train.windows.grid import CELL, SIDE, SIZES, boxes, squeeze

BAND = 0.5
"""Half the width of the band, in standard deviations of the fold's scores."""

RIGHT = 0.945
"""Share of the fold's undamaged whole views that the thresholds leave right."""

MOST, DRAWS = 700, 5
"""Photos of a fold that are asked, at most; draws of photos to adapt with."""

SURE = 6.9
"""Log-odds of 99.9 %."""

Model = tuple[np.ndarray, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    listed = photos(options.data)

    def never(squares: np.ndarray) -> np.ndarray:
        raise SystemExit("run python -m benchmarks.make_shipped first")

    whole = look(listed, never, options.work / "whole.npz", cuts=False)
    none = Looked(whole.photo[:0], whole.features[:0], whole.labels[:0])
    data = Data(listed, whole, none, None, None)  # type: ignore[arg-type]
    run = FrozenNetwork(options.work / "basis.tflite")
    for number, sources in enumerate(FOLDS):
        out = np.isin(data.origins, list(sources)) & (data.labels != "none")
        model = fit_damage(data, ~np.isin(data.origins, list(sources)))
        looks(data, run, np.flatnonzero(out), model, number)
        if number != 2:
            adapted(data, out, model, number)


def scores(features: np.ndarray, model: Model) -> np.ndarray:
    return evidence.pool(evidence.log_odds(features.astype(np.float32), *model))


def looks(data: Data, run: FrozenNetwork, rows: np.ndarray, model: Model, number: int) -> None:
    if len(rows) > MOST:
        rows = np.random.default_rng(1).choice(rows, MOST, replace=False)
    found = evidence.log_odds(data.whole.features[rows].astype(np.float32), *model)
    once = evidence.pool(found)
    damaged, views = data.labels[rows] == "damaged", data.views[rows]
    whole, close = ~damaged & (views == "whole"), ~damaged & (views == "close")
    centre = np.quantile(once[whole], RIGHT)
    band = np.flatnonzero(np.abs(once - centre) < BAND * once.std())
    cut, mirrored = once.copy(), once.copy()
    for place in band:
        for into, rgb in zip(
            (cut, mirrored), second_views(data.photos[rows[place]], found[place]), strict=True
        ):
            again = scores(run.run(squeeze(rgb)[None])["windows"], model)[0]
            into[place] = (once[place] + again) / 2
    print(f"fold {number}: {len(rows)} photos, {len(band) / len(rows):.0%} looked at again")
    for name, score in (("one look", once), ("cut", cut), ("mirrored", mirrored)):
        limit = np.quantile(score[whole], RIGHT)
        print(
            f"{name}: found {(score[damaged] > limit).mean():.1%}, close-ups right "
            f"{(score[close] <= limit).mean():.1%}, AUC {roc_auc_score(damaged, score):.3f}; at "
            f"the threshold of one look found {(score[damaged] > centre).mean():.1%}, whole views "
            f"right {(score[whole] <= centre).mean():.1%}",
            flush=True,
        )


def second_views(photo: Photo, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rgb = load_rgb(photo.file)
    height, width = rgb.shape[:2]
    places = boxes()
    large = np.isclose(places[:, 2] - places[:, 0], SIZES[2][0] * CELL / SIDE)
    left, top, right, bottom = places[np.flatnonzero(large)[found[large].argmax()]]
    across = slice(round(left * width), round(right * width))
    down = slice(round(top * height), round(bottom * height))
    return rgb[down, across], rgb[:, ::-1]


def fit_labels(found: np.ndarray, damaged: np.ndarray) -> tuple[float, float]:
    regression = LogisticRegression(C=1e3, class_weight="balanced")
    regression.fit(np.asarray(found, np.float64)[:, None], damaged)
    return float(regression.coef_[0, 0]), float(regression.intercept_[0])


def adapted(data: Data, out: np.ndarray, model: Model, number: int) -> None:
    x, damaged = data.whole.features, data.labels == "damaged"
    known = ~out & (data.labels != "none")
    start = calibration(data, known, x.astype(np.float32), *model)
    rows = [_draw(data, out, model, start, x, damaged, draw) for draw in range(DRAWS)]
    for name, values in zip(("before", "labels", "Platt"), np.mean(rows, axis=0), strict=True):
        auc, right, loss, sure = values
        print(
            f"fold {number} adapted, {name}: AUC {auc:.3f}, right {right:.1%}, log loss "
            f"{loss:.3f}, sure of {sure:.0%}",
            flush=True,
        )


def _draw(
    data: Data,
    out: np.ndarray,
    model: Model,
    start: tuple[float, float],
    x: np.ndarray,
    damaged: np.ndarray,
    draw: int,
) -> list[tuple[float, float, float, float]]:
    rng = np.random.default_rng(draw)
    known = []
    for part in (out & damaged, out & ~damaged):
        unmasked = np.flatnonzero(part & ~data.masked)
        pool = unmasked if len(unmasked) >= OF_EACH else np.flatnonzero(part)
        known.append(rng.choice(pool, OF_EACH, replace=False))
    mine = np.concatenate(known)
    rest = np.flatnonzero(out & ~np.isin(np.arange(len(out)), mine))
    check = np.arange(len(mine)) % 3 == 2
    fitted = [_fit(data, mine[~check], model, strength, False) for strength in STRENGTHS]
    rows = [_figures(damaged[rest], start[0] * scores(x[rest], model) + start[1])]
    for calibrate in (fit_labels, fit_platt):
        tried = []
        for each in fitted:
            found = scores(x[mine], each)
            scale = calibrate(found[~check], damaged[mine][~check])
            tried.append((_loss(damaged[mine][check], scale[0] * found[check] + scale[1]), scale))
        best = min(range(len(tried)), key=lambda place: tried[place][0])
        slope, offset = tried[best][1]
        rows.append(_figures(damaged[rest], slope * scores(x[rest], fitted[best]) + offset))
    return rows


def _loss(truth: np.ndarray, score: np.ndarray) -> float:
    return float(np.logaddexp(0, -np.where(truth, 1, -1) * score).mean())


def _figures(truth: np.ndarray, score: np.ndarray) -> tuple[float, float, float, float]:
    return (
        float(roc_auc_score(truth, score)),
        _balanced(truth, score),
        _loss(truth, score),
        float((np.abs(score) > SURE).mean()),
    )


if __name__ == "__main__":
    main()
