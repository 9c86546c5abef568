"""Make the damage model that comes with the package, and measure it on sources left out.

    python -m benchmarks.make_shipped DATA --work DIR [--only-measure]

DATA holds damage/, masks/, models/, not_car/ and abroad/. Every figure is of photos of sources
that the weights, the calibration and the threshold behind it have not seen; the threshold of a fold
comes from models without both that fold and the one they are asked about. Seen by all: ImageNet
(other photos of it), the principal components (no labels), and the choice of the constants below.
What was computed is kept in --work. Without --only-measure the files in train/windows/shipped/ are
written anew, from all sources.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.linalg import eigh
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks.abroad_photos import Photo, photos
from benchmarks.shipped_card import card
from benchmarks.shipped_features import Looked, look
from bodyshop_core import atomic
from bodyshop_core.imaging import load_rgb
from bodyshop_core.inference import FrozenNetwork
from bodyshop_core.inference.convert import convert
from train.windows import evidence
from train.windows.classifier import (
    CARD_FILE,
    MODEL_FILE,
    NETWORK_FILE,
    WHOLE_WINDOW,
    car_features,
    shipped_folder,
)
from train.windows.fit import KnownPictures, KnownWindows, fit_evidence, fit_platt
from train.windows.grid import squeeze
from train.windows.model import DamageModel, digest_of, save_model
from train.windows.network import build_window_network

FEATURES = 512
"""Principal components of the window features that are kept."""

BASIS_PHOTOS, BASIS_WINDOWS = 1200, 10
"""How many photos, and windows of each, the components are computed from."""

FOLDS: tuple[frozenset[str], ...] = (
    frozenset({"bilgi_tr", "hyundai_in", "maruti_yard_in", "cse151_stock",
               "buses_cse151", "trucks_cse151", "motorcycles_cse151"}),
    frozenset({"csabika_in", "maruti_in", "press_bayon", "dsmlr_th", "private_us"}),
    frozenset({"data1a", "stanford"}),
    frozenset({"lensor", "press_vw_mini", "studio_us", "openalpr_eu", "seat_press",
               "cameras_drewnoakes"}),
)  # fmt: skip
"""Sources that are left out together: in each fold one of damage and several of undamaged cars."""

MASKED, PICTURES, CLOSE, CUTS = 3.0, 0.3, 3.0, 0.25
"""Weights of photos with masks, of photos with a label only, of undamaged close-ups, of cuts."""

CAR_STRENGTH = 0.01
"""Inverse penalty of the car gate's regression."""

ACCEPTED = 0.99
"""Share of the car photos of other sources that the gate's threshold has to accept."""

DEEPEST = 0.995
"""Share of the car photos of other sources that get a label."""


@dataclass(frozen=True)
class Data:
    """Everything that is learned from and measured on."""

    photos: list[Photo]
    whole: Looked
    cuts: Looked

    @property
    def origins(self) -> np.ndarray:
        """Source of each photo, shape (photos,)."""
        return np.array([photo.origin for photo in self.photos])

    @property
    def labels(self) -> np.ndarray:
        """Label of each photo, shape (photos,)."""
        return np.array([photo.label for photo in self.photos])

    @property
    def views(self) -> np.ndarray:
        """View of each photo, shape (photos,)."""
        return np.array([photo.view for photo in self.photos])

    @property
    def masked(self) -> np.ndarray:
        """Whether each photo has masks, shape (photos,)."""
        return np.array([photo.rings is not None for photo in self.photos])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only-measure", action="store_true")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    listed = photos(options.data)
    network = options.work / NETWORK_FILE
    if not network.exists():
        make_network(listed, network)
    run = FrozenNetwork(network)

    def features(squares: np.ndarray) -> np.ndarray:
        return run.run(squares)["windows"]

    data = Data(
        listed,
        look(listed, features, options.work / "whole.npz", cuts=False),
        look(listed, features, options.work / "cuts.npz", cuts=True),
    )
    held = held_out(data)
    figures = measure(data, held)
    print(json.dumps(figures, indent=1))
    (options.work / "figures.json").write_text(json.dumps(figures, indent=1))
    if options.only_measure:
        return
    folder = shipped_folder()
    folder.mkdir(exist_ok=True)
    with atomic.replacing(folder / NETWORK_FILE) as temporary:
        temporary.write_bytes(network.read_bytes())
    save_model(final_model(data, held, digest_of(network)), folder / MODEL_FILE)
    with atomic.replacing(folder / CARD_FILE) as temporary:
        temporary.write_text(card(figures), encoding="utf-8")


