"""Putting kept pictures into the splits of a split set, and proving that nothing leaks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, select

from bodyshop_core.catalog import Catalog, Field, Reason, effective_labels, now, schema
from bodyshop_core.catalog.split_sets import (
    choose_split_set,
    newest_split_set,
    next_revision,
    split_sets,
)
from bodyshop_core.errors import UsageError
from bodyshop_core.progress import SILENT, Progress
from curate.duplicates.stage import find_duplicates
from curate.gate.stage import load_gate
from curate.policy import Policy, load_policy
from curate.splits.assign import Member, SplitError, assign_splits
from curate.splits.leakage import LeakageCheck, check_leakage
from curate.targets import resolve_target

if TYPE_CHECKING:
    from pathlib import Path

    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class SplitSummary:
    """What a split set holds.

    Parameters
    ----------
    split_set, target : str
        Its name and the field it is about.
    sizes : dict
        Split -> label -> pictures.
    pictures, groups : int
        Dealt pictures, and groups of them.
    added : int
        Pictures that were not in the set before.
    dropped : int
        Pictures left out because their group lies in two splits.
    unlabelled : int
        Kept pictures without a label for the target.
    proof : dict
        See `curate.splits.leakage.LeakageCheck`.
    """

    split_set: str
    target: str
    sizes: dict[str, dict[str, int]]
    pictures: int
    groups: int
    added: int
    dropped: int
    unlabelled: int
    proof: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON-able values."""
        return asdict(self)


def split(
    workspace: Workspace,
    *,
    target: Field | str | None = None,
    policy: Policy | Path | str | None = None,
    split_set: str | None = None,
    new_split: str | None = None,
    keep_given_splits: bool = False,
    spinners_train_only: bool = False,
    progress: Progress = SILENT,
) -> SplitSummary:
    """Deal the kept pictures that have a label.

    A picture once dealt keeps its split for ever; newcomers are added. A picture that is no longer
    kept leaves, and returns to the same split when its reject is undone.

    Parameters
    ----------
    workspace : Workspace
        A judged workspace.
    target : str, optional
        ``damage``, ``brand`` or ``model``; see `curate.targets.resolve_target`.
    policy : Policy or path, optional
        Its splits part: ratios, seed, folds.
    split_set : str, optional
        The set to add to; the target's name by default, or the newest set for it.
    new_split : str, optional
        Start a set of this name.
    keep_given_splits : bool
        Deal as the imported folders were named.
    spinners_train_only : bool
        Spinner frames go to train only.
    progress : Progress
        Told about settings that an existing set overrides.

    Raises
    ------
    SplitError
        Too few classes or groups, or the outcome would leak; nothing is written.
    UsageError
        `new_split` exists already.
    """
    rules = load_policy(policy)
    field = resolve_target(workspace.catalog, target)
    options = {
        "keep_given_splits": keep_given_splits,
        "spinners_train_only": spinners_train_only,
        "folds": rules.splits.folds,
    }
    settings = _settings(workspace.catalog, field, rules, options, split_set, new_split, progress)
    members, unlabelled = _members(workspace.catalog, field)
    assigned = _assigned(workspace.catalog, settings["name"])
    outcome = assign_splits(
        members,
        settings["ratios"],
        seed=settings["seed"],
        assigned=assigned,
        min_groups=rules.splits.min_groups,
        keep_given=settings["options"]["keep_given_splits"],
        spinners_train_only=settings["options"]["spinners_train_only"],
    )
    groups = {member.sha256: member.group for member in members}
    gate = load_gate(workspace)
    spinners = _spin_groups(workspace.catalog)
    proof = check_leakage(
        workspace,
        outcome.splits,
        groups,
        radius=rules.duplicates.radius,
        find=lambda rows: find_duplicates(workspace, rows, rules, gate, spin_groups=spinners),
    )
    _refuse_leak(proof)
    labels = {member.sha256: member.label for member in members}
    with workspace.catalog.begin() as connection:
        _write(workspace.catalog, connection, settings, outcome.splits, labels, groups, proof)
        _mark_bridges(workspace.catalog, connection, outcome.dropped)
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    for sha256, name in outcome.splits.items():
        sizes[name][labels[sha256]] += 1
    return SplitSummary(
        settings["name"],
        field.value,
        {name: dict(sorted(sizes[name].items())) for name in settings["ratios"]},
        len(outcome.splits),
        len({groups[sha256] for sha256 in outcome.splits}),
        sum(sha256 not in assigned for sha256 in outcome.splits),
        len(outcome.dropped),
        unlabelled,
        proof.as_dict(),
    )


