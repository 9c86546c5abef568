"""The limits of `curate.verdicts.quotas` as their documentation says them: slow, and plain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from curate.verdicts.quotas import PLACES
from curate.verdicts.screen import Facts


def plainly_over_quota(
    kept: list[Facts],
    limits: Mapping[str, int],
    groups: Mapping[str, str],
    assigned: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    everyone = sorted(kept, key=_better)
    chosen = everyone
    for name, limit in limits.items():
        place = PLACES[name]
        stays = [one for one in chosen if not place(one)]
        for where in sorted({place(one) or "" for one in chosen} - {""}):
            there = _ordered([one for one in chosen if place(one) == where], groups, assigned)
            stays += [one for nth, one in enumerate(there) if nth < limit or _asked(one)]
        chosen = sorted(stays, key=_better)
    over: dict[str, dict[str, Any]] = {}
    for facts in _ordered([one for one in everyone if one not in chosen], groups, assigned):
        for name, limit in limits.items():
            place = PLACES[name]
            mine = place(facts)
            if mine and sum(place(one) == mine for one in chosen) >= limit:
                over[facts.sha256] = {"quota": mine, "limit": limit, "setting": f"limits.{name}"}
                break
        else:
            chosen.append(facts)
    return over


def _ordered(
    pictures: list[Facts], groups: Mapping[str, str], assigned: Mapping[str, str]
) -> list[Facts]:
    pictures = _in_turns(pictures, lambda one: (one.value, groups.get(one.sha256, one.sha256)))
    split = [(one.value, assigned.get(one.sha256)) for one in pictures]
    first = {
        one.sha256
        for nth, one in enumerate(pictures)
        if assigned.get(one.sha256) and split[nth] not in split[:nth]
    }
    pictures = sorted(pictures, key=lambda one: (not _asked(one), one.sha256 not in first))
    pictures = _in_turns(pictures, lambda one: one.value)
    return sorted(pictures, key=lambda one: (not _asked(one), one.value is None))


def _in_turns(pictures: list[Facts], part: Callable[[Facts], object]) -> list[Facts]:
    taken: Counter[object] = Counter()
    turns: dict[str, tuple[bool, int]] = {}
    for one in pictures:
        turns[one.sha256] = (not _asked(one), taken[part(one)])
        taken[part(one)] += 1
    return sorted(pictures, key=lambda one: turns[one.sha256])


def _asked(facts: Facts) -> bool:
    return facts.decision == "keep"


def _better(facts: Facts) -> tuple[Any, ...]:
    return (
        not _asked(facts),
        facts.value is None,
        float("inf") if facts.rank is None else facts.rank,
        -facts.measure("width") * facts.measure("height"),
        -facts.measure("sharpness"),
        facts.sha256,
    )
