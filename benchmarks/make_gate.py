"""Measure the gate on sources left out, and make the probe that comes with the package.

    python -m benchmarks.make_gate DATA --rejects REJECTS --work DIR [--only-measure]

DATA holds damage/, masks/, models/, not_car/ and abroad/; REJECTS is what benchmarks.gate_rejects
gathered. Prints, for every source, what a gate accepts that has seen no photo of it, nor a
near-duplicate of one; its threshold comes from the other sources, each asked of a gate without it.
Without --only-measure the probe and its card in curate/gate/probes/ are written anew.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.abroad_photos import Photo
from benchmarks.gate_origins import Rows, listed, look
from bodyshop_core import atomic
from bodyshop_core.backbones import fingerprint
from curate.gate.probe import Probe, find_probe, load_probe
from curate.gate_fitting.fit import FitSummary
from curate.gate_fitting.framing import FRAMING_VIEWS
from curate.gate_fitting.intervals import proportion
from curate.gate_fitting.logistic import FOLDS, balanced, fit_logistic
from curate.gate_fitting.make_probe import PROBES, model_card

NAME = "efficientnet-lite0"

GATE_STRENGTH = 1.2
"""scikit-learn's C for rows that weigh 1 on average."""

FRAMING_STRENGTH = 10.0
"""The same, for close-up against whole view."""

OTHERS_ACCEPTED = 0.01
"""Mean share, over their sources, of the photos without a car that may be accepted."""

SQUARES_WEIGH = 0.3
"""A small square counts this much of a larger view."""

SEEDS = 7

ONE_REPOSITORY = {"buses_cse151", "trucks_cse151", "motorcycles_cse151", "cse151_stock"}
"""Folders of one repository."""

LABELS = Path(__file__).with_name("framing_labels.csv")


@dataclass(frozen=True)
class Set:
    """All photos, and one row per view of each."""

    photos: list[Photo]
    rows: Rows
    kind: np.ndarray
    unit: np.ndarray
    car: np.ndarray
    original: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rejects", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only-measure", action="store_true")
    parser.add_argument("--against", type=Path, help="a probe to compare with")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    found = listed(options.data, options.rejects)
    data = gathered(found, look(found, options.work / "gate.npz"))
    weights = source_weights(data)
    scores = left_out(data, weights, data.unit)
    strict = left_out(data, weights, np.where(repository(data), "cse151", data.unit))
    against = load_probe(options.against) if options.against else find_probe(fingerprint(NAME))
    framing = framing_known(data, options.data)
    parts = framing_left_out(data, framing)
    figures = {
        "threshold": threshold(data, scores, np.ones(len(data.car), bool)),
        "sources": passed(data, scores),
        "repository": passed(data, strict),
        "framing": framing_figures(data, framing, parts),
    }
    if against is not None:
        figures["against"] = installed(data, against, framing)
    print(table(figures))
    atomic.write_text(options.work / "gate.json", json.dumps(figures, indent=1))
    if not options.only_measure:
        write(data, weights, figures, framing)


