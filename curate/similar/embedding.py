"""Feature vectors as places on a map and as clusters; read part after part, never all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

AXES = 32
"""Principal components in which clusters are looked for."""

PICTURES_PER_CLUSTER = 25
MOST_CLUSTERS = 24

Parts = Iterable[tuple[Sequence[str], "NDArray[np.float32]"]]


@dataclass(frozen=True)
class Embedding:
    """Where pictures lie.

    Parameters
    ----------
    names : list of str
        sha256.
    places : ndarray of float32, shape (n, 2)
        First two principal components.
    cluster : ndarray of int64, shape (n,)
        Number of the cluster, the largest is 0.
    distance : ndarray of float32, shape (n,)
        From the centre of its cluster.
    explained : float
        Share of the variance that the two axes show, 0 to 1.
    """

    names: list[str]
    places: NDArray[np.float32]
    cluster: NDArray[np.int64]
    distance: NDArray[np.float32]
    explained: float


def embed(
    parts: Callable[[], Parts],
    wanted: Mapping[str, object],
    *,
    clusters: int | None = None,
    seed: int = 7,
) -> Embedding:
    """Lay feature vectors out by their principal components, and cluster them.

    Parameters
    ----------
    parts : callable
        Returns names and vectors of length 1, part after part; called twice.
    wanted : Mapping
        The names to lay out.
    clusters : int, optional
        How many; by default one for `PICTURES_PER_CLUSTER` pictures, 2 to `MOST_CLUSTERS`.
    seed : int
        Of the clusters.

    Returns
    -------
    Embedding
        Empty when no vector is wanted.
    """
    count, total, products = 0, np.zeros(0), np.zeros((0, 0))
    for _, vectors in _wanted(parts(), wanted):
        if not count:
            total, products = np.zeros(vectors.shape[1]), np.zeros((vectors.shape[1],) * 2)
        count += len(vectors)
        total += vectors.sum(axis=0)
        products += vectors.T @ vectors
    if not count:
        none = np.zeros(0, np.float32)
        return Embedding([], np.zeros((0, 2), np.float32), np.zeros(0, np.int64), none, 0.0)
    mean = total / count
    variance, axes = np.linalg.eigh(products / count - np.outer(mean, mean))
    axes = axes[:, ::-1][:, : max(2, AXES)]
    # The sign of an axis is arbitrary: the largest weight is positive, on every machine.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    names: list[str] = []
    rows = []
    for found, vectors in _wanted(parts(), wanted):
        names += found
        rows.append(((vectors - mean) @ axes).astype(np.float32))
    coordinates = np.concatenate(rows)
    places = np.zeros((count, 2), np.float32)
    places[:, : coordinates.shape[1]] = coordinates[:, :2]
    explained = float(variance[::-1][:2].sum() / max(variance.sum(), 1e-12))
    if clusters is None:
        clusters = min(MOST_CLUSTERS, max(2, count // PICTURES_PER_CLUSTER))
    cluster, distance = _clustered(coordinates, min(clusters, count), seed)
    return Embedding(names, places, cluster, distance, round(min(1.0, explained), 4))


def _clustered(
    coordinates: NDArray[np.float32], count: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the number of each picture's cluster, the largest first, and its distance."""
    from sklearn.cluster import MiniBatchKMeans

    means = MiniBatchKMeans(count, n_init=3, random_state=seed, batch_size=4096).fit(coordinates)
    sizes = np.bincount(means.labels_, minlength=count)
    order = np.argsort(-sizes, kind="stable")
    number = np.empty(count, dtype=np.int64)
    number[order] = np.arange(count)
    away = coordinates - means.cluster_centers_[means.labels_].astype(np.float32)
    return number[means.labels_], np.linalg.norm(away, axis=1).astype(np.float32)


def _wanted(parts: Parts, wanted: Mapping[str, object]) -> Parts:
    for names, vectors in parts:
        rows = [row for row, name in enumerate(names) if name in wanted]
        if rows:
            yield [names[row] for row in rows], vectors[rows]
