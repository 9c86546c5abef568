"""Assigning the kept pictures of a workspace to the splits of a split set."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import Catalog, Field, schema
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from curate.duplicates.stage import find_duplicates
from curate.gate.feature_store import FeatureStore
from curate.gate.stage import load_gate
from curate.policy import Policy, load_policy
from curate.splits.assign import SplitError, assign_splits
from curate.splits.leakage import LeakageCheck, check_leakage
from curate.splits.members import load_members
from curate.splits.scenes import SceneCheck, check_scenes
from curate.splits.settings import SplitSettings, choose_settings
from curate.splits.writing import reject_bridges, write_split_set
from curate.targets import resolve_target
from curate.verdicts.facts import load_assigned, load_facts

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace
    from curate.duplicates import DuplicatePair
    from curate.verdicts.fact_table import FactTable


@dataclass(frozen=True)
class SplitSummary(Summary):
    """What a split set holds.

    Parameters
    ----------
    split_set, target : str
        Its name and the field it is about.
    sizes : dict
        Split -> label -> pictures.
    pictures, groups : int
        Assigned pictures, and groups of them.
    added : int
        Pictures that were not in the set before.
    dropped : int
        Kept pictures left out because they would connect two splits.
    rejected : int
        Those of them that are rejected for it: a picture that a person kept stays kept.
    unlabelled : int
        Kept pictures without a label for the target.
    leakage_check : dict
        See `curate.splits.leakage.LeakageCheck`.
    """

    split_set: str
    target: str
    sizes: dict[str, dict[str, int]]
    pictures: int
    groups: int
    added: int
    dropped: int
    rejected: int
    unlabelled: int
    leakage_check: dict[str, Any]


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
    """Assign the kept pictures that have a label to train, validation and test.

    A picture once assigned keeps its split for ever; newcomers are added. A picture that is no
    longer kept leaves, and returns to the same split when its rejection is undone.

    Parameters
    ----------
    workspace : Workspace
        A judged workspace.
    target : str, optional
        ``damage``, ``brand`` or ``model``; see `curate.targets.resolve_target`.
    policy : Policy or path, optional
        Its splits part: ratios, seed, folds.
    split_set : str, optional
        The set to add to; the target's newest by default, or one named as the target.
    new_split : str, optional
        Start a set of this name.
    keep_given_splits : bool
        Keep pictures in the splits that the imported folders named.
    spinners_train_only : bool
        Spinner frames go to train only.
    progress : Progress
        Told about settings that an existing set overrides.

    Raises
    ------
    SplitError
        Too few classes or groups, or the splits would leak; nothing is written.
    UsageError
        `new_split` exists already.
    """
    rules = load_policy(policy)
    field = resolve_target(workspace.catalog, target)
    settings = choose_settings(
        workspace.catalog,
        field,
        rules,
        split_set=split_set,
        new_split=new_split,
        keep_given_splits=keep_given_splits,
        spinners_train_only=spinners_train_only,
        progress=progress,
    )
    gate = load_gate(workspace)
    facts = load_facts(workspace.catalog, gate_id=gate.id, target=field, policy=rules.splits)
    kept = _kept(workspace.catalog)
    found = find_duplicates(
        workspace,
        facts.signatures(_among(facts, kept)),
        rules,
        gate,
        among="kept",
        spin_groups=facts.spin_groups,
        progress=progress,
    )
    store = FeatureStore(workspace.features / gate.fingerprint)
    return write_splits(
        workspace.catalog,
        settings,
        facts,
        kept,
        found.pairs,
        rules,
        look_again=lambda splits: check_scenes(workspace, splits, store, progress=progress),
    )


def write_splits(
    catalog: Catalog,
    settings: SplitSettings,
    facts: FactTable,
    kept: Mapping[str, str],
    duplicates: Sequence[DuplicatePair],
    policy: Policy,
    *,
    look_again: Callable[[Mapping[str, str]], SceneCheck] | None = None,
) -> SplitSummary:
    """Assign the kept, labelled pictures, check for leaks, and write the split set.

    Parameters
    ----------
    catalog : Catalog
        Is written in one transaction.
    settings : SplitSettings
        Of the set.
    facts : FactTable
        Of all pictures; labels are those of the set's target.
    kept : Mapping
        sha256 -> group, of the kept pictures.
    duplicates : sequence of DuplicatePair
        Confirmed duplicates among them.
    policy : Policy
        Fewest groups per class, and the duplicate radius.
    look_again : callable, optional
        sha256 -> split: looks for pictures of one scene in two splits by other means.

    Raises
    ------
    SplitError
        Too few classes or groups, or the splits would leak; nothing is written.
    """
    assigned = load_assigned(catalog, settings.name)
    members, united, bridges = load_members(catalog, settings, facts, kept, assigned)
    outcome = assign_splits(
        united,
        settings.ratios,
        seed=settings.seed,
        assigned=assigned,
        min_groups=policy.splits.min_groups,
        keep_given=settings.keep_given,
        spinners_train_only=settings.spinners_train_only,
        unit=settings.unit,
    )
    dropped = {**bridges, **outcome.dropped}
    check = check_leakage(
        facts.signatures(_among(facts, outcome.splits)),
        outcome.splits,
        kept,
        duplicates,
        radius=policy.duplicates.radius,
    )
    _refuse_leak(check)
    if look_again is not None:
        check = replace(check, scenes=asdict(look_again(outcome.splits)))
    placed = [member for member in members if member.sha256 in outcome.splits]
    with catalog.begin() as connection:
        row = {**asdict(settings), "leakage_check": check.as_dict()}
        write_split_set(catalog, connection, row, placed, outcome.splits)
        rejected = reject_bridges(connection, dropped)
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    for member in placed:
        sizes[outcome.splits[member.sha256]][member.label] += 1
    return SplitSummary(
        settings.name,
        settings.target,
        {name: dict(sorted(sizes[name].items())) for name in settings.ratios},
        len(placed),
        len({member.group for member in placed}),
        sum(member.sha256 not in assigned for member in placed),
        len(dropped),
        rejected,
        len(kept) - len(members),
        check.as_dict(),
    )


def _among(facts: FactTable, pictures: Container[str]) -> NDArray[np.bool_]:
    """Mark the positions of pictures."""
    import numpy as np

    return np.fromiter((name in pictures for name in facts.names), bool, count=len(facts))


def _kept(catalog: Catalog) -> dict[str, str]:
    """Return sha256 -> group of the kept pictures."""
    table = schema.verdicts
    query = select(table.c.sha256, table.c.group).where(table.c.verdict == "keep")
    with catalog.read() as connection:
        return dict(connection.execute(query).all())


def _refuse_leak(check: LeakageCheck) -> None:
    if check.leaks:
        first, second, kind = check.leaks[0]
        raise SplitError(
            f"{len(check.leaks)} pairs of duplicates would lie in two splits, such as "
            f"{first[:12]} and {second[:12]} ({kind}); no split was written",
            hint="run bodyshop curate with the policy in force, or start a new split set: "
            "bodyshop curate --new-split NAME",
        )
