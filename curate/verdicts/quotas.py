"""At most so many pictures per page, host, source and class: which stay, and which are over quota.

Nothing here reads a picture, a file or the catalog.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.policy import LimitsPolicy
    from curate.verdicts.screen import Facts

PLACES: dict[str, Callable[[Facts], str | None]] = {
    "per_page": lambda facts: facts.page,
    "per_host": lambda facts: facts.host,
    "per_source": lambda facts: facts.source,
    "per_class": lambda facts: facts.value,
}
"""Limit -> what it counts; pages are within hosts, and are asked before them."""


def over_quota(
    kept: Iterable[Facts],
    limits: LimitsPolicy,
    *,
    groups: Mapping[str, str] | None = None,
    assigned: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the pictures that are too many, with the limit that they exceed.

    Parameters
    ----------
    kept : iterable of Facts
        Pictures without another reason. Those that a person kept always stay, and count.
    limits : LimitsPolicy
        The limits; None is no limit.
    groups : Mapping, optional
        sha256 -> group, for pictures that share theirs with others.
    assigned : Mapping, optional
        sha256 -> split, of pictures that have one already.

    Returns
    -------
    dict
        sha256 -> ``{quota, limit, setting}``; the quota's is the page, host, source or class.
        First come those kept by a person, then those with a label. A page, host or source gives
        its classes equal parts, as far as they have pictures. Of a class the best of each split
        comes first, then the best of each group. The better is of higher rank where it was found,
        larger, sharper, in this order.
    """
    wanted: dict[str, int] = {
        name: limit for name, limit in limits.model_dump().items() if limit is not None
    }
    if not wanted:
        return {}
    asked = [PLACES[name] for name in wanted]
    groups, assigned = groups or {}, assigned or {}
    rows = sorted(
        (
            *_order(facts),  # ends in sha256 and label: what follows is never compared
            groups.get(facts.sha256, facts.sha256),
            assigned.get(facts.sha256),
            *[place(facts) for place in asked],
        )
        for facts in kept
    )
    if not rows:
        return {}
    unasked, unlabelled, _, _, _, names, values, group, split, *places = zip(*rows, strict=True)
    turns = _Turns(
        unasked=np.array(unasked),
        unlabelled=np.array(unlabelled),
        value=_numbered(values),
        group=_numbered(group),
        split=_numbered(split),
    )
    at = {name: _numbered(place) for name, place in zip(wanted, places, strict=True)}
    stays = np.ones(len(rows), dtype=bool)
    for name, limit in wanted.items():
        stays[turns.beyond(limit, at[name], np.flatnonzero(stays))] = False
    counts = [Counter[str](compress(place, stays)) for place in places]
    over: dict[str, dict[str, Any]] = {}
    # What one limit took out may have made room below another: what still fits, stays.
    for row in turns.ordered(np.flatnonzero(~stays)).tolist():
        for (name, limit), place, count in zip(wanted.items(), places, counts, strict=True):
            if place[row] and count[place[row]] >= limit:
                setting = f"limits.{name}"
                over[names[row]] = {"quota": place[row], "limit": limit, "setting": setting}
                break
        else:
            for place, count in zip(places, counts, strict=True):
                count[place[row]] += 1
    return over


@dataclass(frozen=True)
class _Turns:
    """An order in which classes take turns, and within each class its splits and groups.

    The arrays are of all pictures, the best first; labels, groups and splits are numbers, -1 where
    there is none.
    """

    unasked: NDArray[np.bool_]
    unlabelled: NDArray[np.bool_]
    value: NDArray[np.intp]
    group: NDArray[np.intp]
    split: NDArray[np.intp]

    def beyond(
        self, limit: int, place: NDArray[np.intp], rows: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """Return which of some rows come after the first so many of their place."""
        rows = self.ordered(rows[place[rows] >= 0], place)
        return rows[(_turn(place[rows]) >= limit) & self.unasked[rows]]

    def ordered(
        self, rows: NDArray[np.intp], place: NDArray[np.intp] | None = None
    ) -> NDArray[np.intp]:
        """Order some rows, given in their order, by their turns at each place."""
        place = np.zeros_like(self.value) if place is None else place
        for part in (self.group, self.split, self.value):
            turn = _turn(place[rows], self.value[rows], part[rows])
            if part is self.split:  # of each split the first, and then the others as they are
                turn = np.where(part[rows] < 0, 1, np.minimum(turn, 1))
            last = self.unlabelled[rows] & (part is self.value)
            rows = rows[np.lexsort((turn, last, self.unasked[rows], place[rows]))]
        return rows


def _turn(*keys: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many of the same keys come before each."""
    order = np.lexsort(keys)
    new = np.ones(len(order), dtype=bool)
    new[1:] = np.any([np.diff(key[order]) != 0 for key in keys], axis=0)
    starts = np.flatnonzero(new)
    turns = np.empty_like(order)
    turns[order] = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    return turns


def _numbered(things: Sequence[Hashable]) -> NDArray[np.intp]:
    """Give equal things equal numbers; those that are None, or empty, get -1."""
    numbers: dict[Hashable, int] = {thing: at for at, thing in enumerate(dict.fromkeys(things))}
    numbers |= dict.fromkeys((None, ""), -1)
    return np.fromiter((numbers[thing] for thing in things), np.intp, count=len(things))


def _order(facts: Facts) -> tuple[Any, ...]:
    measured, value = facts.measured or {}, facts.value
    return (
        facts.decision != "keep",
        value is None,
        inf if facts.rank is None else facts.rank,
        -(measured.get("width") or 0.0) * (measured.get("height") or 0.0),
        -(measured.get("sharpness") or 0.0),
        facts.sha256,
        value,
    )
