"""Keep or reject each picture, with every reason and its numbers.

Nothing here reads a picture, a file or the catalog: the same facts and policy always give the same
verdicts, so a threshold can be changed and undone in seconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from bodyshop_core.catalog import AnyReason, Reason, in_order
from curate.policy import Policy
from curate.verdicts.better_copy import preferences
from curate.verdicts.bridges import find_bridges
from curate.verdicts.clusters import clusters_of, merged_pairs
from curate.verdicts.quotas import over_quota
from curate.verdicts.screen import Facts, Findings

if TYPE_CHECKING:
    from curate.duplicates.candidates import Kind
    from curate.duplicates.pairs import DuplicatePair

UNKEEPABLE = frozenset({Reason.UNREADABLE, Reason.WORKER_DIED})
"""Reasons that a human keep can't override: there are no pixels to keep."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one picture.

    Parameters
    ----------
    sha256 : str
        The picture.
    keep : bool
        Whether it is kept.
    reasons : tuple of Reason or ProbeReason
        All reasons to reject it, in the order in which they are shown; empty when kept.
    details : dict
        Reason -> ``{value, limit, setting}`` and, for duplicates, ``{other, kind, distance}``;
        ``overridden`` lists the reasons that a human keep overrode.
    cluster : str or None
        Name of the duplicate cluster it is in.
    representative : str or None
        The member it was measured against; itself when it is the one that is kept.
    group : str
        Pictures of one group are never in two splits.
    human : bool
        Whether a human decided.
    """

    sha256: str
    keep: bool
    reasons: tuple[AnyReason, ...]
    details: dict[str, Any] = field(default_factory=dict)
    cluster: str | None = None
    representative: str | None = None
    group: str = ""
    human: bool = False


def eligible(pictures: Iterable[Facts], findings: Mapping[str, Findings]) -> list[Facts]:
    """Return the pictures that may be kept: without findings, or kept by a person."""
    return [facts for facts in pictures if is_eligible(facts, findings.get(facts.sha256, {}))]


def is_eligible(facts: Facts, found: Findings) -> bool:
    """Return whether a picture may be kept: without findings, or kept by a person."""
    if facts.decision == "reject":
        return False
    return not found or (facts.decision == "keep" and not UNKEEPABLE & found.keys())


def decide(
    pictures: Sequence[Facts],
    findings: Mapping[str, Findings],
    pairs: Sequence[DuplicatePair],
    policy: Policy,
    *,
    assigned: Mapping[str, str] | None = None,
    keep_given: bool = False,
) -> list[Verdict]:
    """Decide about all pictures.

    Parameters
    ----------
    pictures : sequence of Facts
        All pictures of the workspace.
    findings : Mapping
        sha256 -> what `screen` found; pictures without findings may be left out.
    pairs : sequence of DuplicatePair
        Confirmed duplicates. Only those between `eligible` pictures can reject one.
    policy : Policy
        The thresholds.
    assigned : Mapping, optional
        sha256 -> split, of the split set in use. A newcomer that connects two of its splits gets
        the reason ``split_bridge``.
    keep_given : bool
        Whether the split set keeps the splits that folders named: a picture whose group is in
        another split gets the reason ``split_bridge``.

    Returns
    -------
    list of Verdict
        One per picture, in the order given.
    """
    relations = relate(pictures, findings, pairs, policy, assigned=assigned, keep_given=keep_given)
    return [relations.verdict(facts, findings.get(facts.sha256, {})) for facts in pictures]


@dataclass(frozen=True)
class Relations:
    """What follows for pictures from others: with it, each can be decided about by itself.

    Parameters
    ----------
    clusters, represented, groups : dict
        sha256 -> cluster, the picture that represents it, and group.
    conflicts, bridges, quotas : dict
        sha256 -> the numbers of these reasons.
    rejected : dict
        sha256 -> why it is a duplicate, and of which picture.
    """

    clusters: Mapping[str, str]
    represented: Mapping[str, str]
    groups: Mapping[str, str]
    conflicts: Mapping[str, dict[str, Any]]
    rejected: Mapping[str, tuple[Reason, dict[str, Any]]]
    bridges: Mapping[str, dict[str, Any]]
    quotas: Mapping[str, dict[str, Any]]

    def group(self, sha256: str) -> str:
        """Return the group of a picture."""
        return self.groups.get(sha256, sha256[:16])

    def verdict(self, facts: Facts, findings: Findings) -> Verdict:
        """Decide about one picture.

        Parameters
        ----------
        facts : Facts
            One of the pictures.
        findings : Findings
            What `screen` found.
        """
        sha256 = facts.sha256
        found = dict(findings)
        if sha256 in self.conflicts:
            found[Reason.LABEL_CONFLICT] = self.conflicts[sha256]
        elif sha256 in self.rejected:
            reason, details = self.rejected[sha256]
            found[reason] = details
        elif sha256 in self.bridges:
            found[Reason.SPLIT_BRIDGE] = self.bridges[sha256]
        elif sha256 in self.quotas:
            found[Reason.OVER_QUOTA] = self.quotas[sha256]
        return _verdict(
            facts,
            found,
            cluster=self.clusters.get(sha256),
            representative=self.represented.get(sha256),
            group=self.group(sha256),
        )


def relate(
    pictures: Sequence[Facts],
    findings: Mapping[str, Findings],
    pairs: Sequence[DuplicatePair],
    policy: Policy,
    *,
    assigned: Mapping[str, str] | None = None,
    keep_given: bool = False,
) -> Relations:
    """Find what the verdict on a picture owes to the others; parameters are those of `decide`.

    `pictures` are gone through several times; facts of those in pairs only are kept.
    """
    paired = {sha256 for pair in pairs for sha256 in (pair.first, pair.second)}
    everyone = {
        facts.sha256: facts
        for facts in pictures
        if facts.sha256 in paired or facts.placed is not None
    }
    pairs = [pair for pair in pairs if _counts(pair, everyone)]
    candidates = {facts.sha256: facts for facts in eligible(everyone.values(), findings)}
    # Clusters show all duplicates; only pictures that may be kept connect or replace others.
    clusters = clusters_of(
        pairs,
        {name: facts.placed for name, facts in everyone.items() if facts.placed is not None},
        colours={name: facts.measure("colourfulness") for name, facts in everyone.items()},
        eligible=candidates,
    )
    pairs = [pair for pair in pairs if {pair.first, pair.second} <= candidates.keys()]

    def may_stay() -> Iterator[Facts]:
        return (facts for facts in pictures if is_eligible(facts, findings.get(facts.sha256, {})))

    groups = _groups(may_stay(), pairs)
    within = [pair for pair in pairs if clusters.get(pair.first, "") == clusters.get(pair.second)]
    rejected, represented = _duplicates(candidates, within, clusters, policy)
    conflicts = _same_pixels_other_label(candidates, pairs)
    bridges = _bridges(groups, assigned or {})
    if bridges:  # without them, the groups that they connected are separate again
        rest = (facts for facts in may_stay() if facts.sha256 not in bridges)
        apart = [pair for pair in pairs if not {pair.first, pair.second} & bridges.keys()]
        groups = _groups(rest, apart)
    if keep_given:
        out = {*conflicts, *rejected, *bridges}
        split: dict[str, str] = {}
        given: dict[str, str] = {}
        for facts in may_stay():
            if facts.value is None or (facts.decision != "keep" and facts.sha256 in out):
                continue
            if facts.sha256 in groups:
                split[facts.sha256] = groups[facts.sha256]
            if facts.given_split:
                given[facts.sha256] = facts.given_split
        found_bridges = find_bridges(split, assigned or {}, given)
        bridges |= {sha256: {"splits": list(names)} for sha256, names in found_bridges.items()}
    refused = {*conflicts, *rejected, *bridges}
    quotas = over_quota(
        (facts for facts in may_stay() if facts.sha256 not in refused or facts.decision == "keep"),
        policy.limits,
        groups=groups,
        assigned=assigned,
    )
    return Relations(clusters, represented, groups, conflicts, rejected, bridges, quotas)


def _counts(pair: DuplicatePair, pictures: Mapping[str, Facts]) -> bool:
    first, second = pictures[pair.first], pictures[pair.second]
    return first.spin_group is None or first.spin_group != second.spin_group


def _groups(candidates: Iterable[Facts], pairs: Iterable[DuplicatePair]) -> dict[str, str]:
    """Return sha256 -> group: pictures that share a key or are duplicates, by the smallest name."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers: dict[str, int] = {}
    keys: dict[str, int] = {}
    shared = array("q")  # number of a picture, number of a key, and so on
    for facts in candidates:
        number = numbers.setdefault(facts.sha256, len(numbers))
        for key in facts.group_keys:
            shared.extend((number, keys.setdefault(key, len(keys))))
    by_key = np.array(shared, dtype=np.int64).reshape(-1, 2)
    by_key[:, 1] += len(numbers)
    alike = [(numbers[pair.first], numbers[pair.second]) for pair in pairs]
    edges = np.concatenate([by_key, np.array(alike, dtype=np.int64).reshape(-1, 2)])
    n = len(numbers) + len(keys)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    sets = connected_components(graph, directed=False)[1].tolist() if n else []
    names: dict[int, str] = {}
    return {
        sha256: names.setdefault(sets[numbers[sha256]], sha256[:16]) for sha256 in sorted(numbers)
    }


