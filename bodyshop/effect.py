"""What the decisions of people did to the accuracy of a linear probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bodyshop.suspects import FOLDS, STRENGTH
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.summary import Summary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace

MOST = 3000
"""Pictures that are looked at; of more, so many are drawn, so that it takes seconds."""

DRAWS = 1000
"""Of the bootstrap."""

GONE = -1
"""In place of a class: not in the set on this side."""


@dataclass(frozen=True)
class Effect(Summary):
    """Balanced accuracies of a linear probe, out of fold, with the labels before and now.

    Parameters
    ----------
    pictures, groups : int
        That were compared; pictures of one group, such as near-duplicates, are never in two folds.
    of : int
        Pictures from which they were drawn.
    changed : int
        Compared pictures whose label differs, or that came or left, by what people said.
    classes : tuple of str
        Those with enough groups on both sides.
    before, after : float
        Mean recall of the classes, 0 to 1: learned from and judged by the labels without and with
        what people said.
    before_by_now : float
        Learned from the labels before, judged by those of now: what of the difference is not just
        that other labels judge.
    before_interval, after_interval, difference_interval : tuple of float
        95 %, bootstrap over the groups; of after minus before the last.
    """

    pictures: int
    groups: int
    of: int
    changed: int
    classes: tuple[str, ...]
    before: float
    after: float
    before_by_now: float
    before_interval: tuple[float, float]
    after_interval: tuple[float, float]
    difference_interval: tuple[float, float]


def effect_of_decisions(workspace: Workspace, field: str, *, seed: int = 0) -> Effect:
    """Fit a linear probe with the labels before and after what people decided.

    Before: the labels without those of people (`Origin.HUMAN`), of all pictures. After: with them,
    without the pictures that a person rejected. Only features that `curate` stored are used.

    Parameters
    ----------
    workspace : Workspace
        A curated one.
    field : str
        ``damage``, ``brand`` or ``model``.
    seed : int
        Of the drawing, the folds and the bootstrap.

    Raises
    ------
    NothingFoundError
        People decided nothing, or there are too few labelled pictures with stored features.
    """
    from sqlalchemy import select

    from bodyshop_core.catalog import Origin, effective_labels, schema
    from curate import load_gate
    from curate.gate.feature_store import FeatureStore

    catalog, decisions, verdicts = workspace.catalog, schema.decisions, schema.verdicts
    old = effective_labels(catalog, field, without=Origin.HUMAN)
    before = {sha: each.value for sha, each in old.items() if each.value}
    after = {sha: e.value for sha, e in effective_labels(catalog, field).items() if e.value}
    with catalog.read() as connection:
        rejected = select(decisions.c.sha256).where(decisions.c.decision == "reject")
        for sha in connection.scalars(rejected):
            after.pop(sha, None)
        rows = connection.execute(select(verdicts.c.sha256, verdicts.c.group)).all()
    if before == after:
        raise NothingFoundError(
            f"no decision changed a {field} label or rejected a labelled picture yet",
            hint="decide, and ask again",
        )
    store = FeatureStore(workspace.features / load_gate(workspace).fingerprint)
    known = sorted(store.keys() & (before.keys() | after.keys()))
    drawn = np.random.default_rng(seed).permutation(len(known))[:MOST]
    stored = store.load([known[index] for index in sorted(drawn.tolist())])
    groups = {sha: group for sha, group in rows if group}
    return compare_labels(
        stored.features.astype(np.float32),
        [before.get(key) for key in stored.keys],
        [after.get(key) for key in stored.keys],
        [groups.get(key, key) for key in stored.keys],
        of=len(known),
        seed=seed,
    )


def compare_labels(
    features: NDArray[np.floating],
    before: Sequence[str | None],
    after: Sequence[str | None],
    groups: Sequence[str],
    *,
    of: int | None = None,
    seed: int = 0,
) -> Effect:
    """Fit the same folds of the same pictures with two sets of labels.

    Parameters
    ----------
    features : ndarray, shape (n, d)
        Of a frozen network.
    before, after : sequence of str or None, length n
        Labels; None where a picture is not in the set.
    groups : sequence of str, length n
        Pictures of one group are never in two folds.
    of : int, optional
        Reported as `Effect.of`; by default n.
    seed : int
        Of the folds and the bootstrap.

    Raises
    ------
    NothingFoundError
        Fewer than two classes with `FOLDS` groups on both sides.
    """
    from sklearn.model_selection import StratifiedGroupKFold
    from threadpoolctl import threadpool_limits

    counts = [_groups_per_class(labels, groups) for labels in (before, after)]
    classes = sorted(
        name for name in counts[0] if min(each.get(name, 0) for each in counts) >= FOLDS
    )
    if len(classes) < 2:
        raise NothingFoundError(
            f"too few: the probe needs two classes with {FOLDS} pictures each that are no "
            f"duplicates, before and after; there are {counts[0]} before and {counts[1]} after",
            hint="bodyshop curate stores the features of labelled pictures",
        )
    places = {name: place for place, name in enumerate(classes)}
    sides = [np.asarray([places.get(x or "", GONE) for x in labels]) for labels in (before, after)]
    used = (sides[0] != GONE) | (sides[1] != GONE)
    one, two = (side[used] for side in sides)
    rows, number = features[used], np.unique(np.asarray(groups)[used], return_inverse=True)[1]
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    said = np.full((2, len(one)), GONE)
    # One thread: on a busy machine, threads that wait for each other took a hundred times as long.
    with threadpool_limits(1):
        for fit, judge in folds.split(rows, np.where(two == GONE, one, two), number):
            for side, labels in enumerate((one, two)):
                learned = fit[labels[fit] != GONE]
                said[side, judge] = _predicted(rows[learned], labels[learned], rows[judge])
    pairs = ((said[0], one), (said[1], two), (said[0], two))
    tallies = [_tally(guess, truth, number, len(classes)) for guess, truth in pairs]
    total = number.max() + 1
    weights = np.random.default_rng(seed).multinomial(total, np.full(total, 1 / total), DRAWS)
    was, now = (_balanced(tally, weights) for tally in tallies[:2])
    values = [float(_balanced(tally, np.ones((1, total)))[0]) for tally in tallies]
    return Effect(
        pictures=len(one),
        groups=int(total),
        of=len(features) if of is None else of,
        changed=int((one != two).sum()),
        classes=tuple(classes),
        before=values[0],
        after=values[1],
        before_by_now=values[2],
        before_interval=_interval(was),
        after_interval=_interval(now),
        difference_interval=_interval(now - was),
    )


def _groups_per_class(labels: Sequence[str | None], groups: Sequence[str]) -> dict[str, int]:
    pairs = {(label, group) for label, group in zip(labels, groups, strict=True) if label}
    names = [label for label, _ in pairs]
    return {name: names.count(name) for name in sorted(set(names))}


def _predicted(
    known: NDArray[np.floating], labels: NDArray[np.int64], asked: NDArray[np.floating]
) -> NDArray[np.int64]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # Balanced, as the accuracy: a rare class counts as much as a frequent one.
    regression = LogisticRegression(C=STRENGTH, max_iter=500, class_weight="balanced")
    model = make_pipeline(StandardScaler(), regression).fit(known, labels)
    return np.asarray(model.predict(asked), np.int64)


def _tally(
    guess: NDArray[np.int64], truth: NDArray[np.int64], groups: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Return hits and pictures, shape (2, groups, classes)."""
    found = np.zeros((2, groups.max() + 1, classes))
    there = truth != GONE
    np.add.at(found[1], (groups[there], truth[there]), 1)
    hit = there & (guess == truth)
    np.add.at(found[0], (groups[hit], truth[hit]), 1)
    return found


def _balanced(tally: NDArray[np.float64], weights: NDArray[np.number]) -> NDArray[np.float64]:
    """Return the mean recall of each draw; a class that a draw lacks is left out of its mean."""
    hits, pictures = weights @ tally[0], weights @ tally[1]
    recalls = np.divide(hits, pictures, out=np.full_like(hits, np.nan), where=pictures > 0)
    return np.asarray(np.nanmean(recalls, axis=1))


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
