"""Find the pairs of pictures that show the same, from their measurements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.progress import SILENT, Progress
from curate.duplicates.candidates import Candidates, Kind, PairCheck
from curate.duplicates.crowded import TURNS, components, in_crowd, ranks
from curate.duplicates.nearest import VectorIndex
from curate.duplicates.proposals import Proposals
from curate.duplicates.search import GROUP_CAP, HIT_CAP, MAX_RADIUS, near_pairs
from curate.duplicates.shown_inside import shown_inside
from curate.duplicates.signatures import (
    HashLimits,
    Likeness,
    Signatures,
    likeness,
    turned_by_a_quarter,
    turned_by_half,
)
from curate.measure.hashes import distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.duplicates.memory import NeighbourMemory

ESTIMATED_RADIUS = 2
"""Bits more than for upright copies where what is compared is an estimate: the hash of the turned
picture, or of the picture that a screenshot shows."""

MAX_WIDE = 200_000
"""Pictures up to which those are searched for that far."""

ROUNDS = 3
"""Searches by features, at most; a search without a new pair is the last."""


@dataclass(frozen=True)
class DuplicatePair:
    """Two pictures that show the same.

    Parameters
    ----------
    first, second : str
        Their sha256, ``first < second``.
    kind : str
        ``exact``: the same pixels; ``near``: re-saved, resized, relit, slightly cropped; ``flip``:
        mirrored; ``crop``: a part, a border or a large logo; ``person``: a person merged them.
    distance : int
        Differing bits of their 64-bit hashes (for ``flip``: of one and the mirrored other).
    """

    first: str
    second: str
    kind: Kind
    distance: int


@dataclass(frozen=True)
class FoundPairs:
    """The pairs, and what could not be compared.

    Parameters
    ----------
    pairs : tuple of DuplicatePair
        Confirmed, sorted, each pair once.
    plain : tuple of str
        Pictures too plain to be matched by hashes; only their exact copies are found.
    heavy : int
        Pictures in crowds of equal or near hashes that were compared with some of the crowd only.
    unclear : int
        Pairs that hashes could neither confirm nor refute.
    refuted : int
        Those of them whose pixels were found to differ.
    crops_not_looked_for : int
        Pictures without features, for which no crops, borders and logos were searched.
    crops_in_part : int
        Pictures that were compared with those of similar features only, since there are so many.
    """

    pairs: tuple[DuplicatePair, ...]
    plain: tuple[str, ...] = ()
    heavy: int = 0
    unclear: int = 0
    refuted: int = 0
    crops_not_looked_for: int = 0
    crops_in_part: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return JSON-able counts, per kind and of what was not compared."""
        counts = ("heavy", "unclear", "refuted", "crops_not_looked_for", "crops_in_part")
        kinds = [pair.kind for pair in self.pairs]
        return {
            **{kind: kinds.count(kind) for kind in ("exact", "near", "flip", "crop")},
            "plain": len(self.plain),
            **{name: getattr(self, name) for name in counts},
        }


