"""The copies that were made from another member, as a crowd's members or what they show tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from curate.duplicates import consensus, descent, extent, rounding
from curate.duplicates.copies import NO_BARS

if TYPE_CHECKING:
    from curate.duplicates.copies import CopyFacts

    Pair = tuple[str, str]
    Compare = Callable[[Sequence[Pair]], Mapping[Pair, float]]

FINALISTS = 5
"""Members of a cluster, the best by everything else, that are compared with the best one."""

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
    descents: Compare,
) -> dict[str, CopyFacts]:
    """Mark the members that were made from the one to which the others of their crowd are nearest.

    Not what shows more of the scene or finer details than that one, nor what alone names a camera:
    a copy gains none of these. Nor what still has what saving rounded away from that one, or what
    that one comes out of when it is saved again: that one was made from it, whatever the others
    say.

    Parameters
    ----------
    facts : Mapping
        sha256 -> what is known of members.
    rank : callable
        Facts -> sha256, the best by everything else first.
    clusters : Mapping
        sha256 -> cluster.
    distances, extents, roundings, descents : callable
        Pairs of sha256, the smaller first -> answers of `curate.duplicates.consensus.distance`,
        `curate.duplicates.extent.compare_extent`, `curate.duplicates.rounding.compare_rounding`
        and `curate.duplicates.descent.descent`, of those that are comparable.
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
        for name, source in {**_rounded(made, known, roundings), **_saved(made, descents)}.items():
            del made[name]
            firsts.add(name)
            if _may_be_made(source, name, shown, known):
                made.setdefault(source, name)
        if not made:
            break
        for name, source in made.items():
            known[name] = replace(known[name], derived=True, made_from=source)
    return known


def with_wholes(
    facts: Mapping[str, CopyFacts],
    rank: Callable[[Mapping[str, CopyFacts]], Sequence[str]],
    clusters: Mapping[str, str],
    crops: Iterable[Pair],
    *,
    extents: Compare,
) -> dict[str, CopyFacts]:
    """Mark what was cut out of another member, though it may have been enlarged since.

    What shows less of the scene than a member without bars, and no finer details, was made of it.

    Parameters
    ----------
    facts : Mapping
        sha256 -> what is known of members.
    rank : callable
        Facts -> sha256, the best by everything else first.
    clusters : Mapping
        sha256 -> cluster.
    crops : iterable of tuple of (str, str)
        Pairs of which one shows more than the other.
    extents : callable
        As for `with_sources`.
    """
    known = dict(facts)
    crops = set(crops)
    for _ in range(ROUNDS):
        finalists: dict[str, list[str]] = {}
        for name in rank(known):
            members = finalists.setdefault(clusters[name], [])
            if len(members) < FINALISTS:
                members.append(name)
        wholes = {
            (best, other)
            for best, *others in finalists.values()
            for other in others
            if _pair(best, other) in crops
            and not known[best].derived
            and not known[other].framed
            and known[other].content >= NO_BARS
        }
        shown = extents(sorted({_pair(*each) for each in wholes}))
        made = {
            best: other
            for best, other in sorted(wholes)
            if int(shown.get(_pair(best, other)) or 0)
            == (extent.FIRST if other < best else extent.SECOND)
        }
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
) -> dict[str, str]:
    """Return members, the best first, and the sources that were rounded when made from those."""
    finer = [
        each
        for each in made.items()
        if known[each[0]].quality - known[each[1]].quality >= rounding.LESS
    ]
    answers = roundings(sorted({_pair(*each) for each in finer}))
    return {
        name: source
        for name, source in finer
        if answers.get(_pair(name, source), 0.0) * (1 if name < source else -1) > 0
    }


def _saved(made: Mapping[str, str], descents: Compare) -> dict[str, str]:
    """Return members, the best first, and the sources that are those, saved again."""
    scores = descents(sorted({_pair(*each) for each in made.items()}))
    return {
        name: source
        for name, source in made.items()
        if scores.get(_pair(name, source), 0.0) * (1 if name < source else -1) >= descent.CERTAIN
    }


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
