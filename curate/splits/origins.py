"""Groups that are whole origins, so that no picture of a source is trained on and tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scipy.cluster.hierarchy import DisjointSet

from curate.splits.assign import Member


def unite_origins(
    members: Sequence[Member], origins: Mapping[str, str], assigned: Mapping[str, str]
) -> tuple[list[Member], dict[str, tuple[str, ...]]]:
    """Put the pictures of an origin into one group; origins that share a group become one.

    Parameters
    ----------
    members : sequence of Member
        Kept, labelled pictures.
    origins : Mapping
        sha256 -> origin.
    assigned : Mapping
        sha256 -> split of earlier assignments. A newcomer whose origin is in one split and whose
        duplicates are in another is left out: it would unite two splits.

    Returns
    -------
    united : list of Member
        The members, but for those left out; their group is the smallest name of what it unites.
    bridges : dict
        sha256 -> the splits that a picture would connect, sorted by name.
    """
    sets = DisjointSet()
    split_of: dict[str, str] = {}
    bridges: dict[str, tuple[str, ...]] = {}
    for member in sorted(members, key=lambda each: (each.sha256 not in assigned, each.sha256)):
        keys = [f"group {member.group}", f"origin {origins[member.sha256]}"]
        for key in keys:
            sets.add(key)
        found = {split for key in keys if (split := split_of.get(sets[key]))}
        own = assigned.get(member.sha256)
        if own is None and len(found) > 1:
            bridges[member.sha256] = tuple(sorted(found))
            continue
        sets.merge(*keys)
        split = own or next(iter(found), None)
        if split is not None:
            split_of[sets[keys[0]]] = split
    names = {key: min(subset) for subset in sets.subsets() for key in subset}
    united = [
        replace(member, group=names[f"group {member.group}"])
        for member in members
        if member.sha256 not in bridges
    ]
    return united, bridges
