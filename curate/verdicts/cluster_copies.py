"""The members of duplicate clusters in a workspace: measured as copies, compared with the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bodyshop_core.progress import SILENT, Progress
from curate.duplicates.copies import CopyFacts
from curate.duplicates.copy_stage import measure_cluster_copies
from curate.duplicates.pairs import DuplicatePair
from curate.duplicates.stage import pixel_check
from curate.verdicts.better_copy import GREY, preferences
from curate.verdicts.clusters import clusters_of, merged_pairs
from curate.verdicts.decide import eligible
from curate.verdicts.fact_table import FactTable
from curate.verdicts.screen import Facts, Findings

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from curate.duplicates import FoundPairs


def with_copies(
    workspace: Workspace, facts: FactTable, found: FoundPairs, progress: Progress = SILENT
) -> FactTable:
    """Add what is measured of the members of clusters only, to choose the better copy."""

    def rank(copies: Mapping[str, CopyFacts], clusters: Mapping[str, str]) -> Mapping[str, Any]:
        known = facts.with_copies(copies)
        return preferences((known.of(sha256) for sha256 in copies), clusters)

    pairs = (*found.pairs, *merged_pairs(facts))
    clusters = clusters_of(pairs, colours=_colours(facts, pairs))
    copies = measure_cluster_copies(workspace, pairs, clusters, rank, progress=progress)
    return facts.with_copies(copies)


def compare_with_the_best(
    workspace: Workspace,
    facts: FactTable,
    found: FoundPairs,
    progress: Progress = SILENT,
    *,
    findings: Mapping[str, Findings] | None = None,
) -> FoundPairs:
    """Compare each member of a cluster with its best copy, where the search had no reason to.

    A crop of one photo in a crowd of copies is found beside one of the crowd; it is rejected only
    as a duplicate of the one that is kept. So the best copy is the best one that may be kept: a
    blurred or rejected one only where `findings`, from `screen`, leave no other. Clusters are those
    that verdicts are made with: what a person took apart is in two. Where a grey copy was refused,
    the coloured ones on its two sides are compared: they may be copies of each other, although the
    search did not pair them.
    """
    placed = {facts.names[place]: cluster for place, (cluster, _) in facts.clustered.items()}
    colours = _colours(facts, found.pairs)
    paired = {sha256 for pair in found.pairs for sha256 in (pair.first, pair.second)}
    everyone = {sha256: facts.of(sha256) for sha256 in paired & facts.positions.keys()}
    may_stay = {one.sha256: one for one in eligible(everyone.values(), findings or {})}
    clusters = clusters_of(found.pairs, placed, colours=colours, eligible=may_stay)
    clusters |= {sha256: sha256 for sha256 in paired - clusters.keys()}
    best: dict[str, str] = {}
    coloured: dict[str, str] = {}
    rest = {sha256: one for sha256, one in everyone.items() if sha256 not in may_stay}
    for members in (may_stay, rest):
        keys = preferences(members.values(), clusters)
        for sha256 in sorted(members, key=keys.__getitem__):
            best.setdefault(clusters[sha256], sha256)
            if colours[sha256] >= GREY:
                coloured.setdefault(clusters[sha256], sha256)
    known = {(pair.first, pair.second) for pair in found.pairs}
    wanted = {_ordered(sha256, best[clusters[sha256]]) for sha256 in everyone}
    for pair in found.pairs:
        sides = {clusters[sha256] for sha256 in (pair.first, pair.second)}
        if len(sides & coloured.keys()) > 1:  # only a grey copy connects them
            wanted.add(_ordered(*(coloured[cluster] for cluster in sides)))
    asked = sorted(pair for pair in wanted - known if pair[0] != pair[1])
    if not asked:
        return found
    answers = pixel_check(workspace, progress=progress)(asked)
    more = [
        DuplicatePair(first, second, kind, _distance(everyone[first], everyone[second]))
        for (first, second), kind in answers.items()
        if kind is not None
    ]
    pairs = sorted((*found.pairs, *more), key=lambda pair: (pair.first, pair.second))
    return replace(found, pairs=tuple(pairs))


def _ordered(one: str, other: str) -> tuple[str, str]:
    return min(one, other), max(one, other)


def _colours(facts: FactTable, pairs: Iterable[DuplicatePair]) -> dict[str, float]:
    paired = {sha256 for pair in pairs for sha256 in (pair.first, pair.second)}
    known = paired & facts.positions.keys()
    return {
        sha256: facts.of(sha256).measure("colourfulness") if sha256 in known else 0.0
        for sha256 in paired
    }


def _distance(first: Facts, second: Facts) -> int:
    hashes = [int((facts.measured or {})["phash"], 16) for facts in (first, second)]
    return (hashes[0] ^ hashes[1]).bit_count()
