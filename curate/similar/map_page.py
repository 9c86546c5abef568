"""The page and the picture of a map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic
from bodyshop_core.figures import new_figure, save_figure
from bodyshop_core.progress import SILENT, Progress
from curate.report.thumbnails import make_thumbnails

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from curate.similar.map_summary import MappedPicture
    from curate.similar.neighbours import Neighbours

MOST_POINTS = 20_000
"""Of a larger set the page shows an even sample; the picture and the table have everything."""

ERRORS_SHOWN = 200

COLOURED_BY = ("label", "source", "split", "verdict")

COLOURS = (
    "#1f77b4", "#d9902f", "#2f8f5f", "#b5482f", "#7d6aa8", "#8c6d4f", "#c85fa0", "#5f8f9f",
    "#9aa02f",
)  # fmt: skip
OTHER = "#9a9a9a"


def write_pages(
    workspace: Workspace,
    places: Sequence[MappedPicture],
    clusters: Sequence[Mapping[str, Any]],
    errors: Sequence[MappedPicture],
    explained: float,
    why_no_errors: str | None,
    neighbours: Neighbours,
    outliers: Sequence[tuple[MappedPicture, float]],
    progress: Progress = SILENT,
) -> tuple[Path, Path]:
    """Write ``reports/map/index.html`` and ``map.png``; return both.

    Thumbnails are those of the report of `curate`; only what is shown gets one.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    folder = workspace.reports / "map"
    shown = places[:: -(-len(places) // MOST_POINTS)]
    errors = errors[:ERRORS_SHOWN]
    wanted = {one.sha256 for one in (*shown, *errors)}
    wanted.update(name for group in clusters for name in group["examples"])
    wanted.update(one.sha256 for one, _ in outliers)
    number_of = {one.sha256: number for number, one in enumerate(shown)}
    near = [
        [
            [number_of[name], round(cosine, 2)]
            for name, cosine in neighbours.get(one.sha256, ())
            if name in number_of
        ]
        for one in shown
    ]
    make_thumbnails(workspace, sorted(wanted), workspace.reports / "curate", progress=progress)
    values = {name: _values(places, name) for name in COLOURED_BY}
    numbers = {name: {value: at for at, value in enumerate(each)} for name, each in values.items()}
    points = [
        [
            one.sha256,
            round(one.x, 4),
            round(one.y, 4),
            one.cluster,
            *(numbers[name].get(getattr(one, name) or "none", -1) for name in COLOURED_BY),
            one.file or "",
        ]
        for one in shown
    ]
    environment = Environment(
        loader=PackageLoader("curate.similar"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("map.html.j2").render(
        workspace=workspace.root.name,
        total=len(places),
        shown=len(shown),
        explained=explained,
        clusters=clusters,
        errors=errors,
        why_no_errors=why_no_errors,
        outliers=outliers,
        compared=len(neighbours),
        near=near,
        points=points,
        values=values,
        colours=COLOURS,
        other=OTHER,
    )
    atomic.write_text(folder / "index.html", page)
    return folder / "index.html", _draw(places, values, folder / "map.png")


def _values(places: Sequence[MappedPicture], name: str) -> list[str]:
    """Return the most frequent values, as many as there are colours."""
    counts = Counter(getattr(one, name) or "none" for one in places)
    return [value for value, _ in counts.most_common(len(COLOURS))]


def _draw(places: Sequence[MappedPicture], values: Mapping[str, list[str]], path: Path) -> Path:
    figure = new_figure(width=11, height=9)
    size = max(1.0, min(16.0, 12_000 / len(places)))
    for axes, (name, kinds) in zip(
        figure.subplots(2, 2, sharex=True, sharey=True).flat, values.items(), strict=True
    ):
        for kind, colour in ((None, OTHER), *zip(kinds, COLOURS, strict=False)):
            chosen = [
                one
                for one in places
                if (value := getattr(one, name) or "none") == kind
                or (kind is None and value not in kinds)
            ]
            if chosen:
                label = f"{kind or 'others'} ({len(chosen)})"
                # A text from outside must not be read as a formula.
                axes.scatter(
                    [one.x for one in chosen], [one.y for one in chosen], s=size, c=colour,
                    linewidths=0, rasterized=True, label=label[:40].replace("$", r"\$"),
                )  # fmt: skip
        axes.set_title(name)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.legend(fontsize=7, markerscale=2, loc="best")
    return save_figure(figure, path)
