"""Matplotlib figures without a screen, in which Hangul is drawn as Hangul."""

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
    """Return an empty figure that never touches a screen or global state of pyplot.

    Parameters
    ----------
    width, height : float
        Inches.
    dpi : int
        Pixels per inch.
    """
    from matplotlib import rcParams
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rcParams["font.family"] = _families()
    rcParams["axes.unicode_minus"] = False
    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path, **options: Any) -> Path:
    """Write a figure atomically as PNG (or what the suffix says) and return its path."""
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
