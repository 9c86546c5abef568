"""Comparing the pixels of pairs of pictures in worker processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bodyshop_core.engine.task import Item, Row, answer_each
from curate.duplicates.pixels import OverlapLimits

if TYPE_CHECKING:
    from bodyshop_core.catalog import BlobRef
    from curate.duplicates.candidates import Kind
    from curate.duplicates.pixels import RGB, ComparisonView, Overlap

VERSION = "overlap-9"
"""Of the comparison in `curate.duplicates.pixels`; results of another version are not used."""

MIN_COVERED, MIN_CORRELATION = 0.9, 0.9
"""Of an overlap that may be a copy with text across it."""

CLOSE_CORRELATION, CLOSE_OUTLIERS = 0.95, 0.25
"""Of a comparison that is tried the other way round, too: which picture is laid on the other
depends on their names, and of 14 photos two were found in one direction only."""

SURER = OverlapLimits(max_outliers=0.08, max_outliers_moved=0.04)
"""What the other direction must keep to: a second try is a second chance for different pictures."""

MIN_SHOWN = 0.7
"""Share of a picture that another one must show inside of something else, as a screenshot does."""

SURELY_SHOWN = 0.9
"""The same where one is a part of the other anyway: a photo before a plain wall is no screenshot of
its own crop."""

WHOLE = 0.97
"""Share of the larger picture from which nothing is around the other one."""

MIN_BOTH = 0.15
"""Share of each of two pictures that what both show inside must fill: an app's logo, or a window of
the car, makes them no copies."""

LIMIT_S = 120.0
"""Seconds one pair may take."""

_CACHE = 256


def compare_pairs(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare the pictures of each pair, upright and mirrored; a shard function.

    Parameters
    ----------
    items : list of dict
        ``key``, ``first`` and ``second`` (each a `BlobRef`); ``showing``: which of the two show a
        picture inside of them as was measured, ``"first"`` and ``"second"``; both are searched
        for one without it.

    Returns
    -------
    list of dict
        ``key``, ``mirrored``, ``overlap``, ``covered``, ``outliers``, ``correlation`` of
        `curate.duplicates.pixels.Overlap`, ``added`` (1 for text across one of them, else None),
        ``framed`` (1 when the first shows the second inside of something else, as a screenshot
        does, 2 the other way round, 3 when both show the same, else None), or ``error``.
    """
    import cv2

    from curate.duplicates.pixels import (
        MIN_RESEMBLANCE,
        NEAR_COVERED,
        compare,
        resemblance,
        says_same,
        was_recoloured,
    )

    cv2.setNumThreads(1)

    def compared(item: Item) -> Row:
        first, upright = (_view(item[name]) for name in ("first", "second"))
        found = compare(first, upright)
        if not says_same(found) and _is_close(found):
            back = compare(upright, first)  # smoothed and relit the other way round
            found = back if says_same(back, limits=SURER) else found
        if not says_same(found):
            second = _mirrored_view(item["second"])
            if resemblance(first, second) >= MIN_RESEMBLANCE:
                mirrored = compare(first, second, mirrored=True)
                found = mirrored if says_same(mirrored) or was_recoloured(mirrored) else found
        same, recoloured = says_same(found), was_recoloured(found)
        written = not same and not recoloured and _written_over(item, found)
        framed = None
        # A part with next to no colour does not make a recoloured picture the same again.
        if same and not found.mirrored and NEAR_COVERED <= found.covered < WHOLE:
            framed = _framed_by_edges(item["first"], item["second"])
        elif not written and not recoloured and (not same or found.covered < NEAR_COVERED):
            least = SURELY_SHOWN if same else MIN_SHOWN
            shown = _shown_inside(item, least)
            if shown is not None:
                found, framed = found if same else shown[0], shown[1]
            elif same and not found.mirrored:
                framed = _framed_by_edges(item["first"], item["second"])
        return {
            "mirrored": found.mirrored,
            "overlap": found.overlap,
            "covered": found.covered,
            "outliers": found.outliers,
            "correlation": found.correlation,
            "added": 1.0 if written else None,
            "framed": framed,
        }

    return answer_each(items, compared)


