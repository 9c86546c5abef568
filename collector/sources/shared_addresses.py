"""Which elements of a page show the same picture, judged by the addresses that they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set


def grouped(elements: Sequence[tuple[Set[str], Set[str]]]) -> tuple[list[list[int]], set[str]]:
    """Group elements that show the same picture, and name the addresses that prove nothing.

    Elements that display the same address show the same picture. The other addresses are looked at
    in the order of the number of elements that claim them. One joins its
    elements unless two or more of them, as far as they are joined already, have different rarer
    addresses of their own: then it is *contested*. An exception are two elements of which one shows
    what the other names, as a preview and its large picture.

    Parameters
    ----------
    elements : sequence of (set of str, set of str)
        The addresses that belong to each element, and those of them that it displays for good: what
        an element shows until its picture is loaded is not one of them.

    Returns
    -------
    groups : list of list of int
        Indices of the elements of each picture, in the order of the elements.
    contested : set of str
        Addresses that are claimed by elements with different pictures.
    """
    claimers: dict[str, list[int]] = defaultdict(list)
    for place, (claimed, _) in enumerate(elements):
        for key in claimed:
            claimers[key].append(place)
    parents = list(range(len(elements)))
    keys_of = [set(claimed) for claimed, _ in elements]
    shown_by = [set(displayed) for _, displayed in elements]
    contested: set[str] = set()

    def join(roots: list[int]) -> None:
        first, *others = sorted(roots)
        for root in others:
            parents[root] = first
            keys_of[first] |= keys_of[root]
            shown_by[first] |= shown_by[root]

    for key, places in claimers.items():
        showing = [place for place in places if key in elements[place][1]]
        roots = list(dict.fromkeys(_root(parents, place) for place in showing))
        if len(roots) > 1:
            join(roots)
    for key in sorted(claimers, key=lambda each: (len(claimers[each]), each)):
        roots = list(dict.fromkeys(_root(parents, place) for place in claimers[key]))
        if len(roots) < 2:
            continue
        identified = [
            root
            for root in roots
            if shown_by[root] - {key}
            or any(
                other not in contested and len(claimers[other]) < len(claimers[key])
                for other in keys_of[root] - {key}
            )
        ]
        shown = any(key in elements[place][1] for place in claimers[key])
        if len(identified) > 1 and not (shown and len(roots) == 2):
            contested.add(key)
            continue
        join(roots)
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(len(elements)):
        groups[_root(parents, place)].append(place)
    return list(groups.values()), contested


def _root(parents: list[int], place: int) -> int:
    while parents[place] != place:
        parents[place] = parents[parents[place]]
        place = parents[place]
    return place
