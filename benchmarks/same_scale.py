"""What one threshold could mean on every source: python -m benchmarks.same_scale DATA --work DIR.

DIR holds whole.npz of benchmarks.make_shipped. Simple models, of whole photos only and without
cells, are fitted without each fold's sources in turn. Then, without any label of the sources left
out: scores less what the photo's windows far from the strongest say, or less what the source's do;
other ways of pooling; windows of one size; undamaged windows that look damaged counted more; and,
to be beaten, the whole picture alone and the view alone.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks.abroad_photos import photos
from benchmarks.shipped_features import Looked, look
from benchmarks.shipped_figures import threshold
from benchmarks.shipped_folds import FOLDS, Asked, Data, fit_damage, folds_of, origin_weights
from train.windows import evidence
from train.windows.fit import fit_platt
from train.windows.grid import SIZES, boxes

Model = tuple[np.ndarray, float]


@dataclass(frozen=True)
class Said:
    """Log-odds of windows, (photos, windows), what those far from the strongest say, the sources.

    `far` are the quartiles, (photos, 3), of the windows of 21 and 36 % of the sides that do not
    touch the strongest of these.
    """

    found: np.ndarray
    far: np.ndarray
    origins: np.ndarray


Way = Callable[[Said], np.ndarray]
"""From what is said to a score of each photo, without its label."""

RIGHT = 0.945
"""Share of a fold's undamaged whole views that stay below the score of "found"."""

HARDEST, TIMES = 0.03, 4
"""Share of the undamaged windows that are hard negatives; in this many cuts, of weight 1/4 each."""

