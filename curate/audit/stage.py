"""The shortcut audit of a split set, stored with it."""

from __future__ import annotations

import os
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import heapify, heapreplace
from math import inf
from operator import itemgetter
from typing import TYPE_CHECKING, Any, overload

from sqlalchemy import Row, RowMapping, null, select

from bodyshop_core.catalog import Catalog, Field, all_images, picture_origins, schema, stream
from bodyshop_core.errors import UsageError
from bodyshop_core.progress import SILENT, Progress
from curate.audit.nuisance import equalised, measure_view
from curate.audit.shortcuts import audit_digest, audit_rows, enough_to_audit
from curate.gate.stage import load_gate
from curate.policy import Policy, load_policy
from curate.verdicts.facts import load_facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bodyshop_core.imaging import Equalise
    from bodyshop_core.workspace import Workspace
    from curate.verdicts.fact_table import FactTable

QUALITY = 75
"""JPEG quality of the equalised view: below what most pictures on the web were saved with."""

VIEWS = 600
"""Pictures whose equalised view is measured, at 3 to 6 ms each: with two classes the balanced
accuracy is then known to about 4 points."""


def audit_shortcuts(
    workspace: Workspace,
    *,
    split_set: str,
    policy: Policy | Path | str | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Measure whether the label can be predicted without the car; store it with the split set.

    Parameters
    ----------
    workspace : Workspace
        With a split set.
    split_set : str
        Its name.
    policy : Policy or path, optional
        Margin and folds.
    progress : Progress
        Told when it is done.

    Returns
    -------
    dict
        ``leak`` (bool), ``baseline`` (what a model has to beat), ``features``, ``together``,
        ``equalise`` (the view that repairs size and compression; None without a leak),
        ``equalised`` (the audit of that view of up to `VIEWS` pictures, how many these were sampled
        from, and how many are too small for it).

    Raises
    ------
    UsageError
        There is no such split set.
    """
    rules = load_policy(policy)
    facts = load_facts(
        workspace.catalog,
        gate_id=load_gate(workspace).id,
        target=Field(_stored(workspace, split_set)["target"]),
        policy=rules.splits,
    )
    return audit_split_set(workspace, split_set, facts, rules, progress=progress)


def audit_split_set(
    workspace: Workspace,
    split_set: str,
    facts: FactTable,
    policy: Policy,
    *,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Do what `audit_shortcuts` does, with facts that were read already.

    An audit of the same pictures, labels and groups is not computed again; where there are too few
    of them for one, it is empty.
    """
    stored = _stored(workspace, split_set)
    members = _members(workspace, split_set)
    shas = [row.sha256 for row in members]
    labels = [row.label for row in members]
    groups = [row.group for row in members]
    rows = _NuisanceRows(workspace.catalog, shas, facts)
    seed = stored["seed"]
    digest = audit_digest(rows, labels, groups, policy.audit, seed)
    if stored["audit"] is not None and stored["audit"]["digest"] == digest:
        return dict(stored["audit"])
    if not enough_to_audit(labels, groups):
        _store(workspace, split_set, None)
        return {}
    with progress.task("audit", total=1) as tick:
        found = audit_rows(rows, labels, groups, policy=policy.audit, seed=seed, digest=digest)
        outcome = {**found.as_dict(), "digest": digest, "equalise": None, "equalised": None}
        if found.leak:
            view = equalise_for(rows)
            outcome["equalise"] = view.as_dict()
            outcome["equalised"] = _equalised(
                workspace, shas, rows, labels, groups, view, policy, seed
            )
        tick(1)
    _store(workspace, split_set, outcome)
    return outcome


def _store(workspace: Workspace, split_set: str, outcome: dict[str, Any] | None) -> None:
    table = schema.split_sets
    with workspace.catalog.begin() as connection:
        connection.execute(
            table.update()
            .where(table.c.name == split_set)
            .values(audit=null() if outcome is None else outcome)
        )


def equalise_for(rows: Sequence[Mapping[str, Any]]) -> Equalise:
    """Return the view that brings pictures to one size and compression.

    The longest side is the 25th percentile of the pictures' longest sides: nothing is scaled up,
    and the quarter below it is left out of training as too small.
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
    policy: Policy,
    seed: int,
) -> dict[str, Any]:
    """Audit the equalised view, measured anew, of pictures that are large enough for it."""
    large = [
        index
        for index, row in enumerate(rows)
        if max(row["width"] or 0, row["height"] or 0) >= view.longest_side
    ]
    too_small = len(rows) - len(large)
    all_large = len(large)
    strata = [(labels[index], str(rows[index]["origin"])) for index in large]
    large = stratified(strata, large, seed)
    left = [labels[index] for index in large]
    parts = [groups[index] for index in large]
    if not enough_to_audit(left, parts):
        return {"too_small": too_small, "features": [], "leak": False}
    extensions = all_images(workspace.catalog)
    blobs = [workspace.blobs.ref(shas[index], extensions[shas[index]]) for index in large]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        measured = list(pool.map(lambda blob: measure_view(blob.read(), view), blobs))
    views = [
        equalised(rows[index], view, found) for index, found in zip(large, measured, strict=True)
    ]
    after = audit_rows(views, left, parts, policy=policy.audit, seed=seed).as_dict()
    return {**after, "too_small": too_small, "sampled_from": all_large}


def stratified(
    strata: Sequence[tuple[str, str]], members: Sequence[int], seed: int, *, size: int = VIEWS
) -> list[int]:
    """Return up to `size` members in their order: of each label, origin and stratum one at least.

    The rest is in proportion to the strata. Where there are more than places, labels come before
    origins, and these before strata.

    Parameters
    ----------
    strata : sequence of (str, str)
        Label and origin of each member.
    members : sequence of int
        In increasing order.
    seed : int
        Of the choice within a stratum.
    size : int
        How many.
    """
    import numpy as np

    if len(members) <= size:
        return list(members)
    order = np.random.default_rng(seed).permutation(len(members)).tolist()
    chosen: dict[int, None] = {}
    for key in (itemgetter(0), itemgetter(1), itemgetter(0, 1)):
        seen = {key(strata[at]) for at in chosen}
        for at in order:
            if key(strata[at]) not in seen and len(chosen) < size:
                seen.add(key(strata[at]))
                chosen[at] = None
    got = Counter(strata[at] for at in chosen)
    total = Counter(strata)
    waiting: dict[tuple[str, str], deque[int]] = defaultdict(deque)
    for at in order:
        if at not in chosen:
            waiting[strata[at]].append(at)
    ahead = [(-total[kind] / (2 * got[kind] + 1), kind) for kind in waiting]
    heapify(ahead)  # the one whose share is furthest behind, by the method of Sainte-Laguë
    while len(chosen) < size:
        _, kind = ahead[0]
        chosen[waiting[kind].popleft()] = None
        got[kind] += 1
        behind = -total[kind] / (2 * got[kind] + 1) if waiting[kind] else inf
        heapreplace(ahead, (behind, kind))
    return sorted(members[at] for at in chosen)


def _stored(workspace: Workspace, name: str) -> RowMapping:
    table = schema.split_sets
    with workspace.catalog.read() as connection:
        row = connection.execute(select(table).where(table.c.name == name)).mappings().first()
    if row is None:
        raise UsageError(f"there is no split set '{name}'", hint="make one: bodyshop curate")
    return row


def _members(workspace: Workspace, name: str) -> list[Row[Any]]:
    splits = schema.splits
    query = select(splits.c.sha256, splits.c.label, splits.c.group)
    with workspace.catalog.read() as connection:
        return list(
            connection.execute(query.where(splits.c.split_set == name).order_by(splits.c.sha256))
        )


class _NuisanceRows(Sequence[dict[str, Any]]):
    """The input of `curate.audit.nuisance.columns`, a row made when it is asked for."""

    def __init__(self, catalog: Catalog, shas: Sequence[str], facts: FactTable) -> None:
        images = schema.images
        self._shas, self._facts = shas, facts
        self._origins = picture_origins(catalog)
        self._formats: dict[str, str | None] = {}
        known: dict[str | None, str | None] = {}
        with catalog.read() as connection:
            for part in stream(connection, select(images.c.sha256, images.c.format)):
                for sha256, name in part:
                    self._formats[sha256] = known.setdefault(name, name)

    def __len__(self) -> int:
        return len(self._shas)

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, place: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        sha256 = self._shas[place]
        one = self._facts.of(sha256)
        return {
            **{name: (one.measured or {}).get(name) for name in _MEASURED},
            "bytes": one.size_bytes,
            "format": self._formats.get(sha256),
            "origin": self._origins[sha256],
            "framing": one.framing,
        }


_MEASURED = ("width", "height", "jpeg_quality", "brightness", "contrast", "sharpness")
