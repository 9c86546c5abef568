"""Which copy of a picture is the better one.

In this order: kept by a person, labelled (by people before queries), in colour, no screenshot of
another, more of the picture inside of bars, not made from another one (as saving it again or a
crowd's vote tells), fewer bars, the larger of about equal ones, no light clipped that another
shows, no text over it, less compressed, not saved again with a higher quality or without loss,
with a camera's name, more bytes, sharper, the smaller sha256. What was enlarged counts as little
smaller than the copy it was made of. The same copy wins whatever the order of arrival.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import inf, log
from typing import TYPE_CHECKING, Any

from bodyshop_core.catalog import Origin
from curate.duplicates.copies import NO_BARS, UNCOMPRESSED
from curate.duplicates.traces import explains

if TYPE_CHECKING:
    from curate.verdicts.screen import Facts

GREY = 4.0
"""Colourfulness below which a picture may be grey: 0 without any, 10 and more for photos."""

GREY_SHARE = 0.5
"""Share of the most colourful copy's colourfulness below which it is: a photo of a silver car has
3.8, its brighter copy 4.5, its grey copy 0."""

AREA_STEP = 1.06
"""Content areas that differ by less than this factor count as equal: where a bar ends is known to a
few pixels only."""

QUALITY_STEP = 6
"""Estimated JPEG qualities that differ by less count as equal."""

RESAVED = 2
"""By how much the file's own quality must exceed the lowest one it was saved with."""

CLIPPED_STEP = 0.014
"""Share of a picture by which more of it must be at the brightest level than of another copy: of 14
photos brightened by 30 % at least 0.018 more are, of those saved or resized at most 0.013."""

ENLARGED = 1.05
"""Factor of area from which a copy may be an enlarged one."""

_ORIGINS = {origin: place for place, origin in enumerate(Origin)}


def preferences(
    members: Iterable[Facts], clusters: Mapping[str, str]
) -> dict[str, tuple[Any, ...]]:
    """Return sha256 -> a sort key that puts the best member of each cluster first.

    Parameters
    ----------
    members : iterable of Facts
        Of all clusters.
    clusters : Mapping
        sha256 -> cluster. Areas, qualities, colours and clipped light are compared with the
        best of the same cluster.
    """
    members = list(members)
    areas = _true_areas(members, clusters)
    largest: dict[str, float] = {}
    colours: dict[str, float] = {}
    best: dict[str, float] = {}
    clipped: dict[str, float] = {}
    barest: dict[str, float] = {}
    for facts in members:
        cluster = clusters[facts.sha256]
        barest[cluster] = max(barest.get(cluster, 0.0), facts.content)
        largest[cluster] = max(largest.get(cluster, 0.0), areas[facts.sha256])
        colours[cluster] = max(colours.get(cluster, 0.0), facts.measure("colourfulness"))
        best[cluster] = max(best.get(cluster, -inf), _quality(facts))
        clipped[cluster] = min(clipped.get(cluster, inf), facts.clipped)
    keys = {}
    for facts in members:
        cluster = clusters[facts.sha256]
        area = areas[facts.sha256]
        enlarged = area < _area(facts)
        quality = _quality(facts)
        keys[facts.sha256] = (
            facts.decision != "keep",
            facts.value is None,
            _ORIGINS.get(facts.label.origin, len(_ORIGINS)) if facts.label is not None else 9,
            facts.measured is not None
            and facts.measure("colourfulness", inf) < min(GREY, GREY_SHARE * colours[cluster]),
            facts.framed,
            int(log(largest[cluster] / area) / log(AREA_STEP)) if area > 0 else 99,
            facts.derived,
            facts.content < NO_BARS,
            int(log(barest[cluster] / facts.content) / log(AREA_STEP)) if facts.content > 0 else 99,
            -area if enlarged else -facts.measure("width") * facts.measure("height"),
            facts.clipped >= clipped[cluster] + CLIPPED_STEP,
            facts.overlaid,
            int((best[cluster] - quality) / QUALITY_STEP),
            facts.measure("jpeg_quality", UNCOMPRESSED) - quality >= RESAVED,
            facts.measured is not None
            and facts.measured.get("jpeg_quality") is None
            and quality < UNCOMPRESSED,
            not facts.camera,
            -facts.size_bytes,
            -round(facts.measure("sharpness"), 1),
            facts.sha256,
        )
    return keys


def _true_areas(members: Iterable[Facts], clusters: Mapping[str, str]) -> dict[str, float]:
    """Return sha256 -> area of content; of an enlarged copy, a little less than of its source.

    What was made from another of the same size shows no more than those that were not.
    """
    areas = {facts.sha256: _area(facts) for facts in members}
    # Of each cluster and width the areas, as they are and as they count.
    sources: dict[str, dict[float, list[tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for facts in members:
        if facts.resampled is None and facts.measured is not None:
            area = areas[facts.sha256]
            sources[clusters[facts.sha256]][facts.measure("width")].append((area, area))
    for widths in sources.values():
        for each in widths.values():
            each.sort()
    for facts in sorted(members, key=lambda one: (one.measure("width"), one.sha256)):
        if facts.resampled is None:
            continue
        width, area = facts.measure("width"), areas[facts.sha256]
        smaller = []  # of each width the largest that is: a crowd has many members of one width
        for own, known in sources[clusters[facts.sha256]].items():
            below = bisect_left(known, True, key=lambda each: each[0] * ENLARGED >= area)
            if below and own != width:
                smaller.append((*known[below - 1], own))
        for _, counted, own in sorted(smaller, reverse=True):
            if explains(facts.resampled, own / width):
                areas[facts.sha256] = 0.99 * counted
                break
        # A copy may have been enlarged of one that looks enlarged itself.
        insort(sources[clusters[facts.sha256]][width], (area, areas[facts.sha256]))
    shown: dict[tuple[str, float, float], float] = {}
    for facts in members:
        if not facts.derived:
            key = clusters[facts.sha256], *_sides(facts)
            shown[key] = max(shown.get(key, 0.0), areas[facts.sha256])
    for facts in _sources_first(members):
        key, area = (clusters[facts.sha256], *_sides(facts)), areas[facts.sha256]
        most = areas.get(facts.made_from) if facts.made_from else shown.get(key)
        areas[facts.sha256] = area if most is None else min(area, most)
    return areas


def _sources_first(members: Iterable[Facts]) -> list[Facts]:
    """Return the derived members, each behind the one that it was made from."""
    derived = {facts.sha256: facts for facts in members if facts.derived}
    ordered: dict[str, Facts] = {}
    for facts in derived.values():
        chain: dict[str, Facts] = {}
        one: Facts | None = facts
        while one is not None and one.sha256 not in chain:
            chain[one.sha256] = one
            one = derived.get(one.made_from or "")
        for sha256 in reversed(chain):
            ordered.setdefault(sha256, chain[sha256])
    return list(ordered.values())


def _sides(facts: Facts) -> tuple[float, float]:
    sides = facts.measure("width"), facts.measure("height")
    return min(sides), max(sides)


def _quality(facts: Facts) -> float:
    """Return the lowest quality it was saved with: as the file says, or as the pixels show."""
    return min(facts.copy_quality, facts.measure("jpeg_quality", 100))


def _area(facts: Facts) -> float:
    return facts.measure("width") * facts.measure("height") * facts.content
