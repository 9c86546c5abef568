"""The members of duplicate clusters in a workspace: measured as copies, compared with the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bodyshop_core.progress import SILENT, Progress
from curate.duplicates.copy_stage import CopyFacts, measure_cluster_copies
from curate.duplicates.pairs import DuplicatePair
from curate.duplicates.stage import pixel_check
from curate.verdicts.better_copy import preferences
from curate.verdicts.decide import clusters_of, merged_pairs
from curate.verdicts.screen import Facts

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from curate.duplicates import FoundPairs


def with_copies(
    workspace: Workspace, facts: Sequence[Facts], found: FoundPairs, progress: Progress = SILENT
) -> list[Facts]:
    """Add what is measured of the members of clusters only, to choose the better copy."""
    everyone = {one.sha256: one for one in facts}

    def extended(sha256: str, copy: CopyFacts) -> Facts:
        return replace(
            everyone[sha256],
            content=copy.content,
            copy_quality=copy.quality,
            overlaid=copy.overlaid,
        )

    def rank(copies: Mapping[str, CopyFacts], clusters: Mapping[str, str]) -> Mapping[str, Any]:
        return preferences((extended(*each) for each in copies.items()), clusters)

    pairs = (*found.pairs, *merged_pairs(facts))
    copies = measure_cluster_copies(workspace, pairs, rank, progress=progress)
    return [
        extended(one.sha256, copies[one.sha256]) if one.sha256 in copies else one for one in facts
    ]


def compare_with_the_best(
    workspace: Workspace, facts: Sequence[Facts], found: FoundPairs, progress: Progress = SILENT
) -> FoundPairs:
    """Compare each member of a cluster with its best copy, where the search had no reason to.

    A crop of one photo in a crowd of copies is found beside one of the crowd; it is rejected only
    as a duplicate of the one that is kept.
    """
    clusters = clusters_of(found.pairs)
    everyone = {one.sha256: one for one in facts}
    members = [sha256 for sha256 in clusters if sha256 in everyone]
    keys = preferences((everyone[sha256] for sha256 in members), clusters)
    best: dict[str, str] = {}
    for sha256 in sorted(members, key=keys.__getitem__):
        best.setdefault(clusters[sha256], sha256)
    known = {(pair.first, pair.second) for pair in found.pairs}
    asked = sorted(
        pair
        for sha256 in members
        if sha256 != best[clusters[sha256]]
        for pair in [(min(sha256, best[clusters[sha256]]), max(sha256, best[clusters[sha256]]))]
        if pair not in known
    )
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


def _distance(first: Facts, second: Facts) -> int:
    hashes = [int((facts.measured or {})["phash"], 16) for facts in (first, second)]
    return (hashes[0] ^ hashes[1]).bit_count()
