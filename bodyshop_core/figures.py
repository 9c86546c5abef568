"""Matplotlib figures without a screen, with a font that has Hangul."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HANGUL_FONT_PACKAGE = "koreanize_matplotlib"
"""Carries NanumGothic (SIL Open Font License); its code is not run."""


def new_figure(*, width: float = 6.4, height: float = 4.8, dpi: int = 110) -> Figure:
    """Return an empty figure that needs no screen and changes no settings of Matplotlib.

    Parameters
    ----------
    width, height : float
        Inches.
    dpi : int
        Pixels per inch.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path, **options: Any) -> Path:
    """Write a figure atomically as PNG, or as what the suffix says, with a font that has Hangul.

    Parameters
    ----------
    figure : Figure
        From `new_figure`, with everything drawn in it.
    path : Path
        The file to write.
    **options
        For `Figure.savefig`.

    Returns
    -------
    Path
        The file.
    """
    _set_font(figure)
    with atomic.replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".") or "png", **options)
    return path


@cache
def hangul_font() -> Path | None:
    """Return a font file that has Hangul, for Matplotlib and Pillow; None when there is none."""
    found = find_spec(HANGUL_FONT_PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    file = Path(found.submodule_search_locations[0]) / "fonts" / "NanumGothic.ttf"
    return file if file.is_file() else None


def _set_font(figure: Figure) -> None:
    """Set the font of every text in a figure, rather than the font of all figures of the process.

    Tick labels are made while the figure is drawn: their axis passes the font on to them.
    """
    from matplotlib.axis import Axis
    from matplotlib.text import Text

    families = _families()
    for text in figure.findobj(Text):
        text.set_fontfamily(families)
    for axis in figure.findobj(Axis):
        axis.set_tick_params(which="both", labelfontfamily=families)


@cache
def _families() -> list[str]:
    """Font families in order: Matplotlib falls back glyph by glyph."""
    from matplotlib import font_manager

    families = ["DejaVu Sans"]
    file = hangul_font()
    if file is not None:
        font_manager.fontManager.addfont(file)
        families.append(font_manager.FontProperties(fname=file).get_name())
    return families
