"""Figures of the damage model on sources left out, with thresholds from other folds."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.shipped_folds import FOLDS, Asked, Data, HeldOut
from benchmarks.shipped_regions import outlines

ACCEPTED = 0.985
"""Share of the car photos of other sources that the gate's threshold has to accept."""

TARGETS = {("damaged", ""): 0.90, ("whole", "whole"): 0.92, ("whole", "close"): 0.80}
"""Shares that should be right: what a missed damage is worth against a false alarm."""

DEEPEST = 0.995
"""Share of the car photos of other sources that get a label."""


def threshold(data: Data, asked: Asked, part: np.ndarray) -> float:
    """Return the log-odds that part damaged from undamaged best among some photos.

    Best is where the kind that is furthest below its target, damaged or undamaged, whole view or
    close-up, is least below it; shares are means over sources.
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
        return min(float(np.mean(each)) - TARGETS[group] for group, each in shares.items())

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
        "outlines": outlines(data, held),
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


def _interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean."""
    rng = np.random.default_rng(7)
    means = rng.choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return round(float(low), 3), round(float(high), 3)
