"""Proof that a deal does not leak: every pair across splits is looked at again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace
    from curate.duplicates import FoundPairs

FAR = 65
"""More than 64 bits can differ."""

EXACT_LIMIT = 20_000
"""Up to this many pictures the closest pair across splits is found exactly, in a second."""


@dataclass(frozen=True)
class LeakageCheck:
    """What was checked, and what came out.

    Parameters
    ----------
    pictures : int
        Dealt pictures.
    pairs : int
        Pairs of pictures in different splits.
    radius : int
        Hamming radius within which each of them was confirmed or refuted.
    leaks : list of (sha256, sha256, kind)
        Confirmed duplicates and torn groups across splits; empty is the proof.
    refuted : int
        Pairs within the radius that the longer hashes tell apart (two cars before the same wall).
    closest : int or None
        Smallest Hamming distance of two pictures in different splits, the refuted ones aside;
        None when it is above 8 in a set too large for the exact search.
    """

    pictures: int
    pairs: int
    radius: int
    leaks: list[tuple[str, str, str]]
    refuted: int
    closest: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return the proof as JSON-able values."""
        return asdict(self)


def check_leakage(
    workspace: Workspace,
    splits: Mapping[str, str],
    groups: Mapping[str, str],
    *,
    radius: int,
    find: Callable[[Sequence[Mapping[str, Any]]], FoundPairs],
) -> LeakageCheck:
    """Look for duplicates across splits, whatever the deal was based on.

    Parameters
    ----------
    workspace : Workspace
        Its measurements are read.
    splits : Mapping
        sha256 -> split.
    groups : Mapping
        sha256 -> group.
    radius : int
        Of the duplicate policy.
    find : callable
        Measurement rows -> confirmed pairs.
    """
    import numpy as np

    from curate.duplicates import near_pairs
    from curate.measure.hashes import as_integers

    rows = _measured(workspace, splits)
    shas = [row["sha256"] for row in rows]
    names = sorted(set(splits.values()))
    where = np.array([names.index(splits[sha256]) for sha256 in shas], dtype=np.int64)
    counts = np.bincount(where, minlength=len(names))
    confirmed = {
        (pair.first, pair.second): pair.kind
        for pair in find(rows).pairs
        if splits[pair.first] != splits[pair.second]
    }
    hashes = as_integers([row["phash"] for row in rows])
    near = near_pairs(hashes, radius=radius)
    apart = where[near.first] != where[near.second]
    refuted = [
        (int(a), int(b))
        for a, b in zip(near.first[apart], near.second[apart], strict=True)
        if tuple(sorted((shas[a], shas[b]))) not in confirmed
    ]
    return LeakageCheck(
        len(splits),
        int((counts.sum() ** 2 - (counts**2).sum()) // 2),
        radius,
        _torn_groups(splits, groups) + [(*pair, kind) for pair, kind in confirmed.items()],
        len(refuted),
        _closest(hashes, where, refuted),
    )


def _measured(workspace: Workspace, splits: Mapping[str, str]) -> list[dict[str, Any]]:
    from curate.measure.stage import VERSION

    table = schema.measurements
    query = select(table).where(table.c.version == VERSION, table.c.phash.is_not(None))
    with workspace.catalog.read() as connection:
        found = connection.execute(query.order_by(table.c.sha256)).mappings()
        return [dict(row) for row in found if row["sha256"] in splits]


def _torn_groups(
    splits: Mapping[str, str], groups: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    seen: dict[str, str] = {}
    torn = []
    for sha256 in sorted(splits):
        first = seen.setdefault(groups[sha256], sha256)
        if splits[first] != splits[sha256]:
            torn.append((first, sha256, "same group"))
    return torn


def _closest(
    hashes: NDArray[np.uint64], where: NDArray[np.int64], refuted: Sequence[tuple[int, int]]
) -> int | None:
    """Return the smallest distance across splits, leaving `refuted` pairs of positions out."""
    import numpy as np

    from curate.duplicates.search import MAX_RADIUS, near_pairs

    aside = set(refuted)
    if len(hashes) > EXACT_LIMIT:
        found = near_pairs(hashes, radius=MAX_RADIUS)
        apart = where[found.first] != where[found.second]
        pairs = zip(found.first[apart], found.second[apart], found.distance[apart], strict=True)
        return min((int(d) for a, b, d in pairs if (int(a), int(b)) not in aside), default=None)
    beside: dict[int, list[int]] = defaultdict(list)
    for first, second in aside:
        beside[first].append(second)
    smallest = FAR
    for index in range(len(hashes) - 1):
        distance = np.bitwise_count(hashes[index + 1 :] ^ hashes[index])
        distance[where[index + 1 :] == where[index]] = FAR
        distance[[other - index - 1 for other in beside[index]]] = FAR
        smallest = min(smallest, int(distance.min()))
    return smallest if smallest < FAR else None
