"""The copies in crowds that were made from another member, as the other members tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from curate.duplicates import consensus, extent

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
) -> dict[str, CopyFacts]:
    """Mark the members that were made from the one to which the others of their crowd are nearest.

    Not what shows more of the scene or finer details than that one, nor what alone names a camera:
    a copy gains none of these.

    Parameters
    ----------
    facts : Mapping
        sha256 -> what is known of members.
    rank : callable
        Facts -> sha256, the best by everything else first.
    clusters : Mapping
        sha256 -> cluster.
    distances, extents : callable
        Pairs of sha256, the smaller first -> answers of `curate.duplicates.consensus.distance` and
        `curate.duplicates.extent.compare_extent`, of those that are comparable.
    """
    known = dict(facts)
    for _ in range(ROUNDS):
        crowds = _crowds(rank(known), known, clusters)
        near = distances(sorted({pair for crowd in crowds for pair in _pairs(*crowd)}))
        sources: dict[str, str] = {}
        for candidates, voters in crowds:
            found = consensus.source_of_crowd(candidates, voters, near)
            if found is None:
                continue
            source, others = found
            for name in others:
                if known[source].camera or not known[name].camera:
                    sources[name] = source
        shown = extents(sorted({_pair(*each) for each in sources.items()}))
        made = {
            name: source
            for name, source in sources.items()
            if (more := shown.get(_pair(name, source))) is not None
            and not int(more) & (extent.FIRST if name < source else extent.SECOND)
        }
        if not made:
            break
        for name, source in made.items():
            known[name] = replace(known[name], derived=True, made_from=source)
    return known


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