def _duplicates(
    candidates: Mapping[str, Facts],
    pairs: Sequence[DuplicatePair],
    clusters: Mapping[str, str],
    policy: Policy,
) -> tuple[dict[str, tuple[Reason, dict[str, Any]]], dict[str, str]]:
    """Go from the best picture to the worst: each is kept, or is near one that is.

    A rejected picture is thus always near its own representative, however long a chain of
    near-duplicates is (the guard against chaining).
    """
    near: dict[str, dict[str, DuplicatePair]] = {}
    twins = DisjointSet()  # equal pixels, also where a large crowd was compared in part
    for pair in pairs:
        near.setdefault(pair.first, {})[pair.second] = pair
        near.setdefault(pair.second, {})[pair.first] = pair
        twins.add(pair.first)
        twins.add(pair.second)
        if pair.kind == "exact":
            twins.merge(pair.first, pair.second)
    rejected: dict[str, tuple[Reason, dict[str, Any]]] = {}
    represented: dict[str, str] = {}
    kept: set[str] = set()
    kept_twins: dict[str, list[str]] = {}
    merged = merged_pairs(candidates.values())
    kept_merged: dict[str, list[str]] = {}
    for pair in merged:
        for sha256 in (pair.first, pair.second):
            near.setdefault(sha256, {})
            twins.add(sha256)
    keys = preferences((candidates[sha256] for sha256 in near), clusters)
    for facts in sorted((candidates[sha256] for sha256 in near), key=lambda f: keys[f.sha256]):
        sha256 = facts.sha256
        equal = kept_twins.setdefault(twins[sha256], [])
        found = {other: pair for other, pair in near[sha256].items() if other in kept}
        found |= {other: _pair(sha256, other, "exact") for other in equal}
        same = kept_merged.setdefault(facts.placed or "", []) if facts.merged else []
        found = {other: _pair(sha256, other, "person") for other in same} | found
        others = [pair for other, pair in found.items() if _same_label(facts, candidates[other])]
        if not others or facts.decision == "keep" or not policy.duplicates.reject:
            kept.add(sha256)
            equal.append(sha256)
            same.append(sha256)
            represented[sha256] = sha256
            continue
        best = min(
            others,
            key=lambda pair: (pair.kind != "exact", pair.distance, pair.first, pair.second),
        )
        other = best.second if best.first == sha256 else best.first
        reason = Reason.EXACT_DUPLICATE if best.kind == "exact" else Reason.NEAR_DUPLICATE
        details = {"other": other, "kind": best.kind, "distance": best.distance}
        rejected[sha256] = (reason, details)
        represented[sha256] = other
    return rejected, represented


