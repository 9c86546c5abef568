"""The shortcut audit of a split set, stored with it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import Field, all_images, schema
from bodyshop_core.errors import UsageError
from bodyshop_core.progress import SILENT, Progress
from curate.audit.nuisance import equalised, measure_view
from curate.audit.shortcuts import audit_digest, audit_rows
from curate.gate.stage import load_gate
from curate.policy import Policy, load_policy
from curate.verdicts.facts import load_facts, nuisance_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bodyshop_core.imaging import Equalise
    from bodyshop_core.workspace import Workspace

QUALITY = 75
"""JPEG quality of the equalised view: below what most pictures on the web were saved with."""


def audit_shortcuts(
    workspace: Workspace,
    *,
    split_set: str,
    policy: Policy | Path | str | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Measure whether the camera alone tells the label, and store it with the split set.

    Parameters
    ----------
    workspace : Workspace
        With a split set.
    split_set : str
        Its name.
    policy : Policy or path, optional
        Margin and folds.
    progress : Progress
        Told how far it is.

    Returns
    -------
    dict
        ``leak`` (bool), ``baseline`` (what a model has to beat), ``features``, ``together``,
        ``equalise`` (the view that repairs size and compression; None without a leak),
        ``equalised`` (the audit of that view, and how many pictures are too small for it).

    Raises
    ------
    UsageError
        There is no such split set.
    """
    from curate.measure.stage import VERSION

    rules = load_policy(policy)
    stored, members = _members(workspace, split_set)
    shas = [row.sha256 for row in members]
    labels = [row.label for row in members]
    groups = [row.group for row in members]
    facts = load_facts(
        workspace.catalog,
        version=VERSION,
        gate_id=load_gate(workspace).id,
        target=Field(stored["target"]),
        policy=rules.splits,
    )
    rows = nuisance_rows(workspace.catalog, shas, {one.sha256: one for one in facts})
    seed = stored["seed"]
    digest = audit_digest(rows, labels, groups, rules.audit, seed)
    if stored["audit"] is not None and stored["audit"]["digest"] == digest:
        return dict(stored["audit"])
    with progress.task("audit", total=1) as tick:
        found = audit_rows(rows, labels, groups, policy=rules.audit, seed=seed)
        outcome = {**found.as_dict(), "digest": digest, "equalise": None, "equalised": None}
        if found.leak:
            view = equalise_for(rows)
            outcome["equalise"] = view.as_dict()
            outcome["equalised"] = _equalised(
                workspace, shas, rows, labels, groups, view, rules, seed
            )
        tick(1)
    with workspace.catalog.begin() as connection:
        connection.execute(
            schema.split_sets.update()
            .where(schema.split_sets.c.name == split_set)
            .values(audit=outcome)
        )
    return outcome


def equalise_for(rows: Sequence[Mapping[str, Any]]) -> Equalise:
    """Return the view that brings pictures to one size and compression.

    The longest side is the 25th percentile of those at hand: nothing is scaled up, and the quarter
    below it is left out of training as too small.
    """
    import numpy as np

    from bodyshop_core.imaging import Equalise

    longest = [max(row["width"] or 0, row["height"] or 0) for row in rows]
    return Equalise(int(np.percentile(longest, 25)), QUALITY)


def _equalised(
    workspace: Workspace,
    shas: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    groups: Sequence[str],
    view: Equalise,
    rules: Policy,
    seed: int,
) -> dict[str, Any]:
    """Audit the equalised view, measured anew, of the pictures that are large enough for it."""
    large = [
        index
        for index, row in enumerate(rows)
        if max(row["width"] or 0, row["height"] or 0) >= view.longest_side
    ]
    left = [labels[index] for index in large]
    if len(set(left)) < 2:
        return {"too_small": len(rows) - len(large), "features": [], "leak": False}
    extensions = all_images(workspace.catalog)
    files = [workspace.blobs.path(shas[index], extensions[shas[index]]) for index in large]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        measured = list(pool.map(lambda file: measure_view(file, view), files))
    seen = [
        equalised(rows[index], view, found) for index, found in zip(large, measured, strict=True)
    ]
    after = audit_rows(
        seen, left, [groups[index] for index in large], policy=rules.audit, seed=seed
    ).as_dict()
    return {**after, "too_small": len(rows) - len(large)}


def _members(workspace: Workspace, name: str) -> tuple[Any, list[Any]]:
    sets, splits = schema.split_sets, schema.splits
    with workspace.catalog.read() as connection:
        stored = connection.execute(select(sets).where(sets.c.name == name)).mappings().first()
        if stored is None:
            raise UsageError(f"there is no split set '{name}'", hint="make one: bodyshop curate")
        rows = connection.execute(
            select(splits.c.sha256, splits.c.label, splits.c.group)
            .where(splits.c.split_set == name)
            .order_by(splits.c.sha256)
        ).all()
    return stored, list(rows)
