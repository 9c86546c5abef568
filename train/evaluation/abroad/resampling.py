"""Areas under the ROC curve within each model, averaged, with bootstrap intervals over origins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.evaluation.abroad.pairs import Pair

RESAMPLES = 1000


@dataclass(frozen=True)
class PairScores:
    """The pictures of a left-out pair, scored by the one model that was trained without both.

    Parameters
    ----------
    pair : Pair
        The origins left out.
    positive, negative : ndarray of float, shapes (n,) and (m,)
        Probability of the label to detect.
    framings : tuple of two sequences of str, lengths n and m
        Of the pictures; ``""`` where unknown.
    """

    pair: Pair
    positive: NDArray[np.floating[Any]]
    negative: NDArray[np.floating[Any]]
    framings: tuple[Sequence[str], Sequence[str]]

    def of_framing(self, framing: str) -> PairScores:
        """Return the pictures of one framing only."""
        masks = [np.array([each == framing for each in side], bool) for side in self.framings]
        return PairScores(
            self.pair,
            self.positive[masks[0]],
            self.negative[masks[1]],
            ([framing] * int(masks[0].sum()), [framing] * int(masks[1].sum())),
        )


def wins(positive: NDArray[Any], negative: NDArray[Any]) -> NDArray[np.float32]:
    """Return for each pair whether the positive one has the higher score; ties are a half.

    The mean is the area under the ROC curve (Mann and Whitney 1947).

    Returns
    -------
    ndarray of float32, shape (n, m)
        0, 0.5 or 1.
    """
    first, second = positive[:, None], negative[None, :]
    return ((first > second) + 0.5 * (first == second)).astype(np.float32)


def mean_auc(
    scores: Sequence[PairScores], *, fewest: int = 1, seed: int = 7
) -> dict[str, Any] | None:
    """Average the areas under the ROC curve of all pairs, each within its own model.

    Parameters
    ----------
    scores : sequence of PairScores
        One per model.
    fewest : int
        Pairs with fewer pictures on a side are left out.
    seed : int
        Of the resampling.

    Returns
    -------
    dict or None
        ``auc``, ``ci95`` and ``folds``; None without any pair. The interval is a percentile
        bootstrap that draws origins of each label, and pictures within them: it is too narrow
        where a label comes from one or two origins.
    """
    kept = [each for each in scores if min(len(each.positive), len(each.negative)) >= fewest]
    if not kept:
        return None
    random = np.random.default_rng(seed)
    origins = _draw_origins([each.pair.positive for each in kept], random)
    others = _draw_origins([each.pair.negative for each in kept], random)
    drawn: dict[tuple[bool, str, int], NDArray[np.float32]] = {}
    total, weight = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    areas = []
    for each in kept:
        table = wins(each.positive, each.negative)
        areas.append(float(table.mean()))
        first, second = (
            _draw_pictures(drawn, (side, name, size), random)
            for side, name, size in (
                (True, each.pair.positive, len(each.positive)),
                (False, each.pair.negative, len(each.negative)),
            )
        )
        again = ((first @ table) * second).sum(axis=1) / table.size
        both = origins[each.pair.positive] * others[each.pair.negative]
        total += both * again
        weight += both
    drawn_any = weight > 0
    return {
        "auc": float(np.mean(areas)),
        "ci95": interval(total[drawn_any] / weight[drawn_any]),
        "folds": len(kept),
    }


def mean_share(values: Mapping[str, NDArray[Any]], *, seed: int = 7) -> dict[str, Any] | None:
    """Average a figure per picture, such as whether it was classified correctly.

    Parameters
    ----------
    values : Mapping
        Origin -> a number from 0 to 1 per picture.

    Returns
    -------
    dict or None
        ``n``, ``value`` (every picture counts the same) and ``ci95``, from a bootstrap that draws
        origins, and pictures within them; None without any picture.
    """
    present = {name: each for name, each in values.items() if len(each)}
    if not present:
        return None
    random = np.random.default_rng(seed)
    origins = _draw_origins(list(present), random)
    total, count = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    for name, each in present.items():
        drawn = random.multinomial(len(each), np.full(len(each), 1 / len(each)), size=RESAMPLES)
        total += origins[name] * (drawn @ each)
        count += origins[name] * len(each)
    everything = np.concatenate(list(present.values()))
    return {
        "n": len(everything),
        "value": float(everything.mean()),
        "ci95": interval(total[count > 0] / count[count > 0]),
    }


def interval(values: NDArray[Any]) -> list[float]:
    """Return the 95 % percentile interval of resampled figures."""
    low, high = np.percentile(values, [2.5, 97.5])
    return [float(low), float(high)]


def _draw_origins(
    names: Sequence[str], random: np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    """Return how often each origin is in each resample."""
    distinct = sorted(set(names))
    counts = random.multinomial(
        len(distinct), np.full(len(distinct), 1 / len(distinct)), size=RESAMPLES
    )
    return dict(zip(distinct, counts.T, strict=True))


def _draw_pictures(
    drawn: dict[tuple[bool, str, int], NDArray[np.float32]],
    key: tuple[bool, str, int],
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Return how often each picture is in each resample, the same for all models."""
    if key not in drawn:
        size = key[2]
        counts = random.multinomial(size, np.full(size, 1 / size), size=RESAMPLES)
        drawn[key] = counts.astype(np.float32)
    return drawn[key]