AT_THRESHOLDS = (
    "log-mean-exp",
    "less 0.25 of the photo's far median",
    "less 0.5 of the photo's far median",
    "less 0.5 of the source's far median",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--components", type=int, default=512, help="first ones of the features")
    options = parser.parse_args()
    listed = photos(options.data)

    def never(squares: np.ndarray) -> np.ndarray:
        raise SystemExit("run python -m benchmarks.make_shipped first")

    whole = look(listed, never, options.work / "whole.npz", cuts=False)
    whole = replace(whole, features=whole.features[..., : options.components])
    none = Looked(whole.photo[:0], whole.features[:0], whole.labels[:0])
    data = Data(listed, whole, none, None, None)  # type: ignore[arg-type]
    fold = folds_of(data)
    plain = held(data, fold, options.work, hard=False)
    own, ways = plain.pop(), ways_to_score()
    base = evidence.pool(own.found)
    print("within photos:", within(data, own.found))
    table(data, fold, {name: way(own) for name, way in ways.items()}, base)
    at_thresholds(data, fold, plain, {name: ways[name] for name in AT_THRESHOLDS})
    table(data, fold, {"whole picture alone": whole_picture(data, fold),
                       "view alone": view_alone(data, fold)}, base)  # fmt: skip
    hard = held(data, fold, options.work, hard=True).pop().found
    print("within photos, hard negatives:", within(data, hard))
    table(data, fold, {"hard negatives": evidence.pool(hard)}, base)


def held(data: Data, fold: np.ndarray, work: Path, *, hard: bool) -> list[Said]:
    """Return what the model without each fold says of all photos; last, of its own fold."""
    found = []
    for number in range(len(FOLDS)):
        found.append(odds(data, fitted(data, fold != number, work, hard=hard)))
    found.append(np.stack(found)[fold, np.arange(len(fold))])
    return [Said(each, far_of(each), data.origins) for each in found]


def fitted(data: Data, known: np.ndarray, work: Path, *, hard: bool = False) -> Model:
    """Return the model of some photos, kept in the work folder."""
    name = hashlib.sha1(known.tobytes()).hexdigest()[:12] + ("-hard" if hard else "")
    name += f"-{data.whole.features.shape[-1]}"
    file = work / f"simple-{name}.npz"
    if not file.exists():
        start = fitted(data, known, work) if hard else None
        weights, bias = fit_damage(data if start is None else harder(data, known, start), known)
        np.savez(file, weights=weights, bias=bias)
        print(f"fitted {name}", flush=True)
    with np.load(file) as stored:
        return stored["weights"], float(stored["bias"])


def harder(data: Data, known: np.ndarray, model: Model) -> Data:
    """Add the undamaged windows with the most evidence once more, as photos of their own."""
    undamaged = np.flatnonzero(known & (data.labels == "whole"))
    found = odds(data, model)[undamaged]
    limit = np.quantile(found, 1 - HARDEST)
    labels = np.where(found >= limit, 0, -1).astype(np.int8)
    rows = (labels == 0).any(axis=1)
    more = Looked(undamaged[rows], data.whole.features[undamaged[rows]], labels[rows])
    cuts = (np.concatenate([each] * TIMES) for each in (more.photo, more.features, more.labels))
    return replace(data, cuts=Looked(*cuts))


def odds(data: Data, model: Model) -> np.ndarray:
    return evidence.log_odds(data.whole.features.astype(np.float32), *model)


def sizes() -> list[np.ndarray]:
    """Return the places of the windows of each size."""
    sides = boxes()[:, 2] - boxes()[:, 0]
    return [np.flatnonzero(np.isclose(sides, size / SIZES[-1][0])) for size, _ in SIZES]


def far_of(found: np.ndarray) -> np.ndarray:
    """Return the quartiles of the small windows that do not touch the strongest of them."""
    small = np.concatenate(sizes()[:2])
    left, top, right, bottom = boxes()[small].T
    apart = (
        (left[:, None] >= right)
        | (right[:, None] <= left)
        | (top[:, None] >= bottom)
        | (bottom[:, None] <= top)
    )
    rows = found[:, small]
    quartiles = [
        np.quantile(row[apart[best]], (0.25, 0.5, 0.75))
        for row, best in zip(rows, rows.argmax(axis=1), strict=True)
    ]
    return np.array(quartiles, np.float32)


def by_source(values: np.ndarray, origins: np.ndarray) -> np.ndarray:
    medians = {origin: np.median(values[origins == origin]) for origin in set(origins)}
    return np.array([medians[origin] for origin in origins])


def ways_to_score() -> dict[str, Way]:
    """Return the ways from windows to a score that need no label of the source."""
    ways: dict[str, Way] = {"log-mean-exp": lambda said: evidence.pool(said.found)}
    for k in (0.25, 0.5, 1.0):
        ways[f"less {k} of the photo's far median"] = partial(less_far, share=k)
    ways["less half of the photo's far lower quartile"] = partial(less_far, share=0.5, quartile=0)
    ways["in the photo's far quartile ranges"] = lambda said: (
        less_far(said, 1.0) / (said.far[:, 2] - said.far[:, 0] + 0.5)
    )
    for k in (0.25, 0.5, 1.0):
        ways[f"less {k} of the source's far median"] = partial(less_source, share=k)
    for count in (1, 3, 6, 12):
        ways[f"mean of the best {count}"] = partial(mean_of_best, count=count)
    for (size, _), which in zip(SIZES, sizes(), strict=True):
        ways[f"windows of {size / SIZES[-1][0]:.0%} only"] = partial(pool_of, which=which)
    return ways


def less_far(said: Said, share: float, quartile: int = 1) -> np.ndarray:
    return np.asarray(evidence.pool(said.found) - share * said.far[:, quartile])


def less_source(said: Said, share: float) -> np.ndarray:
    shift = by_source(said.far[:, 1], said.origins)
    return np.asarray(evidence.pool(said.found) - share * shift)


def mean_of_best(said: Said, count: int) -> np.ndarray:
    return np.asarray(np.sort(said.found, axis=1)[:, -count:].mean(axis=1))


def pool_of(said: Said, which: np.ndarray) -> np.ndarray:
    return evidence.pool(said.found[:, which])


def whole_picture(data: Data, fold: np.ndarray) -> np.ndarray:
    """Score by one regression on the window that is the whole picture: a linear probe."""
    return _probe(data, fold, data.labels != "none", data.labels == "damaged")


def view_alone(data: Data, fold: np.ndarray) -> np.ndarray:
    """Score by how much a photo looks like a close-up, damaged or not."""
    return _probe(data, fold, np.isin(data.views, ["whole", "close"]) & (data.labels != "none"),
                  data.views == "close")  # fmt: skip


def _probe(data: Data, fold: np.ndarray, of: np.ndarray, answer: np.ndarray) -> np.ndarray:
    score = np.zeros(len(fold))
    x = data.whole.features[:, -1].astype(np.float32)
    x = (x - x[of].mean(axis=0)) / x[of].std(axis=0)
    for number in range(len(FOLDS)):
        known = of & (fold != number)
        regression = LogisticRegression(C=1e-3, class_weight="balanced", max_iter=300)
        regression.fit(x[known], answer[known])
        score[fold == number] = regression.decision_function(x[fold == number])
    return score


def within(data: Data, found: np.ndarray) -> str:
    """Return the AUC within photos; what is added to all windows of a photo doesn't change it."""
    areas: dict[str, list[float]] = {}
    for place in np.flatnonzero(data.masked):
        labels = data.whole.labels[place]
        if (labels == 1).any() and (labels == 0).any():
            known = labels >= 0
            area = roc_auc_score(labels[known], found[place][known])
            areas.setdefault(data.origins[place], []).append(float(area))
    return ", ".join(f"{name} {np.mean(each):.3f}" for name, each in sorted(areas.items()))


def table(data: Data, fold: np.ndarray, scores: dict[str, np.ndarray], base: np.ndarray) -> None:
    """Print AUC of damaged against undamaged, with its paired interval against the base."""
    for name, score in scores.items():
        cells = []
        for number, sources in enumerate(FOLDS):
            inside = (fold == number) & (data.labels != "none")
            for view in ("whole", "close"):
                kinds = [view, "unknown"] if sources & {"lensor", "data1a"} else [view]
                damaged = inside & (data.labels == "damaged") & np.isin(data.views, kinds)
                undamaged = inside & (data.labels == "whole") & (data.views == view)
                if damaged.any() and undamaged.any():
                    d, u = np.flatnonzero(damaged), np.flatnonzero(undamaged)
                    area, low, high = compared(score, base, d, u)
                    cells.append(f"{area:.3f} ({low:+.3f} to {high:+.3f})")
            limit_on = inside & (data.labels == "whole") & (data.views == "whole")
            hit = inside & (data.labels == "damaged")
            limit = np.quantile(score[limit_on], RIGHT)
            cells.append(f"found {(score[hit] > limit).mean():.1%}")
        print(f"{name} | {' | '.join(cells)}", flush=True)


def _placed(score: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return which share of the others each score is above, ties by half."""
    others = np.sort(among)
    below = np.searchsorted(others, score, "left") + np.searchsorted(others, score, "right")
    return below / 2 / len(others)


def compared(
    score: np.ndarray, base: np.ndarray, damaged: np.ndarray, undamaged: np.ndarray
) -> tuple[float, float, float]:
    """Return an AUC, and the 95 % interval of what it is more than the base's (DeLong 1988)."""
    found = []
    for each in (score, base):
        of_damaged = _placed(each[damaged], each[undamaged])
        found.append((of_damaged, 1 - _placed(each[undamaged], each[damaged])))
    (mine, mine_not), (theirs, theirs_not) = found
    difference = mine.mean() - theirs.mean()
    variance = (mine - theirs).var(ddof=1) / len(mine)
    variance += (mine_not - theirs_not).var(ddof=1) / len(mine_not)
    half = 1.96 * np.sqrt(variance)
    return float(mine.mean()), float(difference - half), float(difference + half)


def at_thresholds(data: Data, fold: np.ndarray, models: list[Said], ways: dict[str, Way]) -> None:
    """Print what is right at thresholds of other folds, without gate and "unsure".

    A model that a threshold is chosen with has seen the fold that it is used on; so has every way.
    """
    large = np.isin(data.origins, ["data1a", "stanford"])
    damaged, undamaged = data.labels == "damaged", data.labels == "whole"
    groups = {
        "damaged": damaged & ~large,
        "of these bilgi_tr": damaged & (data.origins == "bilgi_tr"),
        "whole views": undamaged & (data.views == "whole") & ~large,
        "close-ups": undamaged & (data.views == "close"),
        "data1a damaged": damaged & large,
        "data1a undamaged": undamaged & (data.origins == "data1a"),
    }
    nothing = np.empty(0, np.float32)
    for name, way in ways.items():
        score = np.zeros(len(fold))
        for number, said in enumerate(models):
            known = (fold != number) & (data.labels != "none")
            value = way(said)
            slope, offset = fit_platt(value[known], damaged[known], origin_weights(data)[known])
            score[fold == number] = (slope * value + offset)[fold == number]
        asked = Asked(nothing, score, nothing, nothing, nothing)
        right = np.zeros(len(fold), bool)
        for number in range(len(FOLDS)):
            part = fold == number
            right[part] = (score[part] >= threshold(data, asked, ~part)) == damaged[part]
        shares = ", ".join(f"{group} {right[of].mean():.1%}" for group, of in groups.items())
        print(f"right at thresholds of other folds, {name}: {shares}", flush=True)


if __name__ == "__main__":
    main()