def _written_over(item: dict[str, Any], found: Overlap) -> bool:
    """Look closer at pictures that lie on one another and agree in most places."""
    from bodyshop_core.imaging import load_rgb
    from curate.duplicates.overlays import SIDE, is_written_over

    if found.mirrored or found.covered < MIN_COVERED or found.correlation < MIN_CORRELATION:
        return False  # nor what was recoloured: its correlation is 0
    pair = [load_rgb(item[name].read(), at_least=SIDE) for name in ("first", "second")]
    return is_written_over(*pair) and not _recoloured_between_letters(*pair)


def _recoloured_between_letters(first: RGB, second: RGB) -> bool:
    """Whether two pictures that lie on one another have other hues where their luma agrees."""
    import cv2
    import numpy as np

    from curate.duplicates.lighting import LUMA, Relit, hues_turned

    a, b = (
        np.asarray(cv2.resize(side, (96, 96), interpolation=cv2.INTER_AREA), dtype=np.float32)
        for side in (first, second)
    )
    a, b = a.reshape(-1, 3), b.reshape(-1, 3)
    apart = np.abs(a @ LUMA - b @ LUMA)
    return hues_turned(Relit(a, b, apart, True, (a, b)), apart <= np.quantile(apart, 0.7))


def _is_close(found: Overlap) -> bool:
    return found.correlation >= CLOSE_CORRELATION and found.outliers <= CLOSE_OUTLIERS


def _shown_inside(item: Item, least: float) -> tuple[Overlap, int] | None:
    """Compare what one picture shows inside with the other, or with what that shows."""
    from curate.duplicates.pixels import MIN_RESEMBLANCE, compare, resemblance, says_same

    names = ("first", "second")
    inner = [_inner_views(item[n]) if n in item.get("showing", names) else [] for n in names]
    sides = [[(_view(item[name]), 1.0), *inside] for name, inside in zip(names, inner, strict=True)]
    for i, (a, share_a) in enumerate(sides[0]):
        for j, (b, share_b) in enumerate(sides[1]):
            if (not i and not j) or (i and j and min(share_a, share_b) < MIN_BOTH):
                continue
            if resemblance(a, b) < MIN_RESEMBLANCE:
                continue
            found = compare(a, b)
            whole = found.covered >= least
            found = replace(found, covered=found.covered * min(share_a, share_b))
            if whole and says_same(found):
                return found, (1 if i else 0) + (2 if j else 0)
    return None


def _framed_by_edges(first: BlobRef, second: BlobRef) -> int | None:
    from curate.duplicates.borders import is_framed_in

    a, b = _view(first), _view(second)
    if is_framed_in(a, b):
        return 1
    return 2 if is_framed_in(b, a) else None


@lru_cache(maxsize=_CACHE)
def _inner_views(blob: BlobRef) -> list[tuple[ComparisonView, float]]:
    from curate.duplicates.pixels import view_of
    from curate.measure.inner import inner_pictures
    from curate.measure.picture import at_working_size, decode_again

    rgb = at_working_size(decode_again(blob.read()))
    return [(view_of(inner), share) for inner, share in inner_pictures(rgb)]


@lru_cache(maxsize=_CACHE)
def _view(blob: BlobRef) -> ComparisonView:
    from curate.duplicates.pixels import view

    return view(blob.read())


@lru_cache(maxsize=_CACHE)
def _mirrored_view(blob: BlobRef) -> ComparisonView:
    return _view(blob).mirrored()


def kind_of_row(row: Mapping[str, Any]) -> Kind | None:
    """Say what a row of `compare_pairs` means; None for different or unreadable pictures."""
    from curate.duplicates.pixels import Overlap, kind_of

    if row.get("error"):
        return None
    if row.get("added"):
        return "near"
    return kind_of(
        Overlap(
            mirrored=bool(row["mirrored"]),
            overlap=row["overlap"],
            covered=row["covered"],
            outliers=row["outliers"],
            correlation=row["correlation"],
        )
    )
