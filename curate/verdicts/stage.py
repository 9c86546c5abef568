"""Verdicts for every picture of a workspace."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import Catalog, Field, Reason, now, schema
from bodyshop_core.catalog.split_sets import newest_split_set
from bodyshop_core.progress import SILENT, Progress
from curate.duplicates.stage import find_duplicates, remember_counts
from curate.gate.gate import Gate
from curate.gate.stage import load_gate
from curate.measure.stage import VERSION
from curate.policy import Policy, load_policy
from curate.targets import resolve_target
from curate.verdicts.decide import Verdict, decide
from curate.verdicts.facts import load_facts
from curate.verdicts.screen import ScreeningLimits, screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class JudgeSummary:
    """What came out.

    Parameters
    ----------
    pictures, kept, rejected : int
        Of the whole workspace.
    reasons : dict
        Reason -> pictures; a picture with two reasons counts in both.
    clusters : int
        Duplicate clusters of two pictures or more.
    pairs : dict
        Confirmed pairs per kind, and what could not be compared (`FoundPairs.as_dict`).
    changed : int
        Verdicts that are not what they were.
    """

    pictures: int
    kept: int
    rejected: int
    reasons: dict[str, int]
    clusters: int
    pairs: dict[str, int]
    changed: int

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON-able values."""
        return asdict(self)


def judge(
    workspace: Workspace,
    *,
    gate: Gate | None = None,
    target: Field | str | None = None,
    policy: Policy | Path | str | None = None,
    progress: Progress = SILENT,
) -> JudgeSummary:
    """Decide over every picture from what was measured and scored; nothing is decoded.

    Parameters
    ----------
    workspace : Workspace
        Measured and scored.
    gate : Gate, optional
        Whose scores count; the workspace's newest by default.
    target : str, optional
        Whose labels count for conflicts and duplicates.
    policy : Policy or path, optional
        The thresholds.
    progress : Progress
        Told how far it is.

    Returns
    -------
    JudgeSummary
        Counts per reason.
    """
    rules = load_policy(policy)
    gate = gate or load_gate(workspace)
    field = resolve_target(workspace.catalog, target)
    facts = load_facts(
        workspace.catalog, version=VERSION, gate_id=gate.id, target=field, policy=rules.splits
    )
    limits = screening_limits(rules, gate)
    with progress.task("judge", total=len(facts)) as tick:
        findings = {one.sha256: screen(one, rules, limits) for one in facts}
        readable = [one for one in facts if one.measured is not None]
        found = find_duplicates(
            workspace,
            [one.measured for one in readable if one.measured is not None],
            rules,
            gate,
            spin_groups={one.sha256: one.spin_group for one in readable},
            progress=progress,
        )
        verdicts = decide(
            facts, findings, found.pairs, rules, assigned=_assigned(workspace.catalog, field)
        )
        tick(len(facts))
    if found.heavy:
        progress.log(
            f"{found.heavy} pictures are in crowds of equal hashes (blank pictures, logos): each "
            "was compared with a part of its crowd, so more than one of them may be kept"
        )
    changed = _store(workspace.catalog, verdicts, rules, gate)
    remember_counts(workspace, found.as_dict())
    reasons = Counter(reason for verdict in verdicts for reason in verdict.reasons)
    return JudgeSummary(
        len(verdicts),
        sum(verdict.keep for verdict in verdicts),
        sum(not verdict.keep for verdict in verdicts),
        {reason.value: reasons[reason] for reason in Reason if reasons[reason]},
        len({verdict.cluster for verdict in verdicts if verdict.cluster}),
        found.as_dict(),
        changed,
    )


def screening_limits(policy: Policy, gate: Gate) -> ScreeningLimits:
    """Fill in the limits that the gate and the sharpness measure bring along."""
    from curate.measure.sharpness import MIN_SHARPNESS

    sharpness = policy.quality.min_sharpness
    return ScreeningLimits(gate.rule.threshold, MIN_SHARPNESS if sharpness is None else sharpness)


def _assigned(catalog: Catalog, field: Field) -> dict[str, str]:
    current = newest_split_set(catalog, field)
    if current is None:
        return {}
    table = schema.assignments
    query = select(table.c.sha256, table.c.split).where(table.c.split_set == current.name)
    with catalog.read() as connection:
        return dict(connection.execute(query).all())


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
    catalog.upsert(table, rows)
    return len(rows)
