"""Verdicts for every picture of a workspace."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Text, cast, func, select

from bodyshop_core.catalog import Catalog, Field, in_order, now, schema
from bodyshop_core.catalog.split_sets import newest_split_set
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from curate.duplicates.stage import find_duplicates, remember_counts
from curate.gate.gate import Gate
from curate.gate.named_probes import open_named_probes, probe_chances
from curate.gate.rules import NONE
from curate.gate.stage import load_gate
from curate.ingest import store_rows
from curate.measure.sharpness import MIN_SHARPNESS
from curate.policy import Policy, load_policy
from curate.targets import resolve_target
from curate.verdicts.cluster_copies import compare_with_the_best, with_copies
from curate.verdicts.decide import Relations, Verdict, is_eligible, relate
from curate.verdicts.fact_table import FactTable
from curate.verdicts.facts import load_assigned, load_facts
from curate.verdicts.screen import Findings, ScreeningLimits, screen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace
    from curate.duplicates import FoundPairs
    from curate.gate.probe import Probe

_PART = 500
"""Verdicts that are compared and written at a time; as many parameters fit a query."""


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
    kept : dict
        sha256 -> group, of the kept pictures.
    over_quota : dict
        The same of those that only the policy's limits reject.
    found : FoundPairs
        The duplicates among them.
    changed : int
        Verdicts that differ from those before.
    """

    kept: dict[str, str]
    over_quota: dict[str, str]
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
    facts: FactTable,
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
    facts : FactTable
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
    facts = facts.with_probes(probe_chances(workspace, gate, probes, facts.names))
    with progress.task("judge", total=len(facts)) as tick:
        found_reasons = ((one.sha256, screen(one, policy, limits)) for one in facts)
        findings = {sha256: reasons for sha256, reasons in found_reasons if reasons}
        found = _duplicates_among(workspace, facts, policy, gate, progress)
        if found.heavy:
            # Pictures of a crowd are compared with its first 64, which may all be rejected; only
            # those that may be kept represent others, so they are compared among themselves.
            rest = (is_eligible(one, findings.get(one.sha256, {})) for one in facts)
            among = np.fromiter(rest, dtype=bool, count=len(facts))
            again = _duplicates_among(workspace, facts, policy, gate, progress, among)
            pairs = {(pair.first, pair.second): pair for pair in (*again.pairs, *found.pairs)}
            found = replace(found, pairs=tuple(pairs[key] for key in sorted(pairs)))
        facts = with_copies(workspace, facts, found, progress)
        compared = compare_with_the_best(workspace, facts, found, progress, findings=findings)
        if compared is not found:  # which may show that the best one is a screenshot of another
            found, facts = compared, with_copies(workspace, facts, compared, progress)
        relations = relate(
            facts, findings, found.pairs, policy, assigned=assigned, keep_given=keep_given
        )
        decided = Decided(facts, findings, relations)
        changed, kept = _changed(workspace.catalog, decided, policy, gate)
        tick(len(facts))
    if found.heavy:
        progress.log(
            f"{found.heavy} pictures have a hash that more than 64 pictures share or nearly share "
            "(blank pictures, logos, copies): each was compared with some of them only, so more "
            "than one may be kept"
        )
    written = _store(workspace.catalog, decided, changed, policy, gate)
    remember_counts(workspace, found.as_dict())
    over_quota = {sha256: relations.group(sha256) for sha256 in relations.quotas}
    return Judgement(kept, over_quota, found, written)


def _duplicates_among(
    workspace: Workspace,
    facts: FactTable,
    policy: Policy,
    gate: Gate,
    progress: Progress,
    among: NDArray[np.bool_] | None = None,
) -> FoundPairs:
    return find_duplicates(
        workspace,
        facts.signatures(among),
        policy,
        gate,
        among="all" if among is None else "eligible",
        spin_groups=facts.spin_groups,
        progress=progress,
    )


