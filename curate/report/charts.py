"""Charts as inline SVG: sharp at any size, no script, no file beside the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

WIDTH = 640
COLOURS = ("#2f6f4f", "#d9902f", "#5b6b8c", "#a5493f", "#7d6aa8", "#8a8a80")


def gate_histogram(scores: Sequence[tuple[float, bool]], threshold: float) -> Markup:
    """Draw how many pictures got which ``p_car``, on a logarithmic scale.

    Parameters
    ----------
    scores : sequence of (p_car, kept)
        0 to 1, and whether the picture is kept.
    threshold : float
        Drawn as a line.
    """
    import math

    if not scores:
        return Markup("")
    bins, height, left, bottom = 40, 200, 44, 26
    counts = [[0, 0] for _ in range(bins)]
    for value, kept in scores:
        counts[min(bins - 1, int(value * bins))][0 if kept else 1] += 1
    top = math.log10(1 + max(sum(pair) for pair in counts))
    plot, step = height - bottom - 14, (WIDTH - left - 10) / bins
    parts = []
    for index, (good_ones, rejected) in enumerate(counts):
        total = good_ones + rejected
        if not total:
            continue
        full = plot * math.log10(1 + total) / top
        good = full * good_ones / total
        x = left + index * step
        base = height - bottom
        span = f"p_car {index / bins:.3f} to {(index + 1) / bins:.3f}"
        title = f"{span}: {good_ones} kept, {rejected} rejected"
        parts.append(
            f"<g><title>{escape(title)}</title>"
            f'<rect x="{x:.1f}" y="{base - full:.1f}" width="{step - 1:.1f}" '
            f'height="{full - good:.1f}" class="bad"/>'
            f'<rect x="{x:.1f}" y="{base - good:.1f}" width="{step - 1:.1f}" '
            f'height="{good:.1f}" class="good"/></g>'
        )
    ticks = [10**power for power in range(6) if math.log10(1 + 10**power) <= top]
    for tick in ticks:
        y = height - bottom - plot * math.log10(1 + tick) / top
        parts.append(
            f'<line x1="{left}" x2="{WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
        )
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" class="end">{tick}</text>')
    for value in (0, 0.25, 0.5, 0.75, 1):
        x = left + value * (WIDTH - left - 10)
        parts.append(f'<text x="{x:.1f}" y="{height - 8}" class="mid">{value:g}</text>')
    x = left + threshold * (WIDTH - left - 10)
    parts.append(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="6" y2="{height - bottom}" class="limit"/>'
        f'<text x="{x + 5:.1f}" y="14">threshold {threshold:.3g}</text>'
    )
    return _svg(height, parts, "Pictures by p_car")


def stacked_bars(table: Mapping[str, Mapping[str, int]]) -> Markup:
    """Draw one bar per row, divided by the shares of its columns."""
    if not table:
        return Markup("")
    names = sorted({name for row in table.values() for name in row})
    bar, left = 26, 150
    parts = []
    for place, (label, row) in enumerate(table.items()):
        y, x, total = place * bar + 24, float(left), sum(row.values())
        parts.append(
            f'<text x="{left - 8}" y="{y + 14}" class="end">{escape(_short(label))}</text>'
        )
        for index, name in enumerate(names):
            share = row.get(name, 0) / total
            width = share * (WIDTH - left - 60)
            colour = COLOURS[index % len(COLOURS)]
            parts.append(
                f"<g><title>{escape(label)}, {escape(name)}: {row.get(name, 0)}</title>"
                f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="18" fill="{colour}"/></g>'
            )
            if share > 0.12:
                parts.append(
                    f'<text x="{x + width / 2:.1f}" y="{y + 13}" class="mid onbar">'
                    f"{100 * share:.0f} %</text>"
                )
            x += width
        parts.append(f'<text x="{x + 6:.1f}" y="{y + 13}">{total}</text>')
    x = left
    for index, name in enumerate(names):
        parts.append(
            f'<rect x="{x}" y="4" width="11" height="11" fill="{COLOURS[index % len(COLOURS)]}"/>'
            f'<text x="{x + 16}" y="14">{escape(name)}</text>'
        )
        x += 30 + 7 * len(name)
    return _svg(len(table) * bar + 30, parts, "Framing by label")


def audit_bars(audit: Mapping[str, Any] | None) -> Markup:
    """Draw the balanced accuracy each nuisance feature reaches, with its 95 % interval."""
    if not audit or not audit.get("features"):
        return Markup("")
    rows = [audit["together"], *audit["features"]]
    bar, left, right = 24, 150, 60
    span = WIDTH - left - right

    def at(value: float) -> float:
        return left + value * span

    height = len(rows) * bar + 30
    parts = [
        f'<line x1="{at(audit["chance"]):.1f}" x2="{at(audit["chance"]):.1f}" y1="0" '
        f'y2="{height - 22}" class="chance"/>'
        f'<text x="{at(audit["chance"]):.1f}" y="{height - 6}" class="mid">chance</text>'
    ]
    for place, row in enumerate(rows):
        y = place * bar + 4
        kind = "bad" if row["leak"] else "good"
        value = row["balanced_accuracy"]
        parts.append(
            f'<text x="{left - 8}" y="{y + 13}" class="end">{escape(row["feature"])}</text>'
            f'<rect x="{left}" y="{y + 2}" width="{at(value) - left:.1f}" height="14" '
            f'class="{kind}"/>'
            f'<line x1="{at(row["low"]):.1f}" x2="{at(row["high"]):.1f}" y1="{y + 9}" '
            f'y2="{y + 9}" class="whisker"/>'
            f'<text x="{WIDTH - right + 6}" y="{y + 13}">{100 * value:.1f} %</text>'
        )
    return _svg(height, parts, "Balanced accuracy without seeing the car")


def _svg(height: float, parts: Sequence[str], title: str) -> Markup:
    body = "".join(parts)
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(title)}">{body}</svg>'
    )


def _short(text: str, limit: int = 20) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
