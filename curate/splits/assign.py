"""Dealing groups of pictures to train, validation and test: pure, deterministic, stratified."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bodyshop_core.errors import BodyshopError

PROTECTED = ("test", "validation", "train")
"""Given splits, the one to be disturbed least first."""


class SplitError(BodyshopError):
    """No split can be dealt from these pictures, or it would leak."""


@dataclass(frozen=True)
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
        sha256 -> the splits its group ties together; such a picture is in no split.
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
) -> SplitAssignment:
    """Deal pictures to splits so that no group straddles two of them.

    Parameters
    ----------
    members : sequence of Member
        In any order: the outcome does not depend on it.
    shares : Mapping
        Split -> share of the pictures, above 0, summing to 1.
    seed : int
        Decides between equally good deals.
    assigned : Mapping, optional
        sha256 -> split of earlier deals; never changed.
    min_groups : int
        Fewest groups a class must have.
    keep_given : bool
        Pictures from folders named train, validation or test stay there. Of a group that lies in
        several, only the part in the most protected split is kept: test, then validation.
    spinners_train_only : bool
        Groups with spinner frames go to train.

    Raises
    ------
    SplitError
        Fewer than two classes; a class with too few groups; an earlier deal that is torn.
    """
    assigned = assigned or {}
    _check_classes(members, shares, min_groups, spinners_train_only, fresh=not assigned)
    groups: dict[str, list[Member]] = defaultdict(list)
    for member in sorted(members, key=lambda member: member.sha256):
        groups[member.group].append(member)
    table = _Table(members, shares)
    splits: dict[str, str] = {}
    dropped: dict[str, tuple[str, ...]] = {}
    free: list[str] = []
    for name in sorted(groups):
        where = _settled(groups[name], assigned, keep_given)
        if not where:
            free.append(name)
            continue
        place = where[0]
        for member in groups[name]:
            own = assigned.get(member.sha256) or (member.given if keep_given else None)
            if (own is None and len(where) > 1) or (own is not None and own != place):
                if member.sha256 in assigned:
                    raise SplitError(
                        f"pictures of the group {name} were dealt to {' and '.join(where)} "
                        "earlier, and are known to be duplicates now",
                        hint="start a new split set: bodyshop curate --new-split NAME",
                    )
                dropped[member.sha256] = tuple(where)
            else:
                splits[member.sha256] = place
                table.take(place, [member])
    order = _Order(seed, groups)
    if spinners_train_only:
        for name in [name for name in free if any(m.spinner for m in groups[name])]:
            free.remove(name)
            _put(groups[name], "train", splits, table)
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


def _check_classes(
    members: Sequence[Member],
    shares: Mapping[str, float],
    min_groups: int,
    spinners_train_only: bool,
    *,
    fresh: bool,
) -> None:
    groups: dict[str, set[str]] = defaultdict(set)
    spinning: set[str] = {member.group for member in members if member.spinner}
    for member in members:
        groups[member.label].add(member.group)
    if len(groups) < 2:
        found = f"only '{next(iter(groups))}'" if groups else "none"
        raise SplitError(
            f"a split needs pictures of at least two classes, found {found}",
            hint="label more pictures, or choose another --target",
        )
    if not fresh:  # newcomers join a set that has passed this once
        return
    needed = max(min_groups, len(shares))
    held_out = len(shares) - 1 if "train" in shares else len(shares)
    for label in sorted(groups):
        count = len(groups[label])
        if count < needed:
            raise SplitError(
                f"class '{label}' has {count} group{'s' if count != 1 else ''} of pictures that "
                f"belong together, and {needed} are needed to fill {', '.join(shares)}",
                hint="collect more of it, or take it out; if its pictures are spinner frames, "
                "single pictures beside them and --spinners-train-only help",
            )
        if spinners_train_only and len(groups[label] - spinning) < held_out:
            raise SplitError(
                f"class '{label}' has only spinner frames to put outside of train",
                hint="collect single pictures of it, or leave out --spinners-train-only",
            )


def _settled(group: Sequence[Member], assigned: Mapping[str, str], keep_given: bool) -> list[str]:
    """Return the splits a group lies in already, the one that counts first."""
    known = {assigned[member.sha256] for member in group if member.sha256 in assigned}
    if not known and keep_given:
        known = {member.given for member in group if member.given}
    rank = {name: place for place, name in enumerate(PROTECTED)}
    return sorted(known, key=lambda name: (rank.get(name, len(rank)), name))


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
