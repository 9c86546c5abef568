"""The nearest neighbours of all pictures of a map, and those that are far from all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.progress import SILENT, Progress
from curate.duplicates.nearest import VectorIndex

if TYPE_CHECKING:
    from curate.gate.feature_store import FeatureStore

NEIGHBOURS = 5
"""A picture is as far from all others as from the fifth nearest: a copy or two do not count."""

Neighbours = Mapping[str, Sequence[tuple[str, float]]]
"""sha256 -> its nearest pictures with the cosines of the feature vectors, the nearest first."""


def nearest_pictures(
    store: FeatureStore,
    names: Sequence[str],
    *,
    scratch: Path | None = None,
    progress: Progress = SILENT,
) -> Neighbours:
    """Find the `NEIGHBOURS` nearest of each picture among the others.

    Parameters
    ----------
    store : FeatureStore
        Features of one gate; a picture without any has no entry.
    names : sequence of str
        sha256 of the pictures, each once.
    scratch : Path, optional
        Folder for a temporary file.
    progress : Progress
        Told how many pictures are done.
    """
    found: dict[str, Sequence[tuple[str, float]]] = {}
    place = {name: position for position, name in enumerate(names)}
    everyone, itself = np.ones(len(names), dtype=bool), np.arange(len(names))
    with (
        VectorIndex(store.stream(), place, scratch=scratch) as index,
        progress.task("compare", total=len(index)) as tick,
    ):
        for rows, near, cosine in index.nearest(everyone, NEIGHBOURS, apart=[itself]):
            for row, others, how in zip(rows.tolist(), near.tolist(), cosine.tolist(), strict=True):
                found[names[row]] = [
                    (names[other], value)
                    for other, value in zip(others, how, strict=True)
                    if other >= 0
                ]
            tick(len(rows))
    return found


def farthest(neighbours: Neighbours, top: int) -> list[tuple[float, str]]:
    """Return cosine and sha256 of the pictures that are least like their fifth neighbour."""
    last = [
        (near[NEIGHBOURS - 1][1], name)
        for name, near in neighbours.items()
        if len(near) == NEIGHBOURS
    ]
    return sorted(last)[:top]
