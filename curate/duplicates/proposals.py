"""Pairs that hashes lose (crops, borders, logos, flips), proposed by the gate's feature vectors.

The vectors are there already. With EfficientNet-Lite0 the original of a copy is always among the
five nearest pictures, and much nearer than the pictures after those: of 80 real photos cropped by
20 %, 95 % are at half the distance of the fifth photo that is no copy or nearer, with 10 % crops,
borders, logos and mirrored ones all are. Views of one car that are no copies are about equally near
to one another. A proposal is only that: pixels decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.duplicates.memory import NeighbourMemory
    from curate.duplicates.nearest import VectorIndex

MIN_COSINE = 0.70
"""Of 14 real photos cropped by 30 % the least alike has 0.745. Strangers are ruled out by
`MAX_RATIO`: from 0.75 to 0.70 one pair more of 440 photos of one source is proposed, no copy."""

NEAREST = 5
"""Neighbours per picture that may be copies."""

MAX_RATIO = 0.6
"""A copy's distance (1 - cosine) over that of the neighbour after the `NEAREST`."""

MIN_STRONGEST = 0.80
"""The same for pairs that do not stand out among their neighbours. Of 450 photos 53 of the 69 most
similar pairs lay between, and none was a copy."""

STRONGEST = 300
"""Pairs that are compared because nothing is more alike: a few seconds, once."""


class Proposals:
    """The pairs of pictures whose feature vectors are near.

    Parameters
    ----------
    index : VectorIndex
        The vectors of (some of) the pictures.
    apart : ndarray of int64, shape (n,)
        Spinner by position; pictures of one spinner are not proposed.
    progress : Progress
        Told how many pictures are done.
    memory : NeighbourMemory, optional
        The answers of the last search, to be kept for the next one. Of use only where each picture
        is compared with each.
    """

    def __init__(
        self,
        index: VectorIndex,
        apart: NDArray[np.int64],
        progress: Progress = SILENT,
        memory: NeighbourMemory | None = None,
    ) -> None:
        self._index = index
        self._memory = memory if index.exact else None
        self._round = 0
        self._progress = progress
        self._apart = apart
        count = max(1, min(NEAREST + 1, len(index) - 1))
        self._there = np.zeros(len(apart), dtype=bool)
        self._there[index.position] = True
        self._neighbours = np.full((len(apart), count), -1, dtype=np.int64)
        self._cosine = np.full((len(apart), count), -1, dtype=np.float32)
        self._known = np.zeros(len(apart), dtype=bool)

    def standing_out(self, among: NDArray[np.bool_]) -> list[tuple[int, int]]:
        """Return the pairs in which one picture is much nearer than those around it.

        Parameters
        ----------
        among : ndarray of bool, shape (n,)
            The pictures to look at: one of each cluster of copies. From one call to the next,
            pictures may leave it, but none may join: whatever lost no neighbour is not searched
            for again.

        Returns
        -------
        list of (int, int)
            Positions, ``first < second``, in increasing order.
        """
        among = among & self._there
        lost = (self._neighbours >= 0) & ~among[self._neighbours]
        asked = among & (~self._known | lost.any(axis=1))
        self._round += 1
        search = f"round-{self._round}"
        for rows, neighbours, cosine in self._nearest(search, asked, among, [self._apart]):
            self._neighbours[rows], self._cosine[rows] = neighbours, cosine
        self._known |= asked
        near = self._cosine >= MIN_COSINE
        if self._cosine.shape[1] > NEAREST:  # a smaller set does not show what is near in it
            near &= 1 - self._cosine <= MAX_RATIO * (1 - self._cosine[:, -1:])
        near &= among[:, None]
        row, column = np.nonzero(near)
        pairs = np.sort(np.stack([row, self._neighbours[row, column]], axis=1), axis=1)
        return [(first, second) for first, second in np.unique(pairs, axis=0).tolist()]

    def strongest(self, clusters: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Return the most similar pairs of different clusters, whatever lies around them.

        `standing_out` wants a copy to stand out among its neighbours; in a crowd of crops of one
        photo none does. So what is most alike is compared in any case: this is the independent look
        at what would leak between splits. What was not `among` the pictures of the last call is
        searched for here; the others' neighbours are known.

        Parameters
        ----------
        clusters : ndarray of int64, shape (n,)
            Cluster by position: copies that are known.

        Returns
        -------
        list of (int, int)
            ``first < second``, at most `STRONGEST`, the most similar first.
        """
        neighbours, cosine = self._neighbours.copy(), self._cosine.copy()
        first = np.zeros(len(clusters), dtype=bool)
        first[np.unique(clusters, return_index=True)[1]] = True
        others = (neighbours >= 0) & (clusters[neighbours] != clusters[:, None])
        asked = self._there & ~(first & self._known & others.any(axis=1))
        apart = [self._apart, clusters]
        for rows, found, likeness in self._nearest("strongest", asked, None, apart):
            neighbours[rows], cosine[rows] = found, likeness
        near = (cosine >= MIN_STRONGEST) & (clusters[neighbours] != clusters[:, None])
        row, column = np.nonzero(near)
        pairs = np.sort(np.stack([row, neighbours[row, column]], axis=1), axis=1)
        order = np.lexsort((pairs[:, 1], pairs[:, 0], -cosine[row, column]))
        pairs = pairs[order]
        # Each picture has one vote, so that a crowd does not take all the places.
        voted = np.unique(pairs.ravel(), return_index=True)[1] // 2
        return [(i, j) for i, j in pairs[np.unique(voted)][:STRONGEST].tolist()]

    def _nearest(
        self,
        what: str,
        asked: NDArray[np.bool_],
        among: NDArray[np.bool_] | None,
        apart: Sequence[NDArray[np.int64]],
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
        count = self._neighbours.shape[1]
        if self._memory is not None:
            yield self._memory.nearest(what, self._index, asked, count, among=among, apart=apart)
            return
        with self._progress.task("nearest pictures", total=int(asked.sum())) as tick:
            for found in self._index.nearest(asked, count, among=among, apart=apart):
                yield found
                tick(len(found[0]))
