"""What groups pictures besides their content: spinners and the pages they were found on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from scipy.cluster.hierarchy import DisjointSet

if TYPE_CHECKING:
    from curate.policy import SplitPolicy


def group_keys(sightings: Iterable[Any], policy: SplitPolicy) -> dict[str, set[str]]:
    """Return the keys that pictures of one group share.

    Parameters
    ----------
    sightings : iterable of rows
        With sha256, page_url, spin_group, brand and model.
    policy : SplitPolicy
        `by_page` and `max_page`.

    Returns
    -------
    dict
        sha256 -> keys. A page groups its pictures when it is about one car: not more than
        `max_page` pictures, all of one model. Result pages and galleries of many cars do not.
    """
    keys: dict[str, set[str]] = defaultdict(set)
    pages: dict[str, set[str]] = defaultdict(set)
    models: dict[str, set[tuple[str | None, str | None]]] = defaultdict(set)
    for row in sightings:
        if row.spin_group:
            keys[row.sha256].add(f"spin:{row.spin_group}")
        elif row.page_url and policy.by_page:
            page = row.page_url.split("#")[0]
            pages[page].add(row.sha256)
            models[page].add((row.brand, row.model))
    for page, members in pages.items():
        if 1 < len(members) <= policy.max_page and len(models[page]) == 1:
            for sha256 in members:
                keys[sha256].add(f"page:{page}")
    return keys


def unite_spinners(sightings: Iterable[Any]) -> dict[str, str]:
    """Return the spinner of each spinner frame; spinners that share a picture count as one.

    Parameters
    ----------
    sightings : iterable of rows
        With sha256 and spin_group, in any order.

    Returns
    -------
    dict
        sha256 -> name of its spinner: of several united ones, the first by alphabet.
    """
    spinners: dict[str, set[str]] = defaultdict(set)
    for row in sightings:
        if row.spin_group:
            spinners[row.sha256].add(row.spin_group)
    united = DisjointSet(sorted(set().union(*spinners.values())))
    for names in spinners.values():
        first, *others = names
        for other in others:
            united.merge(first, other)
    name_of = {name: min(subset) for subset in united.subsets() for name in subset}
    return {sha256: name_of[next(iter(names))] for sha256, names in spinners.items()}
