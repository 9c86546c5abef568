"""Which of two copies somebody has written on: text, a logo or a watermark adds strokes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import load_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = "overlay-1"
"""Of this comparison, in the catalog's ``pair_checks``."""

SIDE = 320
"""Longest side, in pixels, at which two copies are compared, edge to edge."""

MIN_DIFFERENCE = 28.0
"""Grey levels by which a place must differ, after one gain and offset."""

MIN_SHARE = 0.002
"""Share of the picture that must differ; below it are artefacts of compression."""

MIN_ADDED = 0.2
"""Excess of edges, from -1 to 1, from which the picture with more of them counts as overlaid."""

_ASPECT = 1.03


def compare_strokes(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare pairs of copies; a shard function.

    Parameters
    ----------
    items : list of dict
        ``key`` and the paths ``first`` and ``second``.

    Returns
    -------
    list of dict
        ``key`` and ``added``, or ``error``.
    """
    import cv2

    cv2.setNumThreads(1)
    rows: list[dict[str, Any]] = []
    for item in items:
        try:
            pair = [load_rgb(Path(item[name]), at_least=SIDE) for name in ("first", "second")]
        except (UnreadableImageError, OSError) as error:
            rows.append({"key": item["key"], "error": str(error)})
            continue
        rows.append({"key": item["key"], "added": added_strokes(*pair)})
    return rows


def added_strokes(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Measure which of two copies has more edges where they differ.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (height, width, 3)
        Copies with the same framing.

    Returns
    -------
    float
        -1 to 1: above 0 when the first has more; 0 when they hardly differ or are framed otherwise.
    """
    import cv2

    aspects = [side.shape[1] / side.shape[0] for side in (first, second)]
    if max(aspects) > _ASPECT * min(aspects):
        return 0.0
    scale = min(1.0, SIDE / max(first.shape[:2]), SIDE / max(second.shape[:2]))
    size = (max(16, round(first.shape[1] * scale)), max(16, round(first.shape[0] * scale)))
    a, b = (
        np.asarray(
            Image.fromarray(side).convert("L").resize(size, Image.Resampling.BOX), dtype=np.float32
        )
        for side in (first, second)
    )
    keep = np.ones(a.shape, dtype=bool)
    gain, offset = 1.0, 0.0
    for _ in range(3):  # again without what differs
        spread = float(a[keep].var())
        cross = float(((a[keep] - a[keep].mean()) * (b[keep] - b[keep].mean())).mean())
        gain = float(np.clip(cross / (spread + 1), 0.5, 2.0))
        offset = float(b[keep].mean() - gain * a[keep].mean())
        difference = np.abs(gain * a + offset - b)
        keep = difference <= max(10.0, float(np.quantile(difference, 0.8)))
    differs = (difference > MIN_DIFFERENCE).astype(np.uint8)
    if differs.mean() < MIN_SHARE:
        return 0.0
    around = np.asarray(cv2.dilate(differs, np.ones((5, 5), np.uint8))) > 0
    edges = [float(np.hypot(*np.gradient(side))[around].mean()) for side in (gain * a + offset, b)]
    return round((edges[0] - edges[1]) / max(1e-6, sum(edges)), 4)
