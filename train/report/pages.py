"""HTML pages that open from disk, and how numbers are written in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bodyshop_core import atomic
from train.evaluation.names import shortened


def write_page(template: str, path: Path, **context: Any) -> Path:
    """Fill one of this package's templates and write the page; values are escaped.

    Parameters
    ----------
    template : str
        ``run.html`` or ``table.html``.
    path : Path
        The page to write.
    context
        What the template shows; a missing name is an error.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("train.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "decimal": decimal, "shortened": shortened}
    atomic.write_text(path, environment.get_template(template).render(**context))
    return path


def write_table(
    path: Path,
    *,
    title: str,
    subtitle: str,
    note: str = "",
    columns: Sequence[str] = (),
    rows: Sequence[Sequence[str]] = (),
    highlight: int | None = None,
    plots: Sequence[str] = (),
    gallery: Sequence[dict[str, str]] = (),
) -> Path:
    """Write a page with a note, a table, plots and a gallery.

    Parameters
    ----------
    path : Path
        The page to write.
    title, subtitle, note : str
        The text above the table.
    columns, rows
        The table; left out when there are no rows.
    highlight : int, optional
        Index of the row to highlight.
    plots : sequence of str
        Picture files in the page's folder.
    gallery : sequence of dict
        ``file``, ``name`` and ``text`` of each figure; ``sha256`` of one of the workspace.
    """
    return write_page(
        "table.html",
        path,
        title=title,
        subtitle=subtitle,
        note=note,
        columns=columns,
        rows=rows,
        highlight=highlight,
        plots=plots,
        gallery=gallery,
    )


def percent(value: float | None) -> str:
    """Write a share as a percentage with one decimal."""
    return "–" if value is None else f"{100 * value:.1f} %"


def decimal(value: float | None) -> str:
    """Write a number with three decimals."""
    return "–" if value is None else f"{value:.3f}"


def interval(bounds: Sequence[float] | None) -> str:
    """Write an interval of shares."""
    return "–" if bounds is None else f"{100 * bounds[0]:.1f} – {100 * bounds[1]:.1f} %"