def _settings(
    catalog: Catalog,
    field: Field,
    rules: Policy,
    options: dict[str, Any],
    split_set: str | None,
    new_split: str | None,
    progress: Progress,
) -> dict[str, Any]:
    """Return the row of the set to deal to: the existing one as it is, or a new one."""
    names = {each.name for each in split_sets(catalog)}
    if new_split is not None and new_split in names:
        raise UsageError(
            f"there is a split set '{new_split}' already, and its splits never change",
            hint="choose another name for --new-split",
        )
    existing = None
    if new_split is None and split_set in names:
        existing = choose_split_set(catalog, split_set, field)
    elif not (new_split or split_set):
        existing = newest_split_set(catalog, field)
    if existing is None:
        name = new_split or split_set or field.value
        if name in names:
            raise UsageError(
                f"the split set '{name}' is about another target than {field.value}",
                hint="choose another --new-split NAME",
            )
        return {
            "name": name,
            "target": field.value,
            "seed": rules.splits.seed,
            "ratios": rules.splits.shares,
            "options": options,
            "created_at": now(),
        }
    wanted = {"ratios": rules.splits.shares, "seed": rules.splits.seed, "options": options}
    if any(getattr(existing, key) != value for key, value in wanted.items()):
        progress.log(
            f"the split set '{existing.name}' keeps the ratios, seed and options it was made "
            "with; use --new-split NAME for others"
        )
    return {
        key: getattr(existing, key)
        for key in ("name", "target", "seed", "ratios", "options", "created_at")
    }


def _members(catalog: Catalog, field: Field) -> tuple[list[Member], int]:
    labels = effective_labels(catalog, field)
    verdicts, sightings = schema.verdicts, schema.sightings
    with catalog.read() as connection:
        kept = connection.execute(
            select(verdicts.c.sha256, verdicts.c.group).where(verdicts.c.verdict == "keep")
        ).all()
        spinning: set[str] = set()
        given: dict[str, str] = {}
        for sha256, spin_group, name in connection.execute(
            select(sightings.c.sha256, sightings.c.spin_group, sightings.c.given_split)
        ):
            if spin_group:
                spinning.add(sha256)
            if name:
                given[sha256] = max(given.get(sha256, name), name, key=_protection)
    members = []
    for sha256, group in kept:
        label = labels.get(sha256)
        if label is not None and label.value is not None:
            members.append(
                Member(sha256, label.value, group, sha256 in spinning, given.get(sha256))
            )
    return members, len(kept) - len(members)


def _spin_groups(catalog: Catalog) -> dict[str, str | None]:
    table = schema.sightings
    query = select(table.c.sha256, table.c.spin_group).where(table.c.spin_group.is_not(None))
    with catalog.read() as connection:
        return dict(connection.execute(query).all())


def _protection(name: str) -> int:
    return {"test": 2, "validation": 1}.get(name, 0)


def _assigned(catalog: Catalog, name: str) -> dict[str, str]:
    table = schema.assignments
    query = select(table.c.sha256, table.c.split).where(table.c.split_set == name)
    with catalog.read() as connection:
        return dict(connection.execute(query).all())


def _refuse_leak(proof: LeakageCheck) -> None:
    if proof.leaks:
        first, second, kind = proof.leaks[0]
        raise SplitError(
            f"{len(proof.leaks)} pairs of duplicates would lie in two splits, such as "
            f"{first[:12]} and {second[:12]} ({kind}); no split was written",
            hint="judge again with the policy in force (bodyshop curate), or start a new split "
            "set: bodyshop curate --new-split NAME",
        )


def _write(
    catalog: Catalog,
    connection: Connection,
    settings: Mapping[str, Any],
    splits: Mapping[str, str],
    labels: Mapping[str, str],
    groups: Mapping[str, str],
    proof: LeakageCheck,
) -> None:
    name = settings["name"]
    catalog.upsert(
        schema.split_sets,
        [
            {
                **settings,
                "leakage_check": proof.as_dict(),
                "revision": next_revision(connection),
            }
        ],
        connection=connection,
    )
    catalog.upsert(
        schema.assignments,
        [{"split_set": name, "sha256": sha, "split": where} for sha, where in splits.items()],
        connection=connection,
    )
    connection.execute(delete(schema.splits).where(schema.splits.c.split_set == name))
    rows = [
        {
            "split_set": name,
            "sha256": sha256,
            "split": where,
            "label": labels[sha256],
            "group": groups[sha256],
        }
        for sha256, where in sorted(splits.items())
    ]
    catalog.upsert(schema.splits, rows, connection=connection)


def _mark_bridges(
    catalog: Catalog, connection: Connection, dropped: Mapping[str, Sequence[str]]
) -> None:
    """Turn the verdict of pictures that would tie two splits together, unless a human kept them."""
    table = schema.verdicts
    for sha256, names in dropped.items():
        connection.execute(
            table.update()
            .where(table.c.sha256 == sha256, table.c.human.is_(False))
            .values(
                verdict="reject",
                reasons=[Reason.SPLIT_BRIDGE.value],
                details={Reason.SPLIT_BRIDGE.value: {"splits": list(names)}},
            )
        )
