"""Assigning groups of pictures to train, validation and test: deterministic and stratified."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bodyshop_core.errors import BodyshopError
from curate.verdicts.bridges import find_bridges, splits_of_group


class SplitError(BodyshopError):
    """These pictures can't be split, or the splits would leak."""


class TooFewGroupsError(SplitError):
    """There are too few classes, or a class has too few groups, to fill the splits."""


@dataclass(frozen=True, slots=True)
class Member:
    """A kept, labelled picture.

    Parameters
    ----------
    sha256, label, group : str
        The picture, its class, and what it must stay together with.
    spinner : bool
        Whether it is a frame of a spinner.
    given : str or None
        The split its folder named.
    """

    sha256: str
    label: str
    group: str
    spinner: bool = False
    given: str | None = None


@dataclass(frozen=True)
class SplitAssignment:
    """The outcome of `assign_splits`.

    Parameters
    ----------
    splits : dict
        sha256 -> split.
    dropped : dict
        sha256 -> the splits that it would connect; such a picture is in no split.
    """

    splits: dict[str, str]
    dropped: dict[str, tuple[str, ...]]


def assign_splits(
    members: Sequence[Member],
    shares: Mapping[str, float],
    *,
    seed: int,
    assigned: Mapping[str, str] | None = None,
    min_groups: int = 3,
    keep_given: bool = False,
    spinners_train_only: bool = False,
    unit: str = "group",
) -> SplitAssignment:
    """Assign pictures to splits so that no group is in two of them.

    Parameters
    ----------
    members : sequence of Member
        In any order: the outcome does not depend on it.
    shares : Mapping
        Split -> share of the pictures, above 0, summing to 1.
    seed : int
        Decides between equally good assignments.
    assigned : Mapping, optional
        sha256 -> split of earlier assignments; never changed.
    min_groups : int
        Fewest groups a class must have.
    keep_given : bool
        Pictures from folders named train, validation or test stay there. Of a group that lies in
        several, only the part in the most protected split is kept: test, then validation.
    spinners_train_only : bool
        Groups with spinner frames go to train.
    unit : str
        What the groups are, for messages: ``group`` or ``origin``.

    Raises
    ------
    SplitError
        Fewer than two classes; a class with too few groups; a group that earlier assignments put
        into two splits.
    """
    assigned = assigned or {}
    check_classes(
        members,
        shares,
        min_groups=min_groups,
        spinners_train_only=spinners_train_only,
        unit=unit,
        fresh=not assigned,
    )
    groups: dict[str, list[Member]] = defaultdict(list)
    for member in sorted(members, key=lambda member: member.sha256):
        groups[member.group].append(member)
    given = {m.sha256: m.given for m in members if m.given} if keep_given else {}
    dropped = find_bridges({m.sha256: m.group for m in members}, assigned, given)
    table = _Table(members, shares)
    splits: dict[str, str] = {}
    free: list[str] = []
    for name in sorted(groups):
        known = splits_of_group([m.sha256 for m in groups[name]], assigned, given)
        if not known:
            free.append(name)
            continue
        stays = [member for member in groups[name] if member.sha256 not in dropped]
        if any(assigned.get(member.sha256, known[0]) != known[0] for member in stays):
            what = (
                f"pictures of the group {name} were assigned to {' and '.join(known)} earlier, and "
                "are known to be duplicates now"
                if unit == "group"
                else f"pictures of one origin, or of origins that share pictures ({name}), were "
                f"assigned to {' and '.join(known)} earlier"
            )
            raise SplitError(
                what,
                hint="start a new split set: bodyshop curate --new-split NAME",
            )
        _put(stays, known[0], splits, table)
    order = _Order(seed, groups)
    if spinners_train_only:
        spinning = [name for name in free if any(m.spinner for m in groups[name])]
        for name in spinning:
            _put(groups[name], "train", splits, table)
        away = set(spinning)
        free = [name for name in free if name not in away]
    _represent_every_class(groups, free, order, splits, table)
    for name in sorted(free, key=order.largest_first):
        _put(groups[name], table.neediest(groups[name], order.tie(name)), splits, table)
    return SplitAssignment(splits, dropped)


