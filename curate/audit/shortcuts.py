"""The shortcut audit: whether the label can be predicted without seeing the car.

A classifier that sees only size, aspect, compression, source, framing, brightness and sharpness is
cross-validated with the same groups as the splits. Its accuracy is the baseline that a model which
sees the car has to beat.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bodyshop_core.summary import Summary
from curate.audit.nuisance import columns
from curate.policy import AuditPolicy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 400
"""Bootstrap resamples of groups behind each interval."""

TREES = 50
"""Of the forest that sees all features; a hundred give the same warnings
(docs/benchmarks/looking.md), in twice the time."""

TOGETHER = "all together"


@dataclass(frozen=True)
class NuisanceScore:
    """How well one nuisance feature, or all of them, predicts the label.

    Parameters
    ----------
    feature : str
        Its name; ``all together`` for all.
    balanced_accuracy : float
        Mean recall over the classes, out of fold.
    low, high : float
        Its 95 % interval (percentile bootstrap over groups).
    accuracy, accuracy_low, accuracy_high : float
        Share of correct labels and its interval.
    auc : float
        Area under the ROC curve, macro-averaged one against rest.
    leak : bool
        Whether `low` is above chance by more than the policy's margin.
    """

    feature: str
    balanced_accuracy: float
    low: float
    high: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    auc: float
    leak: bool


@dataclass(frozen=True)
class ShortcutAudit(Summary):
    """The outcome of `audit_rows`.

    Parameters
    ----------
    pictures, groups : int
        What it was computed on.
    chance : float
        Balanced accuracy of guessing.
    majority : float
        Accuracy of always predicting the most frequent label.
    features : tuple of NuisanceScore
        One per feature, the most predictive first.
    together : NuisanceScore
        All features at once.
    leak : bool
        Whether any of them is a leak.
    digest : str
        Changes with everything the outcome depends on.
    """

    pictures: int
    groups: int
    chance: float
    majority: float
    features: tuple[NuisanceScore, ...]
    together: NuisanceScore
    leak: bool
    digest: str

    derived: ClassVar[tuple[str, ...]] = ("baseline",)

    @property
    def baseline(self) -> dict[str, Any]:
        """The figure a model has to beat: the best accuracy without seeing the car."""
        best = max((*self.features, self.together), key=lambda leak: leak.accuracy)
        if self.majority >= best.accuracy:
            return {
                "feature": "most frequent label",
                "accuracy": round(self.majority, 4),
                "ci95": [round(self.majority, 4)] * 2,
                "balanced_accuracy": round(self.chance, 4),
            }
        return {
            "feature": best.feature,
            "accuracy": best.accuracy,
            "ci95": [best.accuracy_low, best.accuracy_high],
            "balanced_accuracy": best.balanced_accuracy,
        }


def audit_rows(
    rows: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    policy: AuditPolicy | None = None,
    seed: int = 7,
    digest: str | None = None,
) -> ShortcutAudit:
    """Measure how well nuisance features predict the label.

    Parameters
    ----------
    rows : sequence of Mapping
        n pictures, see `curate.audit.nuisance.columns`.
    labels : sequence of str
        Their classes; see `enough_to_audit`.
    groups : sequence of str
        Pictures of one group are never in two folds.
    policy : AuditPolicy, optional
        Margin and folds.
    seed : int
        Of folds, trees and bootstrap.
    digest : str, optional
        What `audit_digest` said of all this.

    Returns
    -------
    ShortcutAudit
        Per feature and together.
    """
    import numpy as np

    policy = policy or AuditPolicy()
    digest = digest or audit_digest(rows, labels, groups, policy, seed)
    rows, labels, groups = _sample(rows, labels, groups, policy.max_pictures, seed)
    names, y = np.unique(np.array(labels), return_inverse=True)
    _, group = np.unique(np.array(groups), return_inverse=True)
    blocks = columns(rows)
    folds = _folds(y, group, policy.folds, seed)
    chance = 1 / len(names)
    resamples = _resamples(int(group.max()) + 1, seed)

    def score(feature: str, block: NDArray[np.float64]) -> NuisanceScore:
        scores = _out_of_fold(block, y, folds, len(names), seed, single=feature != TOGETHER)
        return _summarised(feature, scores, y, group, chance, policy.margin, resamples)

    features = sorted(
        (score(feature, block) for feature, block in blocks.items()),
        key=lambda leak: (-leak.balanced_accuracy, leak.feature),
    )
    everything = np.concatenate(list(blocks.values()), axis=1) if blocks else np.zeros((len(y), 1))
    together = score(TOGETHER, everything)
    return ShortcutAudit(
        len(y),
        int(group.max()) + 1,
        round(chance, 4),
        round(float(np.bincount(y).max() / len(y)), 4),
        tuple(features),
        together,
        together.leak or any(leak.leak for leak in features),
        digest,
    )


def enough_to_audit(labels: Sequence[str], groups: Sequence[str]) -> bool:
    """Return whether pictures can be cross-validated: two classes, two groups, one class of two."""
    pictures = Counter(labels)
    return len(pictures) > 1 and len(set(groups)) > 1 and max(pictures.values()) > 1


def audit_digest(
    rows: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    groups: Sequence[str],
    policy: AuditPolicy,
    seed: int,
) -> str:
    """Return 16 hexadecimal digits that change with everything an audit depends on."""
    # The text of one JSON document, row after row: at a million pictures it is 300 MB.
    digest = hashlib.sha256()
    lead = "[[["
    for row in rows:
        digest.update(f"{lead}{json.dumps(sorted(row.items()), default=str)}".encode())
        lead = ", "
    rest = (list(labels), list(groups), policy.model_dump(), seed, RESAMPLES, TREES)
    said, grouped, rules, *numbers = (json.dumps(part, default=str) for part in rest)
    start = "" if len(rows) else lead
    digest.update(f"{start}], {said}, {grouped}], {rules}, {', '.join(numbers)}]".encode())
    return digest.hexdigest()[:16]


def _sample(
    rows: Sequence[Any], labels: Sequence[str], groups: Sequence[str], limit: int, seed: int
) -> tuple[Sequence[Any], Sequence[str], Sequence[str]]:
    if len(labels) <= limit:
        return list(rows), labels, groups
    import numpy as np

    chosen = np.sort(np.random.default_rng(seed).choice(len(labels), limit, replace=False))
    return [rows[i] for i in chosen], [labels[i] for i in chosen], [groups[i] for i in chosen]


def _folds(
    y: NDArray[np.int64], group: NDArray[np.int64], count: int, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold

    folds = max(2, min(count, len(np.unique(group)), int(np.bincount(y).max())))
    with warnings.catch_warnings():
        # A class smaller than the number of folds is audited all the same, with a wide interval.
        warnings.simplefilter("ignore", UserWarning)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        return [pair for pair in splitter.split(y, y, group) if len(pair[0]) and len(pair[1])]


def _out_of_fold(
    block: NDArray[np.float64],
    y: NDArray[np.int64],
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    classes: int,
    seed: int,
    *,
    single: bool,
) -> NDArray[np.float64]:
    """Class probabilities of each picture from a model that did not see its group.

    One feature gets a small tree, which finds any threshold; all of them a forest. Both weigh the
    classes equally, and their leaves are large enough not to learn single pictures.
    """
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier

    filled = np.where(np.isnan(block), -1.0, block)  # no nuisance feature is negative
    scores = np.full((len(y), classes), 1 / classes)
    for train, test in folds:
        leaf = max(3, len(train) // 50)
        if single:
            # A name has a column per category: a threshold on each of them has to fit in.
            model = DecisionTreeClassifier(
                max_depth=max(4, block.shape[1]),
                min_samples_leaf=leaf,
                class_weight="balanced",
                random_state=seed,
            )
        else:
            model = RandomForestClassifier(
                TREES,
                min_samples_leaf=max(3, leaf // 3),
                class_weight="balanced",
                random_state=seed,
                n_jobs=1,
            )
        model.fit(filled[train], y[train])
        scores[np.ix_(test, model.classes_)] = model.predict_proba(filled[test])
        missing = np.setdiff1d(np.arange(classes), model.classes_)
        scores[np.ix_(test, missing)] = 0
    return scores


def _resamples(groups: int, seed: int) -> NDArray[np.float64]:
    """Return how often each group is drawn in each resample, shape (RESAMPLES, groups)."""
    import numpy as np

    draws = np.random.default_rng(seed).multinomial(
        groups, np.full(groups, 1 / groups), size=RESAMPLES
    )
    return draws.astype(np.float64)


def _summarised(
    feature: str,
    scores: NDArray[np.float64],
    y: NDArray[np.int64],
    group: NDArray[np.int64],
    chance: float,
    margin: float,
    resamples: NDArray[np.float64],
) -> NuisanceScore:
    import numpy as np

    right = (scores.argmax(axis=1) == y).astype(np.float64)
    classes = scores.shape[1]
    groups = int(group.max()) + 1
    # Correct and total per group and class: a resample of groups is a weighted sum of its rows.
    total = np.zeros((groups, classes))
    hits = np.zeros((groups, classes))
    np.add.at(total, (group, y), 1)
    np.add.at(hits, (group, y), right)
    counts = resamples @ total
    found = resamples @ hits
    with np.errstate(invalid="ignore"):
        recall = np.where(counts > 0, found / np.maximum(counts, 1), np.nan)
    balanced = np.nanmean(recall, axis=1)
    accuracy = found.sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
    low, high = np.percentile(balanced, [2.5, 97.5])
    value = float(np.mean(hits.sum(axis=0) / np.maximum(total.sum(axis=0), 1)))
    accuracy_low, accuracy_high = np.percentile(accuracy, [2.5, 97.5])
    return NuisanceScore(
        feature,
        round(value, 4),
        round(float(low), 4),
        round(float(high), 4),
        round(float(right.mean()), 4),
        round(float(accuracy_low), 4),
        round(float(accuracy_high), 4),
        round(_auc(scores, y), 4),
        bool(low > chance + margin),
    )


def _auc(scores: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    import numpy as np
    from sklearn.metrics import roc_auc_score

    each = [
        roc_auc_score(y == index, scores[:, index])
        for index in range(scores.shape[1])
        if 0 < (y == index).sum() < len(y)
    ]
    return float(np.mean(each)) if each else 0.5