def make_network(listed: list[Photo], file: Path) -> None:
    """Find the principal components of the window features, and convert the network with them."""
    plain = file.with_suffix(".plain.tflite")
    if not plain.exists():
        convert(build_window_network(), plain)
    run, rng = FrozenNetwork(plain), np.random.default_rng(7)
    cars = [photo for photo in listed if photo.label != "none"]
    rows = []
    for place in rng.choice(len(cars), BASIS_PHOTOS, replace=False):
        windows = run.run(squeeze(load_rgb(cars[place].file))[None])["windows"][0]
        rows.append(windows[rng.choice(len(windows), BASIS_WINDOWS, replace=False)])
    matrix = np.concatenate(rows)
    mean, deviation = matrix.mean(axis=0), matrix.std(axis=0) + 1e-3
    matrix = (matrix - mean) / deviation
    size = matrix.shape[1]
    _, vectors = eigh(matrix.T @ matrix / len(matrix), subset_by_index=[size - FEATURES, size - 1])
    projection = (vectors[:, ::-1] / deviation[:, None]).astype(np.float32)
    offset = (mean @ projection).astype(np.float32)
    convert(build_window_network(projection, offset), file, half=True)


@dataclass(frozen=True)
class Asked:
    """What models answered about photos of sources that they have not seen; NaN where not asked.

    `score` is the log-odds of damage after the calibration on what that model has seen.
    """

    evidence: np.ndarray
    score: np.ndarray
    car: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class HeldOut:
    """Answers about each fold, and for each fold those that its thresholds are chosen on."""

    fold: np.ndarray
    figures: Asked
    for_thresholds: tuple[Asked, ...]


def held_out(data: Data) -> HeldOut:
    """Fit one model per fold, and one per pair of folds for the thresholds of both."""
    fold = folds_of(data)
    figures = _nothing(data)
    for_thresholds = tuple(_nothing(data) for _ in FOLDS)
    for number in range(len(FOLDS)):
        ask(data, fold != number, fold == number, [figures])
        print(f"fold {number + 1} of {len(FOLDS)}", flush=True)
        for other in range(number):
            both = (fold == number) | (fold == other)
            ask(data, ~both, both, [for_thresholds[other], for_thresholds[number]])
    return HeldOut(fold, figures, for_thresholds)


def folds_of(data: Data) -> np.ndarray:
    """Return the fold of each photo; ImageNet is one source, and spread over all folds."""
    fold = np.full(len(data.photos), -1)
    for number, sources in enumerate(FOLDS):
        fold[np.isin(data.origins, list(sources))] = number
    imagenet = data.origins == "imagenet"
    spread = np.random.default_rng(7).integers(0, len(FOLDS), len(data.photos))
    fold[imagenet] = spread[imagenet]
    return fold


def ask(data: Data, known: np.ndarray, about: np.ndarray, into: list[Asked]) -> None:
    """Fit on the known photos, and write the answers about others."""
    weights, bias = fit_damage(data, known)
    slope, offset = calibration(data, known, weights, bias)
    gate = fit_gate(data, known)
    mean, scale = depth_of(data, known)
    features = data.whole.features[about].astype(np.float32)
    found = evidence.log_odds(features, weights, bias)
    for each in into:
        each.evidence[about] = found
        each.score[about] = slope * evidence.pool(found) + offset
        each.car[about] = gate.decision_function(car_features(features))
        each.depth[about] = evidence.depth(features[:, WHOLE_WINDOW], mean, scale)


def _nothing(data: Data) -> Asked:
    count, windows = len(data.photos), data.whole.features.shape[1]
    empty = [np.full(count, np.nan, np.float32) for _ in range(3)]
    return Asked(np.full((count, windows), np.nan, np.float32), *empty)