def table(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown; threshold in log-odds."""
    lines = [
        f"Threshold {figures['threshold']}.",
        "",
        "| photos | n | accepted | small squares | repository left out | the probe before |",
        "|---|---|---|---|---|---|",
    ]
    before = figures.get("against", {})
    for kind, row in figures["sources"].items():
        cells = (kind, row["n"], *map(_percent, (row["share"], row["squares"])))
        strict, old = figures["repository"][kind], before.get("sources", {}).get(kind)
        more = (_percent(strict["share"]), _percent(old["share"]) if old else "")
        lines.append(f"| {' | '.join(map(str, (*cells, *more)))} |")
    lines += ["", "| framing | n | right | the probe before |", "|---|---|---|---|"]
    for kind, row in figures["framing"].items():
        old = before.get("framing", {}).get(kind)
        cells = (kind, row["n"], _percent(row["share"]), _percent(old["share"]) if old else "")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def gathered(found: list[Photo], rows: Rows) -> Set:
    """Name the kinds of photos and the sources that are left out together, for each row."""
    kinds, units = [], []
    spread = np.random.default_rng(SEEDS).integers(0, FOLDS, len(found))
    for photo, fold in zip(found, spread, strict=True):
        view = "with masks" if photo.rings is not None else photo.view.replace("unknown", "")
        words = (photo.origin, photo.label.replace("none", "no car"), view)
        kinds.append(" ".join(word for word in words if word).replace("no car whole", "no car"))
        units.append(f"imagenet {fold}" if photo.origin == "imagenet" else photo.origin)
    car = np.array([photo.label != "none" for photo in found])
    places = rows.photo
    return Set(
        found,
        rows,
        np.array(kinds)[places],
        np.array(units)[places],
        car[places],
        rows.view == "original",
    )


def repository(data: Set) -> np.ndarray:
    """Say which rows are of the one repository that has both cars and hard rejects."""
    return np.isin(data.unit, list(ONE_REPOSITORY))


def source_weights(data: Set) -> np.ndarray:
    """Let each source count by the root of its size."""
    weight = np.where(data.rows.view == "square", SQUARES_WEIGH, 1.0)
    source = np.array([photo.origin for photo in data.photos])[data.rows.photo]
    for name in set(source):
        for car in (False, True):
            part = (source == name) & (data.car == car)
            if part.any():
                weight[part] /= np.sqrt(part.sum())
    return weight


def left_out(data: Set, weights: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return the log-odds of every row by a gate without its source and its near-duplicates."""
    scores = np.full(len(data.car), np.nan)
    for name in sorted(set(unit)):
        own = unit == name
        near = np.unique(data.rows.group[own])
        rest = np.flatnonzero(~own & ~np.isin(data.rows.group, near))
        model = _regression(data.rows.features[rest], data.car[rest], weights[rest], GATE_STRENGTH)
        scores[own] = data.rows.features[own] @ model.coef_[0] + model.intercept_[0]
    return scores


def threshold(data: Set, scores: np.ndarray, part: np.ndarray) -> float:
    """Return the lowest log-odds at which few photos without a car are accepted."""
    part = part & data.original
    kinds = sorted(set(data.kind[part & ~data.car]))
    each = [scores[part & (data.kind == kind)] for kind in kinds]
    for value in np.unique(np.round(scores[part], 2)):
        if np.mean([(other >= value).mean() for other in each]) <= OTHERS_ACCEPTED:
            return float(value)
    return float(scores[part].max())


def passed(data: Set, scores: np.ndarray) -> dict[str, dict[str, Any]]:
    """Count what is accepted of each kind, at a threshold chosen on the other sources."""
    table = {}
    for kind in sorted(set(data.kind)):
        own = data.kind == kind
        mine = set(data.unit[own])
        value = threshold(data, scores, ~np.isin(data.unit, list(mine)))
        row = proportion(int((scores[own & data.original] >= value).sum()), _originals(data, own))
        square = own & (data.rows.view == "square")
        table[kind] = row | {
            "threshold": round(value, 2),
            "squares": round(float((scores[square] >= value).mean()), 3),
        }
    return table


def installed(data: Set, probe: Probe, framing: np.ndarray) -> dict[str, Any]:
    """Count what a probe accepts that is there already; it may have seen the photos."""
    chances = probe.p_car(data.rows.features)
    accepted = {}
    for kind in sorted(set(data.kind)):
        own = data.kind == kind
        count = int((chances[own & data.original] >= probe.threshold).sum())
        accepted[kind] = proportion(count, _originals(data, own))
    part = probe.p_part(data.rows.features)
    found: dict[str, Any] = {"sources": accepted}
    if part is not None:
        found["framing"] = framing_figures(data, framing, part)
    return found


def framing_known(data: Set, folder: Path) -> np.ndarray:
    """Return 1 for close-ups, 0 for whole views, -1 where nobody said, per row.

    The folders of abroad/ say it, and for other photos a person did.
    """
    with LABELS.open(encoding="utf-8") as file:
        said = {str(folder / row["file"]): row["framing"] for row in csv.DictReader(file)}
    known = []
    for photo in data.photos:
        if photo.label == "none":
            known.append(-1)
        elif "abroad" in photo.file.parts and photo.view != "unknown":
            known.append(int(photo.view == "close"))
        else:
            known.append({"part": 1, "full": 0}.get(said.get(str(photo.file), ""), -1))
    return np.array(known)[data.rows.photo]


def framing_left_out(data: Set, known: np.ndarray) -> np.ndarray:
    """Return the chance of a close-up for every row, by a regression without its source."""
    chances = np.full(len(known), np.nan)
    usable = (known >= 0) & np.isin(data.rows.view, list(FRAMING_VIEWS))
    weights = framing_weights(data, known)
    for name in sorted(set(data.unit[known >= 0])):
        own = data.unit == name
        near = np.unique(data.rows.group[own])
        rest = np.flatnonzero(usable & ~own & ~np.isin(data.rows.group, near))
        model = _regression(
            data.rows.features[rest], known[rest] == 1, weights[rest], FRAMING_STRENGTH
        )
        chances[own] = model.predict_proba(data.rows.features[own])[:, 1]
    return chances


def framing_weights(data: Set, known: np.ndarray) -> np.ndarray:
    """Let each source count by the root of its size, within each framing."""
    weight = np.ones(len(known))
    for name in set(data.unit):
        for value in (0, 1):
            part = (data.unit == name) & (known == value)
            if part.any():
                weight[part] = 1 / np.sqrt(part.sum())
    return weight


def framing_figures(data: Set, known: np.ndarray, chances: np.ndarray) -> dict[str, Any]:
    """Count what is classified correctly, by source and framing, and in sum."""
    right = (chances >= 0.5) == (known == 1)
    rows = data.original & (known >= 0)
    table = {}
    for value, word in ((0, "full"), (1, "part")):
        of = rows & (known == value)
        table[f"all {word}"] = proportion(int(right[of].sum()), int(of.sum()))
        for name in sorted(set(data.unit[of])):
            own = of & (data.unit == name)
            table[f"{name} {word}"] = proportion(int(right[own].sum()), int(own.sum()))
    return table


def write(data: Set, weights: np.ndarray, figures: dict[str, Any], framing: np.ndarray) -> None:
    """Fit on all sources, and write the probe with its card."""
    rows, groups = data.rows.features, data.rows.group.tolist()
    coefficients, bias, chances = fit_logistic(
        rows, data.car.tolist(), groups, SEEDS, strength=GATE_STRENGTH, weights=weights
    )
    limit = round(float(1 / (1 + np.exp(-figures["threshold"]))), 4)
    usable = np.flatnonzero((framing >= 0) & np.isin(data.rows.view, list(FRAMING_VIEWS)))
    part, part_bias, _ = fit_logistic(
        rows[usable],
        (framing[usable] == 1).tolist(),
        data.rows.group[usable].tolist(),
        SEEDS,
        strength=FRAMING_STRENGTH,
        weights=framing_weights(data, framing)[usable],
    )
    sides: dict[str, dict[str, Any]] = {"accept": {}, "reject": {}}
    for kind in sorted(set(data.kind)):
        own = (data.kind == kind) & data.original
        side = sides["accept" if data.car[own].all() else "reject"]
        side[kind] = proportion(int((chances[own] >= limit).sum()), int(own.sum()))
    seen = {word: figures["framing"][f"all {word}"] for word in ("full", "part")}
    card = {
        "folds": FOLDS,
        "seed": SEEDS,
        "views": sorted(set(data.rows.view.tolist())),
        "pictures": len(data.photos),
        "groups": len(set(groups)),
        "out_of_fold": sides,
        "framing": seen,
        "unseen": figures["sources"],
    }
    name = fingerprint(NAME)
    probe = Probe(coefficients, bias, limit, name, part, part_bias, card)
    probe.save(PROBES / f"{NAME}.npz")
    summary = FitSummary("", name, limit, **sides, framing=seen, unseen=figures["sources"])
    sources = (PROBES / "sources.md").read_text(encoding="utf-8")
    atomic.write_text(PROBES / f"{NAME}.md", model_card(summary, sources))


def _regression(
    features: np.ndarray, positive: np.ndarray, weights: np.ndarray, strength: float
) -> Any:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=5000)
    return model.fit(features, positive, balanced(positive.astype(int), weights))


def _originals(data: Set, own: np.ndarray) -> int:
    return int((own & data.original).sum())


if __name__ == "__main__":
    main()
