"""At most so many pictures per page, host, source and class: which stay, and which are over quota.

Nothing here reads a picture, a file or the catalog.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    turns = _Turns(groups or {}, assigned or {})
    everyone = sorted(kept, key=_order)
    own = {
        facts.sha256: [(name, place) for name in wanted if (place := PLACES[name](facts))]
        for facts in everyone
    }
    chosen = everyone
    for name, limit in wanted.items():
        chosen = turns.best_of_each(PLACES[name], chosen, limit)
    counts = Counter(key for facts in chosen for key in own[facts.sha256])
    stays = {facts.sha256 for facts in chosen}
    over: dict[str, dict[str, Any]] = {}
    # What one limit took out may have made room below another: what still fits, stays.
    for facts in turns.ordered(facts for facts in everyone if facts.sha256 not in stays):
        full = next((key for key in own[facts.sha256] if counts[key] >= wanted[key[0]]), None)
        if full is None:
            counts.update(own[facts.sha256])
        else:
            name, place = full
            over[facts.sha256] = {
                "quota": place,
                "limit": wanted[name],
                "setting": f"limits.{name}",
            }
    return over


@dataclass(frozen=True)
class _Turns:
    """An order in which classes take turns, and within each class its splits and groups."""

    groups: Mapping[str, str]
    assigned: Mapping[str, str]

    def best_of_each(
        self, place: Callable[[Facts], str | None], pictures: Iterable[Facts], limit: int
    ) -> list[Facts]:
        """Return the first so many of each place, and those that are at none."""
        at: dict[str | None, list[Facts]] = defaultdict(list)
        for facts in pictures:
            at[place(facts)].append(facts)
        chosen = at.pop(None, [])
        for there in at.values():
            people = sum(facts.decision == "keep" for facts in there)
            chosen += self.ordered(there)[: max(limit, people)] if len(there) > limit else there
        return sorted(chosen, key=_order)

    def ordered(self, pictures: Iterable[Facts]) -> list[Facts]:
        """Order pictures that are in `_order`."""
        by_group = _take_turns(pictures, self._group)
        seen: set[tuple[str | None, str]] = set()
        first: dict[str, bool] = {}
        for facts in by_group:
            key = (facts.value, self.assigned.get(facts.sha256, ""))
            first[facts.sha256] = bool(key[1]) and key not in seen
            seen.add(key)
        of_class = sorted(by_group, key=lambda one: (_unasked(one), not first[one.sha256]))
        by_class = _take_turns(of_class, lambda facts: facts.value)
        return sorted(by_class, key=lambda facts: (_unasked(facts), facts.value is None))

    def _group(self, facts: Facts) -> tuple[str | None, str]:
        return facts.value, self.groups.get(facts.sha256, facts.sha256)


def _take_turns(pictures: Iterable[Facts], part: Callable[[Facts], object]) -> list[Facts]:
    """Put the first picture of each part first, then the second of each; people's keeps lead."""
    taken: Counter[object] = Counter()
    turns: list[tuple[bool, int, Facts]] = []
    for facts in pictures:
        turns.append((_unasked(facts), taken[part(facts)], facts))
        taken[part(facts)] += 1
    return [facts for *_, facts in sorted(turns, key=lambda turn: turn[:2])]


def _unasked(facts: Facts) -> bool:
    return facts.decision != "keep"


def _order(facts: Facts) -> tuple[Any, ...]:
    return (
        _unasked(facts),
        facts.value is None,
        inf if facts.rank is None else facts.rank,
        -facts.measure("width") * facts.measure("height"),
        -facts.measure("sharpness"),
        facts.sha256,
    )
