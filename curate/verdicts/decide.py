"""Keep or reject each picture, with every reason and its numbers.

Nothing here reads a picture, a file or the catalog: the same facts and policy always give the same
verdicts, so a threshold can be changed and undone in seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scipy.cluster.hierarchy import DisjointSet

from bodyshop_core.catalog import AnyReason, Reason, in_order
from curate.policy import Policy
from curate.verdicts.better_copy import preferences
from curate.verdicts.bridges import find_bridges
from curate.verdicts.quotas import over_quota
from curate.verdicts.screen import Facts, Findings

if TYPE_CHECKING:
    from curate.duplicates.pairs import DuplicatePair, Kind

UNKEEPABLE = frozenset({Reason.UNREADABLE, Reason.WORKER_DIED})
"""Reasons that a human keep can't override: there are no pixels to keep."""


@dataclass(frozen=True)
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
    return [
        facts
        for facts in pictures
        if facts.decision != "reject"
        and (
            not findings[facts.sha256]
            or (facts.decision == "keep" and not UNKEEPABLE & findings[facts.sha256].keys())
        )
    ]


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
        sha256 -> what `screen` found.
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
    candidates = {facts.sha256: facts for facts in eligible(pictures, findings)}
    everyone = {facts.sha256: facts for facts in pictures}
    pairs = [pair for pair in pairs if _counts(pair, everyone)]
    # Clusters show all duplicates; only pictures that may be kept connect or replace others.
    clusters = clusters_of(
        pairs, {facts.sha256: facts.placed for facts in pictures if facts.placed is not None}
    )
    pairs = [pair for pair in pairs if {pair.first, pair.second} <= candidates.keys()]
    groups = _groups(candidates.values(), pairs)
    within = [pair for pair in pairs if clusters.get(pair.first, "") == clusters.get(pair.second)]
    rejected, represented = _duplicates(candidates, within, policy)
    conflicts = _same_pixels_other_label(candidates, pairs)
    bridges = _bridges(groups, assigned or {})
    if bridges:  # without them, the groups that they connected are separate again
        rest = [facts for facts in candidates.values() if facts.sha256 not in bridges]
        apart = [pair for pair in pairs if not {pair.first, pair.second} & bridges.keys()]
        groups = _groups(rest, apart)
    if keep_given:
        out = {*conflicts, *rejected, *bridges}
        split = [
            facts
            for facts in candidates.values()
            if facts.value is not None and (facts.decision == "keep" or facts.sha256 not in out)
        ]
        found_bridges = find_bridges(
            {facts.sha256: groups[facts.sha256] for facts in split if facts.sha256 in groups},
            assigned or {},
            {facts.sha256: facts.given_split for facts in split if facts.given_split},
        )
        bridges |= {sha256: {"splits": list(names)} for sha256, names in found_bridges.items()}
    refused = {*conflicts, *rejected, *bridges}
    quotas = over_quota(
        (
            facts
            for facts in candidates.values()
            if facts.sha256 not in refused or facts.decision == "keep"
        ),
        policy.limits,
    )
    verdicts = []
    for facts in pictures:
        sha256 = facts.sha256
        found = dict(findings[sha256])
        if sha256 in conflicts:
            found[Reason.LABEL_CONFLICT] = conflicts[sha256]
        elif sha256 in rejected:
            reason, details = rejected[sha256]
            found[reason] = details
        elif sha256 in bridges:
            found[Reason.SPLIT_BRIDGE] = bridges[sha256]
        elif sha256 in quotas:
            found[Reason.OVER_QUOTA] = quotas[sha256]
        verdicts.append(
            _verdict(
                facts,
                found,
                cluster=clusters.get(sha256),
                representative=represented.get(sha256),
                group=groups.get(sha256, sha256[:16]),
            )
        )
    return verdicts


def _counts(pair: DuplicatePair, pictures: Mapping[str, Facts]) -> bool:
    first, second = pictures[pair.first], pictures[pair.second]
    return first.spin_group is None or first.spin_group != second.spin_group


def _groups(candidates: Iterable[Facts], pairs: Iterable[DuplicatePair]) -> dict[str, str]:
    sets = DisjointSet()
    for facts in candidates:
        sets.add(facts.sha256)
        for key in facts.group_keys:
            sets.add(f"key {key}")
            sets.merge(facts.sha256, f"key {key}")
    return _named(sets, pairs)


def clusters_of(
    pairs: Iterable[DuplicatePair], placed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return sha256 -> name of its cluster, for all pictures that are in one.

    Parameters
    ----------
    pairs : iterable of DuplicatePair
        Confirmed.
    placed : Mapping, optional
        sha256 -> cluster that a person put it into. No pair joins two of them, also not by way of
        other pictures: the most alike are joined first.
    """
    sets = DisjointSet()
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


def merged_pairs(pictures: Iterable[Facts]) -> list[DuplicatePair]:
    """Return each cluster that a person merged as a chain of pairs."""
    from curate.duplicates.pairs import DuplicatePair

    last: dict[str, str] = {}
    pairs = []
    for facts in sorted(pictures, key=lambda each: each.sha256):
        if facts.merged and facts.placed is not None:
            if facts.placed in last:
                pairs.append(DuplicatePair(last[facts.placed], facts.sha256, "person", 0))
            last[facts.placed] = facts.sha256
    return pairs


def _named(sets: DisjointSet, pairs: Iterable[DuplicatePair]) -> dict[str, str]:
    """Merge pairs into sets and name each set by its smallest sha256; keys are left out."""
    for pair in pairs:
        sets.add(pair.first)
        sets.add(pair.second)
        sets.merge(pair.first, pair.second)
    named: dict[str, str] = {}
    for subset in sets.subsets():
        members = sorted(member for member in subset if not member.startswith("key "))
        named |= dict.fromkeys(members, members[0][:16])
    return named


def _duplicates(
    candidates: Mapping[str, Facts], pairs: Sequence[DuplicatePair], policy: Policy
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
    keys = preferences((candidates[sha256] for sha256 in near), clusters_of([*pairs, *merged]))
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
