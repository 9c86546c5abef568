"""At most so many pictures per page, host, source and class: which stay, and which are over quota.

Nothing here reads a picture, a file or the catalog.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.policy import LimitsPolicy
    from curate.verdicts.screen import Facts


def over_quota(kept: Iterable[Facts], limits: LimitsPolicy) -> dict[str, dict[str, Any]]:
    """Return the pictures that are too many, with the limit that they exceed.

    Parameters
    ----------
    kept : iterable of Facts
        Pictures without another reason. Those that a person kept always stay, and count.
    limits : LimitsPolicy
        The limits; None is no limit.

    Returns
    -------
    dict
        sha256 -> ``{value, limit, setting}``; the value is the page, host, source or class. First
        come, in this order: kept by a person, labelled, of higher rank where they were found,
        larger, sharper.
    """
    wanted = {name: limit for name, limit in limits.model_dump().items() if limit is not None}
    if not wanted:
        return {}
    counts: Counter[tuple[str, str]] = Counter()
    over: dict[str, dict[str, Any]] = {}
    for facts in sorted(kept, key=_order):
        places = {
            "per_page": facts.page,
            "per_host": facts.host,
            "per_source": facts.source,
            "per_class": facts.value,
        }
        own = [(name, place) for name in wanted if (place := places[name]) is not None]
        full = next((key for key in own if counts[key] >= wanted[key[0]]), None)
        if full is not None and facts.decision != "keep":
            name, place = full
            over[facts.sha256] = {
                "quota": place,
                "limit": wanted[name],
                "setting": f"limits.{name}",
            }
        else:
            counts.update(own)
    return over


def _order(facts: Facts) -> tuple[Any, ...]:
    return (
        facts.decision != "keep",
        facts.value is None,
        inf if facts.rank is None else facts.rank,
        -facts.measure("width") * facts.measure("height"),
        -facts.measure("sharpness"),
        facts.sha256,
    )