def find_pairs(
    rows: Sequence[Mapping[str, Any]] | Signatures,
    *,
    radius: int = 6,
    features: Iterable[tuple[Sequence[str], NDArray[np.floating[Any]]]] | None = None,
    scratch: Path | None = None,
    memory: NeighbourMemory | None = None,
    spin_groups: Mapping[str, str] | None = None,
    flips: bool = True,
    check: PairCheck | None = None,
    limits: HashLimits | None = None,
    progress: Progress = SILENT,
) -> FoundPairs:
    """Find the pairs of pictures that show the same.

    Parameters
    ----------
    rows : sequence of mappings, or Signatures
        Rows of ``measurements`` of one version; those with an error are left out. Or what was taken
        from them, sorted by sha256.
    radius : int
        Largest distance of two 64-bit hashes that is compared further, 0 to 8.
    features : iterable of (sequence of str, ndarray of float, shape (n, d)), optional
        sha256 and the gate's feature vectors of (some of) the pictures, part after part: proposes
        crops, borders and logos, which hashes lose. Of use only together with `check`.
    scratch : Path, optional
        Folder for a temporary file of those vectors; the system's by default.
    memory : NeighbourMemory, optional
        Of the names of `rows`: what was nearest; only new pictures are then compared with all.
    spin_groups : Mapping, optional
        sha256 -> spinner; frames of one spinner are never compared.
    flips : bool
        Also search for mirrored and turned copies; they are confirmed by `check` only.
    check : callable, optional
        Decides the unclear pairs by their pixels, see `curate.duplicates.checks`. Without it they
        are counted and not joined.
    limits : HashLimits, optional
        What hashes alone may decide.
    progress : Progress
        Told how many pictures of a large set are done.

    Returns
    -------
    FoundPairs
        The same for any order of `rows`.

    Raises
    ------
    UsageError
        The radius is out of range.
    """
    signatures = rows if isinstance(rows, Signatures) else _signatures(rows)
    if not len(signatures):
        return FoundPairs(())
    names = signatures.names
    apart = _spinners(names, spin_groups or {})
    found = Candidates(signatures.phash256[:, 0] ^ signatures.dhash)
    _same_pixels(found, signatures)
    _near(found, signatures, radius, apart, limits)
    if flips:
        _mirrored(found, signatures, radius, apart)
        _turned(found, signatures, radius, apart)
    _shown_inside(found, signatures, radius, apart)
    refuted = found.ask(names, check)
    without = in_part = 0
    if features is not None and check is not None:
        place = {names[i]: int(i) for i in np.flatnonzero(~signatures.plain)}
        with VectorIndex(features, place, scratch=scratch) as index:
            without = len(place) - len(index)
            in_part = 0 if index.exact else len(index)
            if not index.exact:
                progress.log(
                    f"each of {len(index)} pictures is compared with about {index.reach} "
                    "of similar features for crops, borders and logos"
                )
            proposals = Proposals(index, apart, SILENT if index.exact else progress, memory)
            refuted += _propose(found, names, signatures, proposals, check) if len(index) > 1 else 0
    return FoundPairs(
        pairs=tuple(
            DuplicatePair(names[i], names[j], kind, distance)
            for (i, j), (kind, distance) in sorted(found.confirmed.items())
        ),
        plain=tuple(name for name, plain in zip(names, signatures.plain, strict=True) if plain),
        heavy=max(found.heavy, len(found.in_part)),
        unclear=len(found.asked),
        refuted=refuted,
        crops_not_looked_for=without,
        crops_in_part=in_part,
    )


def _signatures(rows: Sequence[Mapping[str, Any]]) -> Signatures:
    good = (row for row in rows if not row.get("error"))
    return Signatures.of(sorted(good, key=lambda row: row["sha256"]))


def _propose(
    found: Candidates,
    names: Sequence[str],
    signatures: Signatures,
    proposals: Proposals,
    check: PairCheck,
) -> int:
    """Propose pairs by their features, one picture per cluster; return how many were refuted.

    In a crowd of copies every neighbour is one of the crowd, and no crop stands out. What is found
    joins clusters, so that the next round has fewer pictures and sees further.
    """
    refuted = 0
    for _ in range(ROUNDS):
        before = len(found.confirmed)
        pairs = proposals.standing_out(_firsts(found, len(names)))
        refuted += _try(found, names, signatures, pairs, check)
        if len(found.confirmed) == before:
            break
    most_alike = proposals.strongest(_clusters(found, len(names)))
    return refuted + _try(found, names, signatures, most_alike, check)


def _try(
    found: Candidates,
    names: Sequence[str],
    signatures: Signatures,
    pairs: Iterable[tuple[int, int]],
    check: PairCheck,
) -> int:
    """Have proposed pairs decided; return how many were refuted."""
    for pair in pairs:
        if pair not in found.confirmed:
            found.unclear.setdefault(pair, _distance(signatures, pair))
    return found.ask(names, check)


def _firsts(found: Candidates, n: int) -> NDArray[np.bool_]:
    """Mark the first picture of each cluster, and every picture that is in none."""
    first = np.zeros(n, dtype=bool)
    first[np.unique(_clusters(found, n), return_index=True)[1]] = True
    return first


def _clusters(found: Candidates, n: int) -> NDArray[np.int64]:
    """Return a number per cluster of confirmed pairs, by position."""
    return components(found.confirmed, n)


def _spinners(names: Sequence[str], spin_groups: Mapping[str, str]) -> NDArray[np.int64]:
    """Return a number per spinner, and a negative number of its own for every other picture."""
    apart = -1 - np.arange(len(names), dtype=np.int64)
    numbers: dict[str, int] = {}
    if spin_groups:
        for i, name in enumerate(names):
            if group := spin_groups.get(name):
                apart[i] = numbers.setdefault(group, len(numbers))
    return apart


def _same_pixels(found: Candidates, signatures: Signatures) -> None:
    """Join pictures of one digest: each with the first `GROUP_CAP` of them."""
    repeated = np.bincount(signatures.pixels)[signatures.pixels] > 1
    crowds: dict[int, list[int]] = {}
    for i in np.flatnonzero(repeated).tolist():
        crowd = crowds.setdefault(int(signatures.pixels[i]), [])
        for j in crowd:
            found.confirmed[j, i] = ("exact", 0)
        if len(crowd) < GROUP_CAP:
            crowd.append(i)


