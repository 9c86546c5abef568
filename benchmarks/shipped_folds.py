"""Folds of sources that are left out together, and the models that have not seen them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.abroad_photos import Photo
from benchmarks.shipped_cells import Cells, Maps, fit_cells, judge, window_maxima
from benchmarks.shipped_features import Looked
from curate.gate_fitting.logistic import balanced
from train.windows import evidence
from train.windows.cells import CellHead
from train.windows.classifier import WHOLE_WINDOW, car_features
from train.windows.fit import KnownPictures, KnownWindows, fit_evidence, fit_platt
from train.windows.grid import FINE

FOLDS: tuple[frozenset[str], ...] = (
    frozenset({"bilgi_tr", "hyundai_in", "maruti_yard_in", "cse151_stock",
               "buses_cse151", "trucks_cse151", "motorcycles_cse151"}),
    frozenset({"csabika_in", "maruti_in", "press_bayon", "dsmlr_th", "private_us"}),
    frozenset({"data1a", "stanford"}),
    frozenset({"lensor", "press_vw_mini", "studio_us", "openalpr_eu", "seat_press",
               "cameras_drewnoakes"}),
)  # fmt: skip
"""Sources that are left out together: in each fold one of damage and several of undamaged cars."""

MASKED, PICTURES, CLOSE, CUTS = 6.0, 1.0, 3.0, 0.25
"""Weights of photos with masks, of photos with a label only, of undamaged close-ups, of cuts."""

STRENGTH = 0.05
"""Of the penalty on the weights."""

CELLS = 0.5
"""Weight of the largest cell of a window, where the window's own log-odds weigh 1; both in standard
deviations over the windows of undamaged cars. Not fitted: the cells have learned from the same
photos, and would seem better than they are."""

CAR_STRENGTH = 0.01
"""Inverse penalty of the car gate's regression."""


@dataclass(frozen=True)
class Data:
    """Everything that is learned from and measured on."""

    photos: list[Photo]
    whole: Looked
    cuts: Looked
    maps: Maps
    cells: Cells

    @cached_property
    def origins(self) -> np.ndarray:
        """Source of each photo, shape (photos,)."""
        return np.array([photo.origin for photo in self.photos])

    @cached_property
    def labels(self) -> np.ndarray:
        """Label of each photo, shape (photos,)."""
        return np.array([photo.label for photo in self.photos])

    @cached_property
    def views(self) -> np.ndarray:
        """View of each photo, shape (photos,)."""
        return np.array([photo.view for photo in self.photos])

    @cached_property
    def masked(self) -> np.ndarray:
        """Whether each photo has masks, shape (photos,)."""
        return np.array([photo.rings is not None for photo in self.photos])


@dataclass(frozen=True)
class Asked:
    """What models answered about photos of sources that they have not seen; NaN where not asked.

    `score` is the log-odds of damage after the calibration on what that model has seen; `cells` are
    those of each cell, (photos, FINE, FINE) float16.
    """

    evidence: np.ndarray
    score: np.ndarray
    car: np.ndarray
    depth: np.ndarray
    cells: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """A model of some photos: evidence with its calibration, the cells, and what they say of all.

    `features` are those of the network with this head, (photos, windows, features) float32.
    """

    weights: np.ndarray
    bias: float
    slope: float
    offset: float
    head: CellHead
    cells: np.ndarray
    features: np.ndarray


@dataclass(frozen=True)
class HeldOut:
    """Answers about each fold, and for each fold those that its thresholds are chosen on."""

    fold: np.ndarray
    figures: Asked
    for_thresholds: tuple[Asked, ...]


def held_out(data: Data) -> HeldOut:
    """Fit one model per fold, and one per pair of folds for the thresholds of both."""
    fold = folds_of(data)
    figures = nothing_asked(data, cells=True)
    for_thresholds = tuple(nothing_asked(data) for _ in FOLDS)
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
    fitted = fit(data, known)
    gate = fit_gate(data, known)
    mean, scale = depth_of(data, known, fitted.features)
    features = fitted.features[about]
    found = evidence.log_odds(features, fitted.weights, fitted.bias)
    for each in into:
        each.evidence[about] = found
        each.score[about] = fitted.slope * evidence.pool(found) + fitted.offset
        each.car[about] = gate.decision_function(car_features(features[..., :-1]))
        each.depth[about] = evidence.depth(features[:, WHOLE_WINDOW], mean, scale)
        if len(each.cells):
            each.cells[about] = fitted.cells[about]


