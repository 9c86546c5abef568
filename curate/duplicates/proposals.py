"""Pairs that hashes lose (crops, borders, logos, flips), proposed by the gate's feature vectors.

The vectors are there already. With EfficientNet-Lite0 a copy cropped by 20 % has a cosine of 0.78
or more with its original in 95 of 100 real photos, two unrelated photos in 1 of 1,000 pairs, and
the original is always among the five nearest. A proposal is only that: pixels decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.duplicates.signatures import Signatures

MIN_COSINE = 0.78
NEAREST = 3
"""Neighbours per picture that are proposed; views of one car are all alike, and few are copies."""

MAX_PICTURES = 100_000
"""Every vector is compared with every other, so a larger set would take hours: it gets none."""

_BLOCK = 2048


def propose(
    names: Sequence[str],
    signatures: Signatures,
    features: tuple[Sequence[str], NDArray[np.floating[Any]]],
    apart: NDArray[np.int64],
) -> Iterator[tuple[int, int]]:
    """Yield pairs of positions whose feature vectors are near.

    Parameters
    ----------
    names : sequence of str
        sha256 by position.
    signatures : Signatures
        To leave out what is plainly another picture in colour.
    features : tuple of (sequence of str, ndarray of float, shape (n, d))
        sha256 and vectors, not normalised, in any order.
    apart : ndarray of int64
        Spinner by position; pictures of one spinner are not proposed.

    Yields
    ------
    tuple of (int, int)
        ``first < second``, each once, in increasing order; none for more than `MAX_PICTURES`.
    """
    place = {name: position for position, name in enumerate(names)}
    rows = np.array([row for row, name in enumerate(features[0]) if name in place], dtype=np.int64)
    if not 2 <= len(rows) <= MAX_PICTURES:
        return
    position = np.array([place[features[0][row]] for row in rows], dtype=np.int64)
    vectors = np.asarray(features[1])[rows].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12
    found: set[tuple[int, int]] = set()
    count = min(NEAREST, len(rows) - 1)
    for start in range(0, len(rows), _BLOCK):
        block = vectors[start : start + _BLOCK] @ vectors.T
        block[apart[position[start : start + _BLOCK], None] == apart[position][None, :]] = -1
        nearest = np.argpartition(-block, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(block, nearest, axis=1) >= MIN_COSINE
        for row, column in zip(*np.nonzero(near), strict=True):
            i, j = position[start + row], position[nearest[row, column]]
            found.add((int(min(i, j)), int(max(i, j))))
    yield from sorted(pair for pair in found if not signatures.plain[list(pair)].any())