def count_verdicts(catalog: Catalog) -> VerdictCounts:
    """Count the verdicts as they are in the catalog now."""
    table = schema.verdicts
    text = cast(table.c.reasons, Text)
    alike = select(table.c.verdict, text, func.count()).group_by(table.c.verdict, text)
    reasons: Counter[str] = Counter()
    pictures = kept = 0
    with catalog.read() as connection:
        for verdict, why, count in connection.execute(alike):
            pictures += count
            kept += count if verdict == "keep" else 0
            for reason in json.loads(why):
                reasons[reason] += count
        clusters = connection.scalar(select(func.count(table.c.cluster.distinct())))
    return VerdictCounts(
        pictures,
        kept,
        pictures - kept,
        {reason.value: reasons[reason] for reason in in_order(reasons)},
        int(clusters or 0),
    )


def screening_limits(
    policy: Policy, gate: Gate, probes: Mapping[str, Probe] | None = None
) -> ScreeningLimits:
    """Return the limits that the policy may leave to gate, probes and sharpness measure."""
    sharpness = policy.quality.min_sharpness
    if sharpness is None:  # calibrated on photos of cars: it says nothing about an X-ray
        sharpness = 0 if gate.rule.name == NONE else MIN_SHARPNESS
    least = {name: probe.threshold for name, probe in (probes or {}).items()}
    for name in least:
        own = policy.probes[name].threshold
        least[name] = least[name] if own is None else own
    return ScreeningLimits(
        gate.rule.threshold,
        sharpness,
        least,
    )


@dataclass(frozen=True)
class Decided:
    """What is needed to make the verdict of any picture."""

    facts: FactTable
    findings: Mapping[str, Findings]
    relations: Relations

    def verdicts(self, places: Iterable[int]) -> Iterator[Verdict]:
        """Yield the verdicts of pictures by position; they are not kept."""
        for place in places:
            facts = self.facts[place]
            yield self.relations.verdict(facts, self.findings.get(facts.sha256, {}))


def _changed(
    catalog: Catalog, decided: Decided, policy: Policy, gate: Gate
) -> tuple[list[int], dict[str, str]]:
    """Return the positions whose verdict differs from the catalog's, and the kept ones' groups."""
    table = schema.verdicts
    digest, gate_id = policy.digest, gate.id
    changed: list[int] = []
    kept: dict[str, str] = {}
    with catalog.read() as connection:
        for places in _parts(range(len(decided.facts))):
            verdicts = list(decided.verdicts(places))
            query = select(table).where(table.c.sha256.in_([each.sha256 for each in verdicts]))
            before = {row.sha256: row._mapping for row in connection.execute(query)}
            for place, verdict in zip(places, verdicts, strict=True):
                if verdict.keep:
                    kept[verdict.sha256] = verdict.group
                old = before.get(verdict.sha256)
                if old is None or any(
                    old[name] != value for name, value in _row(verdict, digest, gate_id).items()
                ):
                    changed.append(place)
    return changed, kept


def _store(
    catalog: Catalog, decided: Decided, changed: Sequence[int], policy: Policy, gate: Gate
) -> int:
    """Write verdicts, in one transaction; return how many."""
    at, digest, gate_id = now(), policy.digest, gate.id
    content = policy.model_dump(mode="json")
    catalog.upsert(schema.policies, [{"digest": digest, "content": content}])
    written = 0
    with catalog.begin() as connection:
        for places in _parts(changed):
            rows = [
                {**_row(verdict, digest, gate_id), "decided_at": at}
                for verdict in decided.verdicts(places)
            ]
            written += store_rows(catalog, schema.verdicts, rows, connection=connection)
    return written


def _row(verdict: Verdict, policy: str, gate: str) -> dict[str, Any]:
    return {
        "sha256": verdict.sha256,
        "verdict": "keep" if verdict.keep else "reject",
        "reasons": [reason.value for reason in verdict.reasons],
        "details": verdict.details,
        "cluster": verdict.cluster,
        "representative": verdict.representative,
        "group": verdict.group,
        "policy": policy,
        "gate": gate,
        "human": verdict.human,
    }


def _parts(places: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(places), _PART):
        yield places[start : start + _PART]
