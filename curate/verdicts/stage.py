"""Verdicts for every picture of a workspace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from bodyshop_core.catalog import Catalog, Field, in_order, now, schema
from bodyshop_core.catalog.split_sets import newest_split_set
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from curate.duplicates.stage import find_duplicates, remember_counts
from curate.gate.gate import Gate
from curate.gate.named_probes import open_named_probes, probe_chances
from curate.gate.stage import load_gate
from curate.ingest import store_rows
from curate.measure.sharpness import MIN_SHARPNESS
from curate.policy import Policy, load_policy
from curate.targets import resolve_target
from curate.verdicts.cluster_copies import compare_with_the_best, with_copies
from curate.verdicts.decide import Verdict, decide, eligible
from curate.verdicts.facts import load_assigned, load_facts
from curate.verdicts.screen import Facts, ScreeningLimits, screen

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from curate.duplicates import FoundPairs
    from curate.gate.probe import Probe


@dataclass(frozen=True)
class VerdictCounts(Summary):
    """The verdicts in a catalog, counted.

    Parameters
    ----------
    pictures, kept, rejected : int
        Of the whole workspace.
    reasons : dict
        Reason -> pictures; a picture with two reasons counts in both.
    clusters : int
        Duplicate clusters of two pictures or more.
    """

    pictures: int
    kept: int
    rejected: int
    reasons: dict[str, int]
    clusters: int


@dataclass(frozen=True)
class JudgeSummary(VerdictCounts):
    """The outcome of `judge`.

    Parameters
    ----------
    pairs : dict
        Confirmed pairs per kind, and what could not be compared (`FoundPairs.as_dict`).
    changed : int
        Verdicts that differ from those before.
    """

    pairs: dict[str, int]
    changed: int


@dataclass(frozen=True)
class Judgement:
    """The verdicts of a workspace, and what they were made from.

    Parameters
    ----------
    verdicts : list of Verdict
        One per picture.
    found : FoundPairs
        The duplicates among them.
    changed : int
        Verdicts that differ from those before.
    """

    verdicts: list[Verdict]
    found: FoundPairs
    changed: int


def judge(
    workspace: Workspace,
    *,
    gate: Gate | None = None,
    target: Field | str | None = None,
    policy: Policy | Path | str | None = None,
    progress: Progress = SILENT,
) -> JudgeSummary:
    """Decide about every picture from what was measured and scored; nothing is decoded.

    Parameters
    ----------
    workspace : Workspace
        Measured and scored.
    gate : Gate, optional
        Whose scores count; that of the newest ``curate`` by default.
    target : str, optional
        Whose labels count for conflicts and duplicates, and whose newest split set counts for
        newcomers that would connect two splits.
    policy : Policy or path, optional
        The thresholds.
    progress : Progress
        Told how many pictures are done.

    Returns
    -------
    JudgeSummary
        Counts per reason.
    """
    rules = load_policy(policy)
    gate = gate or load_gate(workspace)
    field = resolve_target(workspace.catalog, target)
    current = newest_split_set(workspace.catalog, field)
    judgement = judge_pictures(
        workspace,
        load_facts(workspace.catalog, gate_id=gate.id, target=field, policy=rules.splits),
        gate,
        rules,
        assigned=load_assigned(workspace.catalog, current.name) if current else {},
        keep_given=bool(current and current.options.get("keep_given_splits")),
        progress=progress,
    )
    counts = count_verdicts(workspace.catalog)
    return JudgeSummary(
        **counts.as_dict(), pairs=judgement.found.as_dict(), changed=judgement.changed
    )


def judge_pictures(
    workspace: Workspace,
    facts: Sequence[Facts],
    gate: Gate,
    policy: Policy,
    *,
    assigned: Mapping[str, str],
    keep_given: bool,
    progress: Progress = SILENT,
) -> Judgement:
    """Find the duplicates among pictures, decide about each, and write the verdicts.

    Parameters
    ----------
    workspace : Workspace
        Where the verdicts go.
    facts : sequence of Facts
        From `load_facts`.
    gate : Gate
        Whose scores are among the facts.
    policy : Policy
        The thresholds.
    assigned, keep_given
        About the split set in use; see `curate.verdicts.decide.decide`.
    progress : Progress
        Told how many pictures are done.
    """
    probes = open_named_probes(workspace, gate, policy)
    limits = screening_limits(policy, gate, probes)
    chances = probe_chances(workspace, gate, probes, (one.sha256 for one in facts))
    facts = [
        replace(one, probes=chances[one.sha256]) if one.sha256 in chances else one for one in facts
    ]
    with progress.task("judge", total=len(facts)) as tick:
        findings = {one.sha256: screen(one, policy, limits) for one in facts}
        found = _duplicates_among(workspace, facts, policy, gate, progress)
        if found.heavy:
            # Pictures of a crowd are compared with its first 64, which may all be rejected; only
            # those that may be kept represent others, so they are compared among themselves.
            rest = eligible(facts, findings)
            again = _duplicates_among(workspace, rest, policy, gate, progress)
            pairs = {(pair.first, pair.second): pair for pair in (*again.pairs, *found.pairs)}
            found = replace(found, pairs=tuple(pairs[key] for key in sorted(pairs)))
        facts = with_copies(workspace, facts, found, progress)
        found = compare_with_the_best(workspace, facts, found, progress)
        verdicts = decide(
            facts, findings, found.pairs, policy, assigned=assigned, keep_given=keep_given
        )
        tick(len(facts))
    if found.heavy:
        progress.log(
            f"{found.heavy} pictures have a hash that more than 64 pictures share (blank pictures, "
            "logos): each was compared with some of them only, so more than one may be kept"
        )
    changed = _store(workspace.catalog, verdicts, policy, gate)
    remember_counts(workspace, found.as_dict())
    return Judgement(verdicts, found, changed)


def _duplicates_among(
    workspace: Workspace,
    facts: Sequence[Facts],
    policy: Policy,
    gate: Gate,
    progress: Progress,
) -> FoundPairs:
    return find_duplicates(
        workspace,
        [one.measured for one in facts if one.measured is not None],
        policy,
        gate,
        spin_groups={one.sha256: one.spin_group for one in facts if one.spin_group},
        progress=progress,
    )


def count_verdicts(catalog: Catalog) -> VerdictCounts:
    """Count the verdicts as they are in the catalog now."""
    table = schema.verdicts
    reasons: Counter[str] = Counter()
    clusters: set[str] = set()
    pictures = kept = 0
    with catalog.read() as connection:
        for verdict, why, cluster in connection.execute(
            select(table.c.verdict, table.c.reasons, table.c.cluster)
        ):
            pictures += 1
            kept += verdict == "keep"
            reasons.update(why)
            clusters.update([cluster] if cluster else [])
    return VerdictCounts(
        pictures,
        kept,
        pictures - kept,
        {reason.value: reasons[reason] for reason in in_order(reasons)},
        len(clusters),
    )


def screening_limits(
    policy: Policy, gate: Gate, probes: Mapping[str, Probe] | None = None
) -> ScreeningLimits:
    """Return the limits that the policy may leave to gate, probes and sharpness measure."""
    sharpness = policy.quality.min_sharpness
    least = {name: probe.threshold for name, probe in (probes or {}).items()}
    for name in least:
        own = policy.probes[name].threshold
        least[name] = least[name] if own is None else own
    return ScreeningLimits(
        gate.rule.threshold,
        MIN_SHARPNESS if sharpness is None else sharpness,
        least,
    )


def _store(catalog: Catalog, verdicts: Sequence[Verdict], policy: Policy, gate: Gate) -> int:
    """Write the verdicts that differ from those in the catalog; return how many did."""
    table = schema.verdicts
    with catalog.read() as connection:
        before = {row["sha256"]: row for row in connection.execute(select(table)).mappings()}
    at = now()
    rows = []
    for verdict in verdicts:
        row = {
            "sha256": verdict.sha256,
            "verdict": "keep" if verdict.keep else "reject",
            "reasons": [reason.value for reason in verdict.reasons],
            "details": verdict.details,
            "cluster": verdict.cluster,
            "representative": verdict.representative,
            "group": verdict.group,
            "policy": policy.digest,
            "gate": gate.id,
            "human": verdict.human,
        }
        old = before.get(verdict.sha256)
        if old is None or any(old[name] != value for name, value in row.items()):
            rows.append({**row, "decided_at": at})
    content = policy.model_dump(mode="json")
    catalog.upsert(schema.policies, [{"digest": policy.digest, "content": content}])
    return store_rows(catalog, table, rows)
