"""Properties of a picture that are not about the car and yet may predict its label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.imaging import Equalise

NUMERIC: Mapping[str, Callable[[Mapping[str, Any]], float | None]] = {
    "longest side": lambda row: _longest(row),
    "area": lambda row: _product(row, "width", "height"),
    "aspect": lambda row: _ratio(row, "width", "height"),
    "file size": lambda row: row.get("bytes"),
    "bytes per pixel": lambda row: _per_pixel(row),
    "jpeg quality": lambda row: row.get("jpeg_quality"),
    "brightness": lambda row: row.get("brightness"),
    "contrast": lambda row: row.get("contrast"),
    "sharpness": lambda row: row.get("sharpness"),
}
"""Name -> number from a picture's row; None when it does not apply (a PNG has no JPEG quality)."""

NAMED: Mapping[str, Callable[[Mapping[str, Any]], str | None]] = {
    "file format": lambda row: row.get("format"),
    "origin": lambda row: row.get("origin"),
    "framing": lambda row: row.get("framing"),
}
"""Name -> category."""

MAX_CATEGORIES = 20
"""Rarer categories get no column of their own, so that none stands for a single picture."""


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """Return one block of numbers per nuisance feature.

    Parameters
    ----------
    rows : sequence of Mapping
        n pictures: columns of `measurements` and ``bytes``, ``format``, ``origin``, ``framing``.

    Returns
    -------
    dict
        Feature -> float64 array of shape (n, k): one column for a number (NaN where it is
        absent), one 0/1 column per category for a name. Features that are the same for all
        pictures are left out.
    """
    import numpy as np

    blocks: dict[str, NDArray[np.float64]] = {}
    for name, read in NUMERIC.items():
        values = np.array([_number(read(row)) for row in rows], dtype=np.float64)[:, None]
        if len(np.unique(values)) > 1:
            blocks[name] = values
    for name, read_name in NAMED.items():
        block = _one_hot([str(read_name(row)) for row in rows])
        if block.shape[1] > 1:
            blocks[name] = block
    return blocks


def equalised(
    row: Mapping[str, Any], spec: Equalise, measured: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Return what a row would be for the equalised view of its picture.

    Parameters
    ----------
    row : Mapping
        The picture as it is.
    spec : Equalise
        Size and compression of the view. Its file size is decided by its content alone: it is
        dropped, and the format is the same for all.
    measured : Mapping, optional
        What `measure_view` found; without it brightness, contrast and sharpness stay.
    """
    longest = _longest(row)
    scale = min(1.0, spec.longest_side / longest) if longest else 1.0
    return {
        **row,
        "width": round((row.get("width") or 0) * scale),
        "height": round((row.get("height") or 0) * scale),
        "jpeg_quality": spec.jpeg_quality,
        "bytes": None,
        "format": "JPEG",
        **(measured or {}),
    }


def measure_view(source: Path | str | bytes, spec: Equalise) -> dict[str, float]:
    """Measure the equalised view of a picture: ``brightness``, ``contrast`` and ``sharpness``.

    Raises
    ------
    UnreadableImageError
        The picture can't be decoded.
    """
    import numpy as np
    from PIL import Image

    from bodyshop_core.imaging import equalise, load_rgb
    from curate.measure.sharpness import sharpness

    # Twice the size, so that the view's own resampling decides how sharp it is.
    view = equalise(load_rgb(source, at_least=2 * spec.longest_side), spec)
    grey = np.asarray(Image.fromarray(view).convert("L"))
    return {
        "brightness": round(float(grey.mean()) / 255, 4),
        "contrast": round(float(grey.std()) / 255, 4),
        "sharpness": round(float(sharpness(grey)), 4),
    }


def _one_hot(names: Sequence[str]) -> NDArray[np.float64]:
    import numpy as np

    values, counts = np.unique(np.array(names), return_counts=True)
    common = values[np.argsort(-counts, kind="stable")][:MAX_CATEGORIES]
    return (np.array(names)[:, None] == common[None, :]).astype(np.float64)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _longest(row: Mapping[str, Any]) -> float:
    return max(row.get("width") or 0, row.get("height") or 0)


def _product(row: Mapping[str, Any], first: str, second: str) -> float | None:
    a, b = row.get(first), row.get(second)
    return None if a is None or b is None else a * b


def _ratio(row: Mapping[str, Any], first: str, second: str) -> float | None:
    a, b = row.get(first), row.get(second)
    return None if not a or not b else a / b


def _per_pixel(row: Mapping[str, Any]) -> float | None:
    size, area = row.get("bytes"), _product(row, "width", "height")
    return None if size is None or not area else size / area
