"""Pictures that would connect two splits: they are left out of both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

PROTECTED = ("test", "validation", "train")
"""Splits, the one that may lose pictures last first."""


def find_bridges(
    groups: Mapping[str, str], assigned: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Find the pictures that belong to a split other than the rest of their group.

    A picture that was assigned earlier never leaves its split, so it is not among them. Without
    earlier assignments, a group whose folders named several splits keeps the part in the most
    protected one.

    Parameters
    ----------
    groups : Mapping
        sha256 -> group, of the pictures to be split.
    assigned : Mapping
        sha256 -> split of earlier assignments.
    given : Mapping
        sha256 -> split that its folder named; empty when that does not count.

    Returns
    -------
    dict
        sha256 -> the splits that it would connect, sorted by name.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for sha256, group in groups.items():
        members[group].append(sha256)
    bridges = {}
    for names in members.values():
        splits = splits_of_group(names, assigned, given)
        for sha256 in names:
            own = given.get(sha256)
            if not splits or sha256 in assigned:
                continue
            if own != splits[0] if own is not None else len(splits) > 1:
                bridges[sha256] = tuple(sorted({*splits, *([own] if own else [])}))
    return bridges


def splits_of_group(
    members: Iterable[str], assigned: Mapping[str, str], given: Mapping[str, str]
) -> list[str]:
    """Return the splits that a group is in already, the one that counts first."""
    members = list(members)
    known = {assigned[sha256] for sha256 in members if sha256 in assigned}
    if not known:
        known = {given[sha256] for sha256 in members if sha256 in given}
    rank = {name: place for place, name in enumerate(PROTECTED)}
    return sorted(known, key=lambda name: (rank.get(name, len(rank)), name))
