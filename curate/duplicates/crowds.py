"""The copies in crowds that were made from another member, as the other members tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from curate.duplicates import consensus, extent, rounding

if TYPE_CHECKING:
    from curate.duplicates.copies import CopyFacts

    Pair = tuple[str, str]
    Compare = Callable[[Sequence[Pair]], Mapping[Pair, float]]

ROUNDS = 3
"""Times that the members which were not among the candidates before get their turn."""


def with_sources(
    facts: Mapping[str, CopyFacts],
    rank: Callable[[Mapping[str, CopyFacts]], Sequence[str]],
    clusters: Mapping[str, str],
    *,
    distances: Compare,
    extents: Compare,
    roundings: Compare,
) -> dict[str, CopyFacts]:
    """Mark the members that were made from the one to which the others of their crowd are nearest.

    Not what shows more of the scene or finer details than that one, nor what alone names a camera:
    a copy gains none of these. Nor what still has what saving rounded away from that one: that one
    was made from it, whatever the others say.

    Parameters
    ----------
    facts : Mapping
        sha256 -> what is known of members.
    rank : callable
        Facts -> sha256, the best by everything else first.
    clusters : Mapping
        sha256 -> cluster.
    distances, extents, roundings : callable
        Pairs of sha256, the smaller first -> answers of `curate.duplicates.consensus.distance`,
        `curate.duplicates.extent.compare_extent` and `curate.duplicates.rounding.compare_rounding`,
        of those that are comparable.
    """
    known = dict(facts)
    firsts: set[str] = set()
    for _ in range(ROUNDS):
        crowds = _crowds(rank(known), known, clusters)
        near = distances(sorted({pair for crowd in crowds for pair in _pairs(*crowd)}))
        sources: dict[str, str] = {}
        for candidates, voters in crowds:
            found = consensus.source_of_crowd(candidates, voters, near)
            if found is None:
                continue
            source, others = found
            sources |= dict.fromkeys(others, source)
        shown = extents(sorted({_pair(*each) for each in sources.items()}))
        made = {
            name: source
            for name, source in sources.items()
            if name not in firsts and _may_be_made(name, source, shown, known)
        }
        for name, source in _rounded(made, known, roundings):
            del made[name]
            firsts.add(name)
            if _may_be_made(source, name, shown, known):
                made.setdefault(source, name)
        if not made:
            break
        for name, source in made.items():
            known[name] = replace(known[name], derived=True, made_from=source)
    return known


def _may_be_made(
    name: str, source: str, shown: Mapping[Pair, float], known: Mapping[str, CopyFacts]
) -> bool:
    more = shown.get(_pair(name, source))
    if more is None or (known[name].camera and not known[source].camera):
        return False
    return not int(more) & (extent.FIRST if name < source else extent.SECOND)


def _rounded(
    made: Mapping[str, str], known: Mapping[str, CopyFacts], roundings: Compare
) -> list[Pair]:
    """Return members, the best first, and the sources that were made from those."""
    finer = [
        each
        for each in made.items()
        if known[each[0]].quality - known[each[1]].quality >= rounding.LESS
    ]
    answers = roundings(sorted({_pair(*each) for each in finer}))
    return [
        (name, source)
        for name, source in finer
        if answers.get(_pair(name, source), 0.0) * (1 if name < source else -1) > 0
    ]


def _crowds(
    ranked: Sequence[str], facts: Mapping[str, CopyFacts], clusters: Mapping[str, str]
) -> list[tuple[list[str], list[str]]]:
    """Return candidates and voters of each cluster that has enough of them."""
    members: dict[str, list[str]] = {}
    for name in ranked:
        members.setdefault(clusters[name], []).append(name)
    crowds = []
    for names in members.values():
        voters = names[: consensus.VOTERS]
        candidates = [name for name in voters if not (facts[name].derived or facts[name].framed)]
        if len(voters) >= consensus.MIN_VOTES + 2 and len(candidates) > 1:
            crowds.append((candidates[: consensus.CANDIDATES], voters))
    return crowds


def _pairs(candidates: Sequence[str], voters: Sequence[str]) -> set[Pair]:
    others = [name for name in voters if name not in candidates]
    within = {_pair(one, other) for one, other in combinations(candidates, 2)}
    return within | {_pair(one, other) for one in candidates for other in others}


def _pair(one: str, other: str) -> Pair:
    return min(one, other), max(one, other)
