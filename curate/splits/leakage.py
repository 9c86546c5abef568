"""Whether detected duplicates, or groups, lie in two splits.

The check is about *detected* duplicates: pairs that the search confirmed, and pairs of hashes
within its radius. What the search misses, `curate.splits.scenes` may see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bodyshop_core.summary import Summary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from curate.duplicates import DuplicatePair
    from curate.duplicates.signatures import Signatures

FAR = 65
"""More than 64 bits can differ."""

EXACT_LIMIT = 20_000
"""Up to this many pictures the closest pair across splits is found exactly, in a second."""


@dataclass(frozen=True)
class LeakageCheck(Summary):
    """What was checked, and the outcome.

    Parameters
    ----------
    pictures : int
        Assigned pictures.
    pairs : int
        Pairs of pictures in different splits.
    radius : int
        Largest Hamming distance of the pairs that were compared in detail.
    leaks : list of (sha256, sha256, kind)
        Confirmed duplicates, and pairs of one group, that lie in two splits.
    refuted : int
        Pairs within the radius that differ by the longer hashes or the pixels (two cars before the
        same wall).
    uncompared : int
        Pairs within the radius of which one picture is too plain to be matched by hashes.
    closest : int or None
        Smallest Hamming distance of two pictures in different splits, without those two kinds;
        None when it is above 8 in a set too large for the exact search.
    scenes : dict or None
        A second look by another method (`curate.splits.scenes.SceneCheck`): pairs that show the
        same scene in two splits, such as frames of a burst. They are told, not refused.
    """

    pictures: int
    pairs: int
    radius: int
    leaks: list[tuple[str, str, str]]
    refuted: int
    uncompared: int
    closest: int | None
    scenes: dict[str, Any] | None = None


def check_leakage(
    rows: Sequence[Mapping[str, Any]] | Signatures,
    splits: Mapping[str, str],
    groups: Mapping[str, str],
    duplicates: Iterable[DuplicatePair],
    *,
    radius: int,
) -> LeakageCheck:
    """Look for detected duplicates, and groups, that lie in two splits.

    Parameters
    ----------
    rows : sequence of Mapping, or Signatures
        Measurements; those without a hash, or of pictures in no split, are left out. Or what was
        taken from measurements of pictures that are in a split, sorted by sha256.
    splits : Mapping
        sha256 -> split.
    groups : Mapping
        sha256 -> group.
    duplicates : iterable of DuplicatePair
        Confirmed pairs, also of pictures in no split.
    radius : int
        Of the duplicate policy.
    """
    import numpy as np

    from curate.duplicates import near_pairs
    from curate.duplicates.signatures import Signatures

    if not isinstance(rows, Signatures):
        hashed = [row for row in rows if row["sha256"] in splits and row["phash"] is not None]
        rows = Signatures.of(sorted(hashed, key=lambda row: row["sha256"]))
    shas, hashes = rows.names, rows.phash
    names = sorted(set(splits.values()))
    numbers = {name: number for number, name in enumerate(names)}
    where = np.array([numbers[splits[sha256]] for sha256 in shas], dtype=np.int64)
    counts = np.bincount(where, minlength=len(names))
    confirmed: dict[tuple[str, str], str] = {
        (pair.first, pair.second): pair.kind
        for pair in duplicates
        if {pair.first, pair.second} <= splits.keys() and splits[pair.first] != splits[pair.second]
    }
    near = near_pairs(hashes, radius=radius)
    apart = where[near.first] != where[near.second]
    first, second = near.first[apart], near.second[apart]
    same, plain = _same_and_plain(rows, first, second)
    aside, refuted, uncompared = [], 0, 0
    for a, b, is_plain, is_same in zip(first, second, plain, same, strict=True):
        pair = (shas[a], shas[b])
        if pair in confirmed:
            continue
        if is_same:  # beyond the pictures of a crowd that the search compares
            confirmed[pair] = "near"
            continue
        aside.append((int(a), int(b)))
        refuted += not is_plain
        uncompared += is_plain
    return LeakageCheck(
        len(splits),
        int((counts.sum() ** 2 - (counts**2).sum()) // 2),
        radius,
        _divided_groups(splits, groups) + [(*pair, kind) for pair, kind in confirmed.items()],
        refuted,
        uncompared,
        _closest(hashes, where, aside),
    )


def _same_and_plain(
    signatures: Signatures, first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[list[bool], list[bool]]:
    """Return for pairs of positions whether hashes confirm them, and whether they say nothing."""
    from curate.duplicates.signatures import Likeness, likeness

    if not len(first):
        return [], []
    plain = signatures.plain[first] | signatures.plain[second]
    same = (likeness(signatures, first, second) == Likeness.SAME) & ~plain
    return same.tolist(), plain.tolist()


def _divided_groups(
    splits: Mapping[str, str], groups: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """Return a pair of pictures for each place where a group lies in two splits."""
    first_of: dict[str, str] = {}
    divided = []
    for sha256 in sorted(splits):
        first = first_of.setdefault(groups[sha256], sha256)
        if splits[first] != splits[sha256]:
            divided.append((first, sha256, "same group"))
    return divided


def _closest(
    hashes: NDArray[np.uint64], where: NDArray[np.int64], pairs_aside: Sequence[tuple[int, int]]
) -> int | None:
    """Return the smallest distance across splits, leaving `pairs_aside` (positions) out."""
    import numpy as np

    from curate.duplicates.search import MAX_RADIUS, near_pairs

    aside = set(pairs_aside)
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