def _pair(one: str, other: str, kind: Kind) -> DuplicatePair:
    from curate.duplicates.pairs import DuplicatePair

    return DuplicatePair(min(one, other), max(one, other), kind, 0)


def _same_label(first: Facts, second: Facts) -> bool:
    """Whether the labels of two pictures agree; a picture without a label agrees with all."""
    return first.value is None or second.value is None or first.value == second.value


def _same_pixels_other_label(
    candidates: Mapping[str, Facts], pairs: Iterable[DuplicatePair]
) -> dict[str, dict[str, Any]]:
    """Find equal pixels under two labels: one label is wrong, and it is not known which."""
    conflicts = {}
    for pair in pairs:
        first, second = candidates[pair.first], candidates[pair.second]
        if pair.kind == "exact" and not _same_label(first, second):
            values = sorted({str(first.value), str(second.value)})
            conflicts[first.sha256] = {"values": values, "other": second.sha256}
            conflicts[second.sha256] = {"values": values, "other": first.sha256}
    return conflicts


def _bridges(groups: Mapping[str, str], assigned: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Find the newcomers in groups that lie in two splits already."""
    splits: dict[str, set[str]] = {}
    for sha256, group in groups.items():
        if sha256 in assigned:
            splits.setdefault(group, set()).add(assigned[sha256])
    return {
        sha256: {"splits": sorted(splits[group])}
        for sha256, group in groups.items()
        if len(splits.get(group, ())) > 1 and sha256 not in assigned
    }


def _verdict(
    facts: Facts,
    found: Findings,
    *,
    cluster: str | None,
    representative: str | None,
    group: str,
) -> Verdict:
    if facts.decision == "reject":
        found = {**found, Reason.HUMAN_REJECT: {}}
    overridden: list[str] = []
    if facts.decision == "keep" and not UNKEEPABLE & found.keys():
        overridden = [reason.value for reason in in_order(found)]
        found = {}
    reasons = tuple(in_order(found))
    details: dict[str, Any] = {reason.value: found[reason] for reason in reasons}
    if overridden:
        details["overridden"] = overridden
    return Verdict(
        facts.sha256,
        not reasons,
        reasons,
        details,
        cluster,
        representative,
        group,
        facts.decision is not None,
    )