def fit_damage(data: Data, known: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit the evidence on the photos that may be learned from.

    Every origin counts by the root of its size, so that a large one does not drown the others.
    """
    weight = origin_weights(data)
    weight[(data.views == "close") & (data.labels == "whole")] *= CLOSE
    features, answers, weights = [], [], []
    for looked, counts in ((data.whole, 1.0), (data.cuts, CUTS)):
        for row, place in enumerate(looked.photo):
            if not known[place] or data.labels[place] == "none":
                continue
            labels = looked.labels[row]
            for answer in (0, 1):
                which = labels == answer
                if which.any():
                    features.append(looked.features[row][which].astype(np.float32))
                    answers.append(np.full(which.sum(), bool(answer)))
                    share = MASKED / 2 if data.masked[place] else weight[place]
                    weights.append(np.full(which.sum(), counts * share / which.sum(), np.float32))
    windows = KnownWindows(*(np.concatenate(each) for each in (features, answers, weights)))
    bags = np.flatnonzero(known & (data.labels != "none") & ~data.masked)
    damaged = data.labels[bags] == "damaged"
    heavy = weight[bags]
    for part in (damaged, ~damaged):
        heavy[part] *= PICTURES * len(bags) / 2 / heavy[part].sum()
    pictures = KnownPictures(data.whole.features[bags].astype(np.float32), damaged, heavy)
    return fit_evidence(windows, pictures)


def fit_gate(data: Data, known: np.ndarray) -> LogisticRegression:
    """Fit the car gate; cuts of cars are cars, too."""
    rows = np.flatnonzero(known)
    cuts = np.flatnonzero(known[data.cuts.photo])
    features = np.concatenate([data.whole.features[rows], data.cuts.features[cuts]])
    is_car = np.concatenate([data.labels[rows] != "none", np.ones(len(cuts), bool)])
    regression = LogisticRegression(C=CAR_STRENGTH, class_weight="balanced", max_iter=300)
    return regression.fit(car_features(features.astype(np.float32)), is_car)


def depth_of(data: Data, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of the whole-picture window of the cars."""
    rows = np.flatnonzero(known & (data.labels != "none"))
    whole = data.whole.features[rows, WHOLE_WINDOW].astype(np.float32)
    return whole.mean(axis=0), whole.std(axis=0) + 1e-3


def origin_weights(data: Data) -> np.ndarray:
    """Return 10 / sqrt(photos of the same origin, label and kind), shape (photos,)."""
    weight = np.zeros(len(data.photos), np.float32)
    for origin in set(data.origins):
        for label in ("damaged", "whole"):
            for masked in (False, True):
                part = (data.origins == origin) & (data.labels == label) & (data.masked == masked)
                if part.any():
                    weight[part] = 10 / np.sqrt(part.sum())
    return weight


def calibration(
    data: Data, known: np.ndarray, weights: np.ndarray, bias: float
) -> tuple[float, float]:
    """Fit slope and offset on what the model was fitted on.

    Scores of different models are not comparable, so each is put on its own scale; how far that is
    off elsewhere is what `threshold` corrects.
    """
    rows = np.flatnonzero(known & (data.labels != "none"))
    pooled = evidence.pool(
        evidence.log_odds(data.whole.features[rows].astype(np.float32), weights, bias)
    )
    return fit_platt(pooled, data.labels[rows] == "damaged", origin_weights(data)[rows])


def threshold(data: Data, asked: Asked, part: np.ndarray) -> float:
    """Return the log-odds that part damaged from undamaged best among some photos.

    Best is the mean over sources of the share that is right, damaged and undamaged ones, whole
    views and close-ups equally heavy.
    """
    part = part & (data.labels != "none")
    candidates = np.quantile(asked.score[part], np.linspace(0.05, 0.95, 181))

    def balance(candidate: float) -> float:
        right = (asked.score >= candidate) == (data.labels == "damaged")
        shares: dict[tuple[str, str], list[float]] = {}
        for origin, label, view in set(
            zip(data.origins[part], data.labels[part], data.views[part], strict=True)
        ):
            of = (data.origins == origin) & (data.labels == label) & (data.views == view)
            group = (label, view if label == "whole" else "")
            shares.setdefault(group, []).append(float(right[of & part].mean()))
        means = {group: float(np.mean(each)) for group, each in shares.items()}
        undamaged = [value for (label, _), value in means.items() if label == "whole"]
        return means["damaged", ""] + float(np.mean(undamaged))

    return float(max(candidates, key=balance))


def gate_threshold(data: Data, asked: Asked, part: np.ndarray) -> float:
    """Return the log-odds that `ACCEPTED` of the cars among some photos reach."""
    return float(np.quantile(asked.car[part & (data.labels != "none")], 1 - ACCEPTED))


def depth_limit(data: Data, asked: Asked, part: np.ndarray) -> float:
    """Return the distance that `DEEPEST` of the cars among some photos stay below."""
    return float(np.quantile(asked.depth[part & (data.labels != "none")], DEEPEST))


def measure(data: Data, held: HeldOut) -> dict[str, object]:
    """Return all figures, each by models, calibrations and thresholds of other folds."""
    said = np.zeros(len(data.photos), bool)
    accepted = np.zeros(len(data.photos), bool)
    labelled = np.zeros(len(data.photos), bool)
    asked = held.figures
    for number, chosen_on in enumerate(held.for_thresholds):
        part, others = held.fold == number, held.fold != number
        said[part] = asked.score[part] >= threshold(data, chosen_on, others)
        accepted[part] = asked.car[part] >= gate_threshold(data, chosen_on, others)
        labelled[part] = asked.depth[part] <= depth_limit(data, chosen_on, others)
    return {
        "within_photo": within_photo(data, held),
        "pairs": pairs(data, held),
        "by_source": by_source(data, said, accepted, labelled),
        "sum": summary(data, said, accepted, labelled),
    }


def within_photo(data: Data, held: HeldOut) -> dict[str, dict[str, float]]:
    """Return the mean AUC of windows with and without damage of the same photo, by source."""
    found: dict[str, list[float]] = {}
    for place in np.flatnonzero(data.masked):
        labels, scores = data.whole.labels[place], held.figures.evidence[place]
        if (labels == 1).any() and (labels == 0).any():
            known = labels >= 0
            area = roc_auc_score(labels[known], scores[known])
            found.setdefault(data.origins[place], []).append(float(area))
    return {
        origin: {"photos": len(each), "auc": round(float(np.mean(each)), 3)}
        | dict(zip(("low", "high"), _interval(np.array(each)), strict=True))
        for origin, each in sorted(found.items())
    }


def pairs(data: Data, held: HeldOut) -> dict[str, dict[str, float]]:
    """Return the AUC of damaged against undamaged photos left out together, by fold and view."""
    found = {}
    for number, sources in enumerate(FOLDS):
        inside = held.fold == number
        for view in ("whole", "close"):
            damaged = inside & (data.labels == "damaged") & np.isin(data.views, [view, "unknown"])
            if not sources & {"lensor", "data1a"}:
                damaged &= data.views == view
            undamaged = inside & (data.labels == "whole") & (data.views == view)
            if damaged.any() and undamaged.any():
                both = damaged | undamaged
                found[f"{', '.join(sorted(sources & DAMAGED_SOURCES))}: {view}"] = {
                    "damaged": int(damaged.sum()),
                    "undamaged": int(undamaged.sum()),
                    "auc": round(float(roc_auc_score(damaged[both], held.figures.score[both])), 3),
                }
    return found


DAMAGED_SOURCES = {"bilgi_tr", "csabika_in", "data1a", "lensor"}


def by_source(
    data: Data, said: np.ndarray, accepted: np.ndarray, labelled: np.ndarray
) -> dict[str, dict[str, float]]:
    """Return what `predict` answers, by source, label and view."""
    keys = sorted(set(zip(data.origins, data.labels, data.views, strict=True)))
    return {
        f"{origin} {label} {view}": _row(
            data,
            (data.origins == origin) & (data.labels == label) & (data.views == view),
            said,
            accepted,
            labelled,
        )
        for origin, label, view in keys
    }


def summary(
    data: Data, said: np.ndarray, accepted: np.ndarray, labelled: np.ndarray
) -> dict[str, dict[str, float]]:
    """Return the same over all sources but the two large ones, and these."""
    large = np.isin(data.origins, ["data1a", "stanford"])
    imagenet = data.origins == "imagenet"
    groups = {
        "damaged": (data.labels == "damaged") & ~large,
        "undamaged whole views": (data.labels == "whole") & (data.views == "whole") & ~large,
        "undamaged close-ups": (data.labels == "whole") & (data.views == "close"),
        "no car": (data.labels == "none") & ~imagenet,
        "no car, ImageNet (other photos of it are known)": imagenet,
        "data1a, damaged": (data.labels == "damaged") & large & ~data.masked,
        "data1a, undamaged": (data.labels == "whole") & (data.origins == "data1a"),
    }
    return {name: _row(data, part, said, accepted, labelled) for name, part in groups.items()}


def _row(
    data: Data, part: np.ndarray, said: np.ndarray, accepted: np.ndarray, labelled: np.ndarray
) -> dict[str, float]:
    row = {"n": int(part.sum()), "accepted": round(float(accepted[part].mean()), 3)}
    if (data.labels[part] != "none").all():
        right = said[part] == (data.labels[part] == "damaged")
        row |= {
            "unsure": round(float((accepted & ~labelled)[part].mean()), 3),
            "right": round(float((right & accepted[part] & labelled[part]).mean()), 3),
        }
    return row


def final_model(data: Data, held: HeldOut, network: str) -> DamageModel:
    """Fit and calibrate on all sources; the thresholds come from the held-out scores."""
    everything, asked = np.ones(len(data.photos), bool), held.figures
    weights, bias = fit_damage(data, everything)
    gate = fit_gate(data, everything)
    mean, scale = depth_of(data, everything)
    slope, offset = calibration(data, everything, weights, bias)
    return DamageModel(
        network=network,
        weights=weights,
        bias=bias,
        slope=slope,
        offset=offset,
        threshold=float(1 / (1 + np.exp(-threshold(data, asked, everything)))),
        car_weights=gate.coef_[0].astype(np.float32),
        car_bias=float(gate.intercept_[0]),
        car_threshold=gate_threshold(data, asked, everything),
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        limit=depth_limit(data, asked, everything),
    )


def _interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean."""
    rng = np.random.default_rng(7)
    means = rng.choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return round(float(low), 3), round(float(high), 3)


if __name__ == "__main__":
    main()
