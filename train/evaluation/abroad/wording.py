"""Home and abroad figures side by side, for a terminal, a report and a model card."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

NOT_SHOWN = "not shown abroad"

UNSEEN = "new_origins"
"""Key of the metrics of a test split whose origins, named there, were all learned nothing from."""


def abroad_lines(abroad: Mapping[str, Any], home: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (figure, its value) for people: abroad first, then home.

    Parameters
    ----------
    abroad : Mapping
        As `train.runs.abroad.measure_abroad` returns it; empty when it was not asked for.
    home : Mapping
        Metrics of the test split, as `train.metrics.classification.summary`; where they have
        `UNSEEN` origins, they are figures abroad, too.
    """
    lines = []
    abroad = with_test_split(abroad, home)
    within, pairs = abroad.get("within_photo"), abroad.get("pairs")
    if within:
        lines.append(
            (
                "abroad: AUC within photos",
                f"{_area(within)}, {within['photos']} photos of {_origins(within['origins'])} left "
                f"out (nearness to the centre alone: {within['centre']:.3f})",
            )
        )
    if pairs:
        lines.append(
            (
                "abroad: AUC of left-out pairs of origins",
                f"{_area(pairs)}, {pairs['folds']} pairs",
            )
        )
        lines += [
            (f"abroad: the same, {framing} against {framing}", f"{_area(each)}")
            for framing, each in pairs["framings"].items()
        ]
        for label, each in pairs["classes"].items():
            lines.append((f"abroad: {label} classified correctly", _share(each)))
            lines += [
                (f"abroad: {label}, {framing}", _share(part))
                for framing, part in each["framings"].items()
            ]
    if abroad and not abroad["shown"]:
        lines.append(("abroad", f"{NOT_SHOWN}: {abroad['why']}"))
    elif abroad.get("why"):
        lines.append(("abroad: left-out pairs of origins", f"none: {abroad['why']}"))
    if unseen := home.get(UNSEEN):
        text = f"{_share(home)}, {_origins(unseen)} that it did not learn from"
        lines.insert(0, ("abroad: accuracy on test", text))
    else:
        lines.append(("home: accuracy", _share(home)))
    return lines


def with_test_split(abroad: Mapping[str, Any], home: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures abroad; they are shown also where only the test split is of such origins.

    Why nothing else was measured (``why``) stays.

    Parameters
    ----------
    abroad, home : Mapping
        As `abroad_lines`.
    """
    found = dict(abroad)
    return found | {"shown": True} if abroad and home.get(UNSEEN) else found


def where_tested(metrics: Mapping[str, Any]) -> str:
    """Say whether the figures of a test split are of origins that were learned from."""
    return "abroad" if metrics.get(UNSEEN) else "at home"


def table_rows(pairs: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows of `TABLE_COLUMNS`, one per origin, label and framing."""
    return [
        [
            row["origin"],
            row["label"],
            row["framing"],
            str(row["n"]),
            f"{100 * row['accuracy']:.1f} %",
            _interval(row["ci95"]),
            "–" if row["auc"] is None else f"{row['auc']:.3f}",
            "–"
            if row["auc_ci95"] is None
            else " – ".join(f"{bound:.3f}" for bound in row["auc_ci95"]),
        ]
        for row in pairs["table"]
    ]


TABLE_COLUMNS = (
    "origin", "label", "framing", "n", "correct", "95 % interval", "AUC", "95 % interval",
)  # fmt: skip


def _origins(origins: Collection[str]) -> str:
    return f"{len(origins)} origin{'s' if len(origins) != 1 else ''}"


def _area(figures: Mapping[str, Any]) -> str:
    low, high = figures["ci95"]
    return f"{figures['auc']:.3f} [{low:.3f}, {high:.3f}]"


def _share(figures: Mapping[str, Any]) -> str:
    bounds = figures["ci95"]
    between = "" if bounds is None else f" [{_interval(bounds)}]"
    return f"{100 * figures['accuracy']:.1f} %{between}, n = {figures['n']}"


def _interval(bounds: Sequence[float]) -> str:
    return f"{100 * bounds[0]:.1f} – {100 * bounds[1]:.1f} %"
