"""Which origins are left out together: one with pictures of each label, scored by one model.

Most origins carry one label. Left out alone, such an origin can't be ranked against anything, and
scores of two models must not be ranked together: their offsets differ.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST_ORIGINS = 3
"""With fewer, nothing is left to train on once a pair is left out."""

FEWEST_PICTURES = 8
"""Of a label, for an origin to be scored, and for the rest to be trained on."""

BUNDLES = 5
"""Origins with fewer pictures are joined into so many, whole origins together."""


@dataclass(frozen=True, order=True)
class Pair:
    """Two origins that are left out together; they may be one that carries both labels.

    Parameters
    ----------
    positive : str
        Its pictures of the label to detect are scored.
    negative : str
        Its pictures of the other label are scored.
    """

    positive: str
    negative: str

    @property
    def origins(self) -> frozenset[str]:
        """What no picture of may be trained on."""
        return frozenset({self.positive, self.negative})


def bundle_small(origins: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Join origins that are too small to be scored alone, such as hosts found once.

    Parameters
    ----------
    origins, labels : sequence of str, length n
        Of each picture.

    Returns
    -------
    list of str
        Of each picture: its origin, or the name of the bundle that its origin is in.
    """
    sizes = Counter(zip(origins, labels, strict=True))
    large = {origin for (origin, _), n in sizes.items() if n >= FEWEST_PICTURES}
    small = sorted(set(origins) - large)
    if len(small) < 2:
        return list(origins)
    count = min(BUNDLES, len(small))
    names = {
        name: f"small origins {1 + int(hashlib.sha256(name.encode()).hexdigest(), 16) % count}"
        for name in small
    }
    return [names.get(name, name) for name in origins]


def choose_pairs(
    origins: Sequence[str], labels: Sequence[str], positive: str, *, most: int | None = None
) -> list[Pair]:
    """Return the pairs of origins to leave out, in the order in which they are worth the time.

    Parameters
    ----------
    origins, labels : sequence of str, length n
        Of each picture; two labels.
    positive : str
        The label to detect.
    most : int, optional
        At most so many pairs: chosen so that all origins are left out about equally often.

    Returns
    -------
    list of Pair
        Each leaves at least `FEWEST_PICTURES` of both labels to train on. Empty when there are
        fewer than `FEWEST_ORIGINS`, or a label comes from too few.
    """
    if len(set(origins)) < FEWEST_ORIGINS:
        return []
    of_label: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for origin, label in zip(origins, labels, strict=True):
        of_label[label == positive][origin] += 1
    left_out = {
        kind: sorted(name for name, n in sizes.items() if n >= FEWEST_PICTURES)
        for kind, sizes in of_label.items()
    }
    possible = [
        pair
        for pair in (Pair(a, b) for a in left_out[True] for b in left_out[False])
        if all(
            sizes.total() - sum(sizes[name] for name in pair.origins) >= FEWEST_PICTURES
            for sizes in of_label.values()
        )
    ]
    chosen: list[Pair] = []
    used: Counter[tuple[bool, str]] = Counter()

    def cost(pair: Pair) -> tuple[int, int, int, Pair]:
        first, second = used[True, pair.positive], used[False, pair.negative]
        pictures = of_label[True][pair.positive] + of_label[False][pair.negative]
        return first + second, max(first, second), -pictures, pair

    while possible and (most is None or len(chosen) < most):
        best = min(possible, key=cost)
        possible.remove(best)
        chosen.append(best)
        used.update([(True, best.positive), (False, best.negative)])
    return chosen


def why_none(origins: Sequence[str], labels: Sequence[str], positive: str) -> str:
    """Say why `choose_pairs` found no pair, and what helps."""
    count = len(set(origins))
    if count < FEWEST_ORIGINS:
        return (
            f"the pictures come from {count} origin{'s' if count != 1 else ''}, and "
            f"{FEWEST_ORIGINS} are needed: add pictures of other sources "
            "(bodyshop import --source NAME)"
        )
    other = next(label for label in sorted(set(labels)) if label != positive)
    sizes = Counter(zip(origins, labels, strict=True))
    enough = {
        label: sum(n >= FEWEST_PICTURES for (_, each), n in sizes.items() if each == label)
        for label in (positive, other)
    }
    return (
        f"'{positive}' comes from {enough[positive]} and '{other}' from {enough[other]} origins "
        f"with {FEWEST_PICTURES} pictures or more: left out, too little remains to train on; add "
        "pictures of other sources (bodyshop import --source NAME)"
    )