def fit(data: Data, known: np.ndarray) -> Fitted:
    """Fit windows and cells to the known photos, each by itself, and calibrate their sum."""
    weights, bias = fit_damage(data, known)
    head = fit_cells(data.photos, data.cells, known)
    cells = judge(data.maps, head)
    largest = window_maxima(cells)
    features = data.whole.features.astype(np.float32)
    undamaged = known & (data.labels == "whole")
    head = replace(
        head, mean=float(largest[undamaged].mean()), scale=float(largest[undamaged].std())
    )
    spread = evidence.log_odds(features[undamaged], weights, bias).std()
    features = np.concatenate([features, ((largest - head.mean) / head.scale)[..., None]], axis=2)
    weights = np.append(weights, np.float32(CELLS * spread))
    slope, offset = calibration(data, known, features, weights, bias)
    return Fitted(weights, bias, slope, offset, head, cells, features)


def nothing_asked(data: Data, *, cells: bool = False) -> Asked:
    count, windows = len(data.photos), data.whole.features.shape[1]
    empty = [np.full(count, np.nan, np.float32) for _ in range(3)]
    judged = np.zeros((count if cells else 0, FINE, FINE), np.float16)
    return Asked(np.full((count, windows), np.nan, np.float32), *empty, judged)


def fit_damage(data: Data, known: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit the evidence on the photos that may be learned from.

    Every origin counts by the root of its size, so that a large one does not drown the others.
    """
    weight = origin_weights(data)
    weight[(data.views == "close") & (data.labels == "whole")] *= CLOSE
    features, answers, weights, context = [], [], [], []
    for looked, counts in ((data.whole, 1.0), (data.cuts, CUTS)):
        for row, place in enumerate(looked.photo):
            if not known[place] or data.labels[place] == "none":
                continue
            labels = looked.labels[row]
            # within a photo with masks, only the contrast counts
            mean = looked.features[row].mean(axis=0, dtype=np.float32) * data.masked[place]
            for answer in (0, 1):
                which = labels == answer
                if which.any():
                    features.append(looked.features[row][which].astype(np.float32))
                    answers.append(np.full(which.sum(), bool(answer)))
                    context.append(np.broadcast_to(mean, (which.sum(), len(mean))))
                    share = MASKED / 2 if data.masked[place] else weight[place]
                    weights.append(np.full(which.sum(), counts * share / which.sum(), np.float32))
    windows = KnownWindows(
        *(np.concatenate(each) for each in (features, answers, weights, context))
    )
    bags = np.flatnonzero(known & (data.labels != "none") & ~data.masked)
    damaged = data.labels[bags] == "damaged"
    heavy = weight[bags]
    for part in (damaged, ~damaged):
        heavy[part] *= PICTURES * len(bags) / 2 / heavy[part].sum()
    pictures = KnownPictures(data.whole.features[bags].astype(np.float32), damaged, heavy)
    return fit_evidence(windows, pictures, strength=STRENGTH)


def fit_gate(data: Data, known: np.ndarray) -> LogisticRegression:
    """Fit the car gate; cuts of cars are cars, too, and origins count by the root of their size."""
    rows = np.flatnonzero(known)
    cuts = np.flatnonzero(known[data.cuts.photo])
    features = np.concatenate([data.whole.features[rows], data.cuts.features[cuts]])
    is_car = np.concatenate([data.labels[rows] != "none", np.ones(len(cuts), bool)])
    origins = np.concatenate([data.origins[rows], data.origins[data.cuts.photo[cuts]]])
    weights = np.ones(len(is_car))
    for origin in set(origins):
        for answer in (False, True):
            part = (origins == origin) & (is_car == answer)
            weights[part] /= np.sqrt(max(part.sum(), 1))
    regression = LogisticRegression(C=CAR_STRENGTH, max_iter=300)
    return regression.fit(
        car_features(features.astype(np.float32)),
        is_car,
        balanced(is_car.astype(int), weights),
    )


def depth_of(data: Data, known: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of the whole-picture window of the cars."""
    rows = np.flatnonzero(known & (data.labels != "none"))
    whole = features[rows, WHOLE_WINDOW]
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
    data: Data, known: np.ndarray, features: np.ndarray, weights: np.ndarray, bias: float
) -> tuple[float, float]:
    """Fit slope and offset on what the model was fitted on.

    Scores of different models are not comparable, so each is put on its own scale; how far that is
    off elsewhere is what `threshold` corrects.
    """
    rows = np.flatnonzero(known & (data.labels != "none"))
    pooled = evidence.pool(evidence.log_odds(features[rows], weights, bias))
    return fit_platt(pooled, data.labels[rows] == "damaged", origin_weights(data)[rows])
