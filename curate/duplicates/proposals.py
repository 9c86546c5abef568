"""Pairs that hashes lose (crops, borders, logos, flips), proposed by the gate's feature vectors.

The vectors are there already. With EfficientNet-Lite0 the original of a copy is always among the
five nearest pictures, and much nearer than the pictures after those: of 80 real photos cropped by
20 %, 95 % are at half the distance of the fifth photo that is no copy or nearer, with 10 % crops,
borders, logos and mirrored ones all are. Views of one car that are no copies are about equally near
to one another. A proposal is only that: pixels decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.duplicates.signatures import Signatures

MIN_COSINE = 0.75
"""Of real photos, 5 % of the copies cropped by 20 % lie below, and 99 % of the unrelated pairs."""

NEAREST = 5
"""Neighbours per picture that may be copies."""

MAX_RATIO = 0.6
"""A copy's distance (1 - cosine) over that of the neighbour after the `NEAREST`."""

MAX_PICTURES = 100_000
"""Every vector is compared with every other, so a larger set would take hours: it gets none, and
that is reported."""

STRONGEST = 300
"""Pairs that are compared because nothing is more alike: a few seconds, once."""

_BLOCK = 2048


def propose(
    names: Sequence[str],
    signatures: Signatures,
    features: tuple[Sequence[str], NDArray[np.floating[Any]]],
    apart: NDArray[np.int64],
    among: NDArray[np.bool_] | None = None,
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
    among : ndarray of bool, shape (n,), optional
        The pictures to look at: one of each cluster of copies. All by default.

    Yields
    ------
    tuple of (int, int)
        ``first < second``, each once, in increasing order; none for more than `MAX_PICTURES`.
    """
    position, vectors = _units(names, features, among)
    if not len(position):
        return
    found: set[tuple[int, int]] = set()
    count = min(NEAREST + 1, len(position) - 1)
    for start in range(0, len(position), _BLOCK):
        block = vectors[start : start + _BLOCK] @ vectors.T
        block[apart[position[start : start + _BLOCK], None] == apart[position][None, :]] = -1
        nearest = np.argpartition(-block, count - 1, axis=1)[:, :count]
        cosine = np.take_along_axis(block, nearest, axis=1)
        near = cosine >= MIN_COSINE
        if count > NEAREST:  # a smaller set does not show what is near in it
            near &= 1 - cosine <= MAX_RATIO * (1 - cosine.min(axis=1, keepdims=True))
        for row, column in zip(*np.nonzero(near), strict=True):
            i, j = position[start + row], position[nearest[row, column]]
            found.add((int(min(i, j)), int(max(i, j))))
    yield from sorted(pair for pair in found if not signatures.plain[list(pair)].any())


def strongest(
    names: Sequence[str],
    signatures: Signatures,
    features: tuple[Sequence[str], NDArray[np.floating[Any]]],
    apart: NDArray[np.int64],
    clusters: NDArray[np.int64],
) -> list[tuple[int, int]]:
    """Return the most similar pairs of different clusters, whatever lies around them.

    `propose` wants a copy to stand out among its neighbours; in a crowd of crops of one photo none
    does. So what is most alike is compared in any case: this is the independent look at what
    would leak between splits.

    Parameters
    ----------
    names, signatures, features, apart
        As for `propose`.
    clusters : ndarray of int64, shape (n,)
        Cluster by position: copies that are known.

    Returns
    -------
    list of (int, int)
        ``first < second``, at most `STRONGEST`, the most similar first.
    """
    position, vectors = _units(names, features, None)
    best: dict[tuple[int, int], float] = {}
    for start in range(0, len(position), _BLOCK):
        rows = position[start : start + _BLOCK]
        block = vectors[start : start + _BLOCK] @ vectors.T
        for own in (apart, clusters):
            block[own[rows][:, None] == own[position][None, :]] = -1
        nearest = block.argmax(axis=1)
        for row, column in enumerate(nearest.tolist()):
            if (cosine := float(block[row, column])) >= MIN_COSINE:
                i, j = int(rows[row]), int(position[column])
                best[min(i, j), max(i, j)] = cosine
    usable = [pair for pair in best if not signatures.plain[list(pair)].any()]
    return sorted(usable, key=lambda pair: (-best[pair], pair))[:STRONGEST]


def _units(
    names: Sequence[str],
    features: tuple[Sequence[str], NDArray[np.floating[Any]]],
    among: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return positions and vectors of length 1; none for too few or too many pictures."""
    place = {name: position for position, name in enumerate(names)}
    rows = np.array(
        [
            row
            for row, name in enumerate(features[0])
            if name in place and (among is None or among[place[name]])
        ],
        dtype=np.int64,
    )
    if not 2 <= len(rows) <= MAX_PICTURES:
        return np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
    position = np.array([place[features[0][row]] for row in rows], dtype=np.int64)
    vectors = np.asarray(features[1])[rows].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12
    return position, vectors