class _Table:
    """How many pictures of each class each split wants and has."""

    def __init__(self, members: Iterable[Member], shares: Mapping[str, float]) -> None:
        self.totals = Counter(member.label for member in members)
        self.shares = dict(shares)
        self.have: dict[str, Counter[str]] = {split: Counter() for split in shares}

    def take(self, split: str, members: Iterable[Member]) -> None:
        self.have.setdefault(split, Counter()).update(member.label for member in members)

    def neediest(self, members: Sequence[Member], tie: int) -> str:
        """Return the split that lacks most of the labels in a group, relative to each class."""
        counts = Counter(member.label for member in members)

        def need(split: str) -> float:
            share = self.shares[split]
            return sum(
                count * (share - self.have[split][label] / self.totals[label])
                for label, count in counts.items()
            )

        names = list(self.shares)
        return max(names, key=lambda split: (round(need(split), 9), _rotated(names, split, tie)))


class _Order:
    """Orders that depend on the seed and the group's name only."""

    def __init__(self, seed: int, groups: Mapping[str, Sequence[Member]]) -> None:
        self._seed, self._groups = seed, groups

    def tie(self, name: str) -> int:
        digest = hashlib.sha256(f"{self._seed}:{name}".encode()).digest()
        return int.from_bytes(digest[:8], "big")

    def largest_first(self, name: str) -> tuple[int, int]:
        return (-len(self._groups[name]), self.tie(name))

    def smallest_first(self, name: str) -> tuple[int, int]:
        return (len(self._groups[name]), self.tie(name))


def check_classes(
    members: Sequence[Member],
    shares: Mapping[str, float],
    *,
    min_groups: int,
    spinners_train_only: bool,
    unit: str,
    fresh: bool,
) -> None:
    """Raise `TooFewGroupsError` unless the classes fill the splits; see `assign_splits`.

    Parameters
    ----------
    fresh : bool
        Whether nothing is assigned yet. Newcomers join a set that passed before: of it only two
        classes are asked.
    """
    groups: dict[str, set[str]] = defaultdict(set)
    spinning: set[str] = {member.group for member in members if member.spinner}
    for member in members:
        groups[member.label].add(member.group)
    if len(groups) < 2:
        found = f"only '{next(iter(groups))}'" if groups else "none"
        raise TooFewGroupsError(
            f"a split needs pictures of at least two classes, found {found}",
            hint="label more pictures, or choose another --target",
        )
    if not fresh:
        return
    needed = max(min_groups, len(shares))
    held_out = len(shares) - 1 if "train" in shares else len(shares)
    for label in sorted(groups):
        count = len(groups[label])
        if count < needed and unit == "origin":
            raise TooFewGroupsError(
                f"class '{label}' has pictures of {count} origin{'s' if count != 1 else ''} that "
                f"share none, and {needed} are needed to hold whole origins out for "
                f"{', '.join(shares)}",
                hint="collect or import that class from other sources (bodyshop import --source "
                "NAME), or leave out splits.by: origin",
            )
        if count < needed:
            raise TooFewGroupsError(
                f"class '{label}' has {count} group{'s' if count != 1 else ''} of pictures that "
                f"belong together, and {needed} are needed to fill {', '.join(shares)}",
                hint="collect more pictures of it, or remove it; if its pictures are spinner "
                "frames, add single pictures and use --spinners-train-only",
            )
        if spinners_train_only and len(groups[label] - spinning) < held_out:
            raise TooFewGroupsError(
                f"class '{label}' has too few groups without spinner frames for the other splits",
                hint="collect single pictures of it, or leave out --spinners-train-only",
            )


def _represent_every_class(
    groups: Mapping[str, Sequence[Member]],
    free: list[str],
    order: _Order,
    splits: dict[str, str],
    table: _Table,
) -> None:
    """Give each split one small group of each class, the rarest class first."""
    labels = {name: {member.label for member in groups[name]} for name in free}
    by_label: dict[str, list[str]] = defaultdict(list)
    for name in free:
        for label in labels[name]:
            by_label[label].append(name)
    by_share = sorted(table.shares, key=lambda split: (table.shares[split], split))
    for label in sorted(by_label, key=lambda label: (len(by_label[label]), label)):
        for split in by_share:
            candidates = [name for name in by_label[label] if name in labels]
            if table.have[split][label] or not candidates:
                continue
            name = min(candidates, key=order.smallest_first)
            _put(groups[name], split, splits, table)
            free.remove(name)
            del labels[name]


def _put(group: Sequence[Member], split: str, splits: dict[str, str], table: _Table) -> None:
    for member in group:
        splits[member.sha256] = split
    table.take(split, group)


def _rotated(names: Sequence[str], split: str, tie: int) -> int:
    return (names.index(split) + tie) % len(names)
