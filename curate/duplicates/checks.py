"""Comparing the pixels of pairs of pictures in worker processes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import UnreadableImageError

if TYPE_CHECKING:
    from curate.duplicates.pairs import Kind
    from curate.duplicates.pixels import ComparisonView

VERSION = "overlap-3"
"""Of the comparison in `curate.duplicates.pixels`; results of another version are not used."""

LIMIT_S = 120.0
"""Seconds one pair may take."""

_CACHE = 256


def compare_pairs(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare the pictures of each pair, upright and mirrored; a shard function.

    Parameters
    ----------
    items : list of dict
        ``key`` and the paths ``first`` and ``second``.

    Returns
    -------
    list of dict
        ``key``, ``mirrored``, ``overlap``, ``covered``, ``outliers``, ``correlation`` of
        `curate.duplicates.pixels.Overlap`, or ``error``.
    """
    import cv2

    from curate.duplicates.pixels import MIN_RESEMBLANCE, compare, resemblance, says_same

    cv2.setNumThreads(1)
    rows: list[dict[str, Any]] = []
    for item in items:
        try:
            first = _view(item["first"], False)
            found = compare(first, _view(item["second"], False))
            if not says_same(found):
                second = _view(item["second"], True)
                if resemblance(first, second) >= MIN_RESEMBLANCE:
                    mirrored = compare(first, second, mirrored=True)
                    found = mirrored if says_same(mirrored) else found
        except (UnreadableImageError, OSError) as error:
            rows.append({"key": item["key"], "error": str(error)})
            continue
        rows.append(
            {
                "key": item["key"],
                "mirrored": found.mirrored,
                "overlap": found.overlap,
                "covered": found.covered,
                "outliers": found.outliers,
                "correlation": found.correlation,
            }
        )
    return rows


@lru_cache(maxsize=_CACHE)
def _view(path: str, mirrored: bool) -> ComparisonView:
    from curate.duplicates.pixels import view

    return view(Path(path).read_bytes(), mirrored=mirrored)


def kind_of_row(row: Mapping[str, Any]) -> Kind | None:
    """Say what a row of `compare_pairs` means; None for different or unreadable pictures."""
    from curate.duplicates.pixels import Overlap, kind_of

    if row.get("error"):
        return None
    return kind_of(
        Overlap(
            mirrored=bool(row["mirrored"]),
            overlap=row["overlap"],
            covered=row["covered"],
            outliers=row["outliers"],
            correlation=row["correlation"],
        )
    )