def _near(
    found: Candidates,
    signatures: Signatures,
    radius: int,
    apart: NDArray[np.int64],
    limits: HashLimits | None,
) -> None:
    usable = np.flatnonzero(~signatures.plain)
    near = near_pairs(signatures.phash[usable], radius=radius, hit_cap=HIT_CAP)
    first, second = usable[near.first], usable[near.second]
    keep = apart[first] != apart[second]
    first, second, distance = first[keep], second[keep], near.distance[keep]
    decided = likeness(signatures, first, second, limits=limits)
    crowds = np.flatnonzero(decided != Likeness.DIFFERENT)
    first, second, distance = first[crowds], second[crowds], distance[crowds]
    decided = decided[crowds]
    crowd = in_crowd(first, second, len(signatures))
    for what, most in ((Likeness.SAME, GROUP_CAP), (Likeness.UNCLEAR, TURNS[-1])):
        these = np.flatnonzero(decided == what)
        rank = ranks(first[these], second[these], distance[these], crowd, found.seeds)
        late = these[rank >= most]
        if what == Likeness.SAME:  # none of which may be torn from the others
            joined = zip(first[these[rank < most]], second[these[rank < most]], strict=True)
            late = late[~_joining(components(joined, len(signatures)), first[late], second[late])]
        decided[late] = Likeness.DIFFERENT
        found.in_part.update(first[late].tolist(), second[late].tolist())
    for i, j, bits, what in zip(
        first.tolist(), second.tolist(), distance.tolist(), decided.tolist(), strict=True
    ):
        if what == Likeness.SAME:
            found.confirmed.setdefault((i, j), ("near", bits))
        elif what == Likeness.UNCLEAR and (i, j) not in found.confirmed:
            found.unclear[i, j] = bits
    found.heavy += near.heavy


def _joining(
    sets: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mark one pair for each two sets that pairs connect."""
    ends = np.sort(np.stack([sets[first], sets[second]], axis=1), axis=1)
    marked = np.zeros(len(first), dtype=bool)
    marked[np.unique(ends, axis=0, return_index=True)[1]] = True
    return marked & (ends[:, 0] != ends[:, 1])


def _mirrored(
    found: Candidates, signatures: Signatures, radius: int, apart: NDArray[np.int64]
) -> None:
    """Propose pairs where one hash is near the other's mirror image; pixels decide about each."""
    usable = np.flatnonzero(~signatures.plain)
    _crossed(found, signatures.phash[usable], signatures.mirror[usable], usable, radius, apart)


def _turned(
    found: Candidates, signatures: Signatures, radius: int, apart: NDArray[np.int64]
) -> None:
    """Propose pairs where one hash is near the turned other; pixels decide about each."""
    usable = np.flatnonzero(~signatures.plain)
    radius = _wider(radius, len(usable))
    quarter = turned_by_a_quarter(signatures.mirror[usable])  # three are one of the other picture
    for other in (quarter, turned_by_half(signatures.phash[usable])):
        _crossed(found, signatures.phash[usable], other, usable, radius, apart)


def _shown_inside(
    found: Candidates, signatures: Signatures, radius: int, apart: NDArray[np.int64]
) -> None:
    """Propose pairs where one picture, or what it shows, is near what another one shows inside."""
    if not len(signatures.inner):
        return
    radius = _wider(radius, int(np.sum(~signatures.plain)))
    first, second, distance = shown_inside(signatures, radius)
    keep = apart[first] != apart[second]
    found.offer(first[keep], second[keep], distance[keep])


def _wider(radius: int, n: int) -> int:
    return min(MAX_RADIUS, radius + ESTIMATED_RADIUS) if n <= MAX_WIDE else radius


def _crossed(
    found: Candidates,
    hashes: NDArray[np.uint64],
    others: NDArray[np.uint64],
    usable: NDArray[np.int64],
    radius: int,
    apart: NDArray[np.int64],
) -> None:
    """Add the pairs where the hash of one picture is near the other kind of hash of another."""
    n = len(usable)
    both, side = np.concatenate([hashes, others]), np.arange(2 * n) >= n
    near = near_pairs(both, radius=radius, side=side, hit_cap=HIT_CAP)
    first, second = usable[near.first], usable[near.second - n]
    keep = (first != second) & (apart[first] != apart[second])
    first, second, distance = first[keep], second[keep], near.distance[keep]
    found.offer(np.minimum(first, second), np.maximum(first, second), distance)


def _distance(signatures: Signatures, pair: tuple[int, int]) -> int:
    i, j = pair
    return int(distances(signatures.phash[i : i + 1], signatures.phash[j : j + 1])[0])
