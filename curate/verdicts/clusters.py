"""Clusters of duplicates: of confirmed pairs, and of what people merged and split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
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
    """
    sets = DisjointSet()
    if colours is not None:
        pairs = _without_grey_bridges(pairs, colours)
    if not placed:
        return _named(sets, pairs)
    first: dict[str, str] = {}
    for sha256 in sorted(placed):
        sets.add(sha256)
        sets.merge(first.setdefault(placed[sha256], sha256), sha256)
    made = {sets[sha256]: placed[sha256] for sha256 in first.values()}
    joined = []
    for pair in sorted(pairs, key=lambda each: (each.kind != "exact", each.distance)):
        sets.add(pair.first)
        sets.add(pair.second)
        names = {made[root] for root in (sets[pair.first], sets[pair.second]) if root in made}
        if len(names) < 2:
            sets.merge(pair.first, pair.second)
            if names:
                made[sets[pair.first]] = names.pop()
            joined.append(pair)
    sizes = Counter(placed.values())
    touched = {sha256 for pair in joined for sha256 in (pair.first, pair.second)}
    return {
        sha256: name
        for sha256, name in _named(sets, joined).items()
        if sha256 in touched or sizes[placed.get(sha256, "")] > 1
    }


def _without_grey_bridges(
    pairs: Iterable[DuplicatePair], colours: Mapping[str, float]
) -> list[DuplicatePair]:
    """Leave out pairs of a grey and a coloured picture that connect two clusters with colour."""
    kept: list[DuplicatePair] = []
    blind: list[DuplicatePair] = []
    for pair in pairs:
        low, high = sorted((colours[pair.first], colours[pair.second]))
        grey = pair.kind not in ("exact", "person") and low < min(GREY, GREY_SHARE * high)
        (blind if grey else kept).append(pair)
    if not blind:
        return kept
    grey_ones = {min(pair.first, pair.second, key=colours.__getitem__) for pair in blind}
    sets = DisjointSet(
        sorted({sha256 for pair in (*kept, *blind) for sha256 in (pair.first, pair.second)})
    )
    for pair in kept:
        sets.merge(pair.first, pair.second)
    coloured = {sets[sha256] for sha256 in sets if sha256 not in grey_ones}
    for pair in sorted(blind, key=lambda each: (each.distance, each.first, each.second)):
        roots = {sets[pair.first], sets[pair.second]}
        if len(roots & coloured) < 2:
            sets.merge(pair.first, pair.second)
            if roots & coloured:
                coloured.add(sets[pair.first])
            kept.append(pair)
        elif len(roots) == 1:
            kept.append(pair)
    return kept


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


def _named(sets: DisjointSet, pairs: Iterable[DuplicatePair]) -> dict[str, str]:
    """Merge pairs into sets and name each set by its smallest sha256; keys are left out."""
    for pair in pairs:
        sets.add(pair.first)
        sets.add(pair.second)
        sets.merge(pair.first, pair.second)
    named: dict[str, str] = {}
    for subset in sets.subsets():
        named |= dict.fromkeys(sorted(subset), min(subset)[:16])
    return named
