"""Clusters of duplicates: of confirmed pairs, and of what people merged and split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING

from scipy.cluster.hierarchy import DisjointSet

from curate.verdicts.better_copy import GREY, GREY_SHARE

if TYPE_CHECKING:
    from curate.duplicates.pairs import DuplicatePair
    from curate.verdicts.screen import Facts


def clusters_of(
    pairs: Iterable[DuplicatePair],
    placed: Mapping[str, str] | None = None,
    *,
    colours: Mapping[str, float] | None = None,
    eligible: Container[str] | None = None,
) -> dict[str, str]:
    """Return sha256 -> name of its cluster, for all pictures that are in one.

    Parameters
    ----------
    pairs : iterable of DuplicatePair
        Confirmed.
    placed : Mapping, optional
        sha256 -> cluster that a person put it into. No pair joins two of them, also not by way of
        other pictures: the most alike are joined first.
    colours : Mapping, optional
        sha256 -> colourfulness of all of them. A grey copy is near a photo and near its recoloured
        copy, too: it joins the more alike of both, and never the two with one another.
    eligible : Container of str, optional
        Pictures that may be kept, by default all: a grey copy joins another than these only where
        it joins none of them.
    """
    placed = placed or {}
    sets = DisjointSet(sorted(placed))
    first: dict[str, str] = {}
    for sha256 in sorted(placed):
        sets.merge(first.setdefault(placed[sha256], sha256), sha256)
    made = {sets[sha256]: placed[sha256] for sha256 in first.values()}
    coloured: set[str] = set()
    touched: set[str] = set()

    def join(pair: DuplicatePair) -> None:
        roots = {sets[pair.first], sets[pair.second]}
        names = {made[root] for root in roots & made.keys()}
        if len(roots) > 1 and (len(names) > 1 or roots <= coloured):
            return
        sets.merge(pair.first, pair.second)
        touched.update((pair.first, pair.second))
        if names:
            made[sets[pair.first]] = names.pop()
        if roots & coloured:
            coloured.add(sets[pair.first])

    seeing, blind = _by_colour(pairs, colours or {})
    for pair in (*seeing, *blind):
        sets.add(pair.first)
        sets.add(pair.second)
    for pair in sorted(seeing, key=lambda each: (each.kind != "exact", each.distance)):
        join(pair)
    if blind:
        known = colours or {}
        coloured |= {sets[sha256] for sha256 in sets if known.get(sha256, 0.0) >= GREY}

    def order(pair: DuplicatePair) -> tuple[bool, int, str, str]:
        ends = (pair.first, pair.second)
        out = eligible is not None and not all(sha256 in eligible for sha256 in ends)
        return out, pair.distance, *ends

    for pair in sorted(blind, key=order):
        join(pair)
    sizes = Counter(placed.values())
    return {
        sha256: min(subset)[:16]
        for subset in sets.subsets()
        for sha256 in sorted(subset)
        if sha256 in touched or sizes[placed.get(sha256, "")] > 1
    }


def _by_colour(
    pairs: Iterable[DuplicatePair], colours: Mapping[str, float]
) -> tuple[list[DuplicatePair], list[DuplicatePair]]:
    """Return the pairs, and apart those of a picture with colour and one that may be grey."""
    seeing: list[DuplicatePair] = []
    blind: list[DuplicatePair] = []
    for pair in pairs:
        low, high = sorted(colours.get(sha256, 0.0) for sha256 in (pair.first, pair.second))
        grey = high >= GREY and low < min(GREY, GREY_SHARE * high)
        (blind if grey and pair.kind not in ("exact", "person") else seeing).append(pair)
    return seeing, blind


def merged_pairs(pictures: Iterable[Facts]) -> list[DuplicatePair]:
    """Return each cluster that a person merged as a chain of pairs."""
    from curate.duplicates.pairs import DuplicatePair

    last: dict[str, str] = {}
    pairs = []
    merged = (each for each in pictures if each.merged and each.placed is not None)
    for facts in sorted(merged, key=lambda each: each.sha256):
        cluster = str(facts.placed)
        if cluster in last:
            pairs.append(DuplicatePair(last[cluster], facts.sha256, "person", 0))
        last[cluster] = facts.sha256
    return pairs
