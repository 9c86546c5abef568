"""Which of two copies somebody has written on: text, a logo or a watermark adds strokes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bodyshop_core.engine.task import Item, Row, answer_each
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

MAX_WRITTEN = 0.3
"""Share of a picture that text across it may cover."""

THICK = 15
"""Pixels, of `SIDE`: strokes are thinner, the body of another car is not."""

MIN_REST = 0.985
"""Share of all other places that must agree, to 10 grey levels."""

TWO_TONES = 0.6
"""Share of the written places that must be of one or two tones in the copy with the text."""

CLEARLY_ADDED, CLEAR_TONES = 0.3, 0.4
"""The same where one has far more edges: small letters are mostly rims between two tones."""

_ASPECT = 1.03


def compare_strokes(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare pairs of copies; a shard function.

    Parameters
    ----------
    items : list of dict
        ``key``, ``first`` and ``second`` (each a `BlobRef`).

    Returns
    -------
    list of dict
        ``key`` and ``added``, or ``error``.
    """
    import cv2

    cv2.setNumThreads(1)

    def compared(item: Item) -> Row:
        pair = [load_rgb(item[name].read(), at_least=SIDE) for name in ("first", "second")]
        return {"added": added_strokes(*pair)}

    return answer_each(items, compared)


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
    pair = _aligned(first, second)
    if pair is None:
        return 0.0
    a, b, difference = pair
    differs = (difference > MIN_DIFFERENCE).astype(np.uint8)
    if differs.mean() < MIN_SHARE:
        return 0.0
    return round(_more_edges(a, b, differs), 4)


def is_written_over(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    """Return whether two pictures are one but for text across one of them.

    What differs is then thin and mostly of one or two tones in one of them; all the rest agrees.
    Another car, its other paint or its next frame differ otherwise.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (height, width, 3)
        Pictures with the same framing.
    """
    import cv2

    pair = _aligned(first, second)
    if pair is None:
        return False
    a, b, difference = pair
    differs = (difference > MIN_DIFFERENCE).astype(np.uint8)
    share = float(differs.mean())
    if not MIN_SHARE <= share <= MAX_WRITTEN:
        return False
    thick = cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((THICK, THICK), np.uint8))
    if float(np.asarray(thick, dtype=np.float32).mean()) > 0.1 * share:
        return False
    around = np.asarray(cv2.dilate(differs, np.ones((7, 7), np.uint8))) > 0
    if float((difference[~around] <= 10).mean()) < MIN_REST:
        return False
    # Where a thing has moved, both have edges; text adds them to one.
    added = _more_edges(a, b, differs)
    written = a if added > 0 else b
    tones = _in_two_tones(written[differs > 0])
    return (abs(added) >= MIN_ADDED and tones >= TWO_TONES) or (
        abs(added) >= CLEARLY_ADDED and tones >= CLEAR_TONES
    )


def _more_edges(
    a: NDArray[np.float32], b: NDArray[np.float32], differs: NDArray[np.uint8]
) -> float:
    """Return the excess of edges of `a` over `b` around where they differ, -1 to 1."""
    import cv2

    around = np.asarray(cv2.dilate(differs, np.ones((5, 5), np.uint8))) > 0
    edges = [float(np.hypot(*np.gradient(side))[around].mean()) for side in (a, b)]
    return (edges[0] - edges[1]) / max(1e-6, sum(edges))


def _in_two_tones(levels: NDArray[np.float32]) -> float:
    """Return the share of grey levels that are near one of the two commonest."""
    counts = np.histogram(levels, bins=16, range=(0, 256))[0].astype(np.float64)
    windows = counts[:-1] + counts[1:]
    first = int(windows.argmax())
    rest = windows.copy()
    rest[max(0, first - 1) : first + 2] = 0
    return float((windows[first] + rest.max()) / max(1.0, counts.sum()))


def _aligned(
    first: NDArray[np.uint8], second: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]] | None:
    """Return both in grey, one size and light, and their difference; None if framed otherwise."""
    aspects = [side.shape[1] / side.shape[0] for side in (first, second)]
    if max(aspects) > _ASPECT * min(aspects):
        return None
    scale = min(1.0, SIDE / max(first.shape[:2]), SIDE / max(second.shape[:2]))
    size = (max(16, round(first.shape[1] * scale)), max(16, round(first.shape[0] * scale)))
    a, b = (
        np.asarray(
            Image.fromarray(side).convert("L").resize(size, Image.Resampling.BOX), dtype=np.float32
        )
        for side in (first, second)
    )
    keep = np.ones(a.shape, dtype=bool)
    lit, difference = a, np.abs(a - b)
    for _ in range(3):  # again without what differs
        spread = float(a[keep].var())
        cross = float(((a[keep] - a[keep].mean()) * (b[keep] - b[keep].mean())).mean())
        gain = float(np.clip(cross / (spread + 1), 0.5, 2.0))
        lit = gain * a + float(b[keep].mean() - gain * a[keep].mean())
        difference = np.abs(lit - b)
        keep = difference <= max(10.0, float(np.quantile(difference, 0.8)))
    return lit, b, difference
