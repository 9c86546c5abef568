"""Assigning the kept pictures of a workspace to the splits of a split set."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import Catalog, Field, now, picture_origins, schema
from bodyshop_core.catalog.split_sets import (
    choose_split_set,
    newest_split_set,
    split_sets,
)
from bodyshop_core.errors import UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from curate.duplicates.stage import find_duplicates
from curate.gate.feature_store import FeatureStore
from curate.gate.stage import load_gate
from curate.policy import Policy, load_policy
from curate.splits.assign import Member, SplitError, assign_splits
from curate.splits.leakage import LeakageCheck, check_leakage
from curate.splits.origins import unite_origins
from curate.splits.scenes import SceneCheck, check_scenes
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


@dataclass(frozen=True)
class SplitSettings:
    """What decides about the assignments of a split set.

    Parameters
    ----------
    name, target : str
        The set's name and the field it is about.
    seed : int
        Decides everything that is left to chance.
    ratios : dict
        Split -> share of the pictures, 0 to 1.
    options : dict
        ``keep_given_splits``, ``spinners_train_only`` (bool) and ``folds`` (int); ``by`` where it
        is ``origin``.
    created_at : str
        UTC, ISO 8601.
    """

    name: str
    target: str
    seed: int
    ratios: dict[str, float]
    options: dict[str, Any]
    created_at: str

    @property
    def keep_given(self) -> bool:
        """Whether pictures stay in the split that their folder named."""
        return bool(self.options.get("keep_given_splits"))

    @property
    def spinners_train_only(self) -> bool:
        """Whether spinner frames go to train only."""
        return bool(self.options.get("spinners_train_only"))

    @property
    def by_origin(self) -> bool:
        """Whether all pictures of an origin are in one split."""
        return self.options.get("by") == "origin"


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


def choose_settings(
    catalog: Catalog,
    field: Field,
    rules: Policy,
    *,
    split_set: str | None = None,
    new_split: str | None = None,
    keep_given_splits: bool = False,
    spinners_train_only: bool = False,
    progress: Progress = SILENT,
) -> SplitSettings:
    """Return the settings of the set to add to: an existing one's as they are, or new ones.

    Parameters are those of `split`.
    """
    options: dict[str, Any] = {
        "keep_given_splits": keep_given_splits,
        "spinners_train_only": spinners_train_only,
        "folds": rules.splits.folds,
    }
    if rules.splits.by == "origin":
        if keep_given_splits:
            raise UsageError(
                "splits.by: origin and --keep-given-splits exclude each other: an imported folder "
                "with train and test folders is one origin",
                hint="leave out one of them",
            )
        options["by"] = "origin"
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
        return SplitSettings(
            name, field.value, rules.splits.seed, rules.splits.shares, options, now()
        )
    wanted = {"ratios": rules.splits.shares, "seed": rules.splits.seed, "options": options}
    if any(getattr(existing, key) != value for key, value in wanted.items()):
        progress.log(
            f"the split set '{existing.name}' keeps the ratios, seed and options it was made "
            "with; use --new-split NAME for others"
        )
    return SplitSettings(
        existing.name,
        existing.target,
        existing.seed,
        existing.ratios,
        existing.options,
        existing.created_at,
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
    members = [
        Member(
            one.sha256,
            one.value,
            kept[one.sha256],
            spinner=one.spin_group is not None,
            given=one.given_split,
        )
        for one in facts
        if one.sha256 in kept and one.value is not None
    ]
    assigned = load_assigned(catalog, settings.name)
    united, bridges = members, dict[str, tuple[str, ...]]()
    if settings.by_origin:
        united, bridges = unite_origins(members, picture_origins(catalog), assigned)
    outcome = assign_splits(
        united,
        settings.ratios,
        seed=settings.seed,
        assigned=assigned,
        min_groups=policy.splits.min_groups,
        keep_given=settings.keep_given,
        spinners_train_only=settings.spinners_train_only,
        unit="origin" if settings.by_origin else "group",
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
