"""Pairs in which one picture shows the other inside, as a screenshot does, by their hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.duplicates.search import HIT_CAP, near_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.duplicates.signatures import Signatures

    Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]

INNER_CAP = 8
"""Of many pictures that show the same inside, such as an app's logo, each is compared with so many.
"""

FAR = 14
"""Bits up to which the nearest whole pictures are compared with what is shown: where a dark scene
runs into a bezel, a part of it is missing. Of 14 photos of screens the hash of one is that far, and
300 strangers are at 16 and more."""

FAR_CAP = 3
"""Whole pictures that far, per picture shown."""

MAX_FAR = 400_000_000
"""Comparisons of hashes up to which those are looked for: about two seconds."""

_PART = 1 << 22


def shown_inside(signatures: Signatures, radius: int) -> Pairs:
    """Return the pairs where a picture, or what it shows, is near what another one shows inside.

    Parameters
    ----------
    signatures : Signatures
        Of all pictures.
    radius : int
        Largest distance of two hashes.

    Returns
    -------
    tuple of (ndarray of int64, ndarray of int64, ndarray of uint8), shape (m,)
        Positions, ``first < second``, and the differing bits; a pair may be there several times,
        in no order.
    """
    usable = np.flatnonzero(~signatures.plain)
    hashes = np.concatenate([signatures.phash[usable], signatures.inner])
    owners = np.concatenate([usable, signatures.inner_of])
    inner = np.arange(len(hashes)) >= len(usable)
    found: list[Pairs] = []
    for side in (inner, None):  # with whole pictures, and among one another
        chosen = np.flatnonzero(inner) if side is None else np.arange(len(hashes))
        near = near_pairs(
            hashes[chosen], radius=radius, side=side, group_cap=INNER_CAP, hit_cap=HIT_CAP
        )
        found.append((owners[chosen[near.first]], owners[chosen[near.second]], near.distance))
    found.append(_far(signatures, usable))
    one, other, distance = (np.concatenate(each) for each in zip(*found, strict=True))
    return np.minimum(one, other), np.maximum(one, other), distance


def _far(signatures: Signatures, usable: NDArray[np.int64]) -> Pairs:
    """Return what is shown with the few whole pictures that are nearest to it, within `FAR`."""
    shown, of = signatures.inner, signatures.inner_of
    one, other = [of[:0]], [usable[:0]]
    bits: list[NDArray[np.uint8]] = [np.zeros(0, np.uint8)]
    if len(shown) * len(usable) <= MAX_FAR:
        whole, step = signatures.phash[usable], max(1, _PART // max(1, len(usable)))
        for at in range(0, len(shown), step):
            owner = of[at : at + step]
            apart = np.bitwise_count(shown[at : at + step, None] ^ whole[None])
            apart[owner[:, None] == usable[None]] = 64
            nearest = np.argsort(apart, axis=1, kind="stable")[:, :FAR_CAP]
            distance = np.take_along_axis(apart, nearest, axis=1)
            row, column = np.nonzero(distance <= FAR)
            one.append(owner[row])
            other.append(usable[nearest[row, column]])
            bits.append(distance[row, column].astype(np.uint8))
    return np.concatenate(one), np.concatenate(other), np.concatenate(bits)
