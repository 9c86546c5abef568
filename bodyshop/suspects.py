"""Pictures whose label a cross-validated classifier disbelieves, for people to look at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.errors import NothingFoundError
from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace
    from labeling.records.pictures import CatalogPicture

BACKBONE = "efficientnet-lite0"

FOLDS = 5
REPEATS = 3
"""Cross-validations with other folds; their probabilities are averaged."""

STRENGTH = 0.01
"""Inverse regularisation of the logistic regression: wrong labels must not be learned by heart."""

DOUBT = 0.5
"""A label is suspected from this probability on that it is wrong."""


@dataclass(frozen=True)
class JudgedLabel:
    """A label, judged by a classifier that was fitted without its picture.

    Parameters
    ----------
    sha256, label : str
        Picture and its label.
    instead : str
        The label that the classifier prefers among the others.
    doubt : float
        Probability that the label is wrong, 0 to 1.
    agrees : bool
        Whether the classifier would give this label, too.
    by_person : bool
        Whether a person gave it.
    """

    sha256: str
    label: str
    instead: str
    doubt: float
    agrees: bool
    by_person: bool


class Suspects:
    """Finds suspected damage labels of a workspace (see `disbelief`).

    Labels that a person gave are used, but never suspected.

    Parameters
    ----------
    workspace : Workspace
        With labelled pictures.
    progress : Progress
        Reports the pictures that the network looks at.
    """

    def __init__(self, workspace: Workspace, *, progress: Progress = SILENT) -> None:
        self.workspace, self.progress = workspace, progress
        self.reasons: dict[str, str] = {}
        """sha256 -> what a labeler reads about it; filled by the call."""

    def __call__(self, pictures: Sequence[CatalogPicture]) -> dict[str, float]:
        """Return sha256 -> probability that its label is wrong, of the suspected pictures.

        Raises
        ------
        NothingFoundError
            There are too few labelled pictures.
        """
        asked = {picture.sha256 for picture in pictures}
        found = {}
        for each in self.judged():
            if each.sha256 in asked and each.doubt > DOUBT and not each.by_person:
                found[each.sha256] = each.doubt
                self.reasons[each.sha256] = (
                    f"Please check the label: it says {each.label}, but a classifier that did not "
                    f"see this picture says {each.instead} ({each.doubt:.0%})."
                )
        return found

    def judged(self) -> list[JudgedLabel]:
        """Return what the classifier thinks of every damage label.

        Raises
        ------
        NothingFoundError
            There are too few labelled pictures.
        """
        from bodyshop_core.catalog import Origin, effective_labels
        from labeling.records.pictures import load_pictures

        labels = effective_labels(self.workspace.catalog, "damage")
        known = [
            p
            for p in load_pictures(self.workspace)
            if p.sha256 in labels and labels[p.sha256].value
        ]
        keys, features = self._features(known)
        values = [str(labels[key].value) for key in keys]
        groups = self._groups()
        found, classes = out_of_fold(features, values, [groups.get(key, key) for key in keys])
        given = np.asarray([classes.index(value) for value in values])
        wrong, instead = _doubts(found, given, classes)
        return [
            JudgedLabel(
                key,
                value,
                other,
                float(doubt),
                classes[best] == value,
                labels[key].origin in (Origin.HUMAN, Origin.ANNOTATION),
            )
            for key, value, doubt, other, best in zip(
                keys, values, wrong, instead, found.argmax(axis=1).tolist(), strict=True
            )
        ]

    def _features(
        self, pictures: Sequence[CatalogPicture]
    ) -> tuple[list[str], NDArray[np.float32]]:
        """Take what `curate` stored, when it is of the same network; look at the others now."""
        from bodyshop_core.backbones import Scorer
        from curate import load_gate
        from curate.gate.extract import extract_features
        from curate.gate.feature_store import FeatureStore

        keys: list[str] = []
        parts = []
        gate = load_gate(self.workspace)
        if gate.backbone == BACKBONE and gate.weights is None:
            store = FeatureStore(self.workspace.features / gate.fingerprint)
            stored = store.load([picture.sha256 for picture in pictures])
            if len(stored):
                keys += stored.keys
                parts.append(stored.features.astype(np.float32))
        there = set(keys)
        todo = [each for each in pictures if each.sha256 not in there]
        files = [(each.sha256, each.path) for each in todo if each.path.exists()]
        if files:
            for batch in extract_features(Scorer(BACKBONE), files, progress=self.progress):
                keys += batch.keys
                parts.append(batch.features.astype(np.float32))
        if not keys:
            raise NothingFoundError(
                "no picture has a damage label that could be suspected",
                hint="import pictures with labels: bodyshop import FOLDER",
            )
        return keys, np.concatenate(parts)

    def _groups(self) -> dict[str, str]:
        from sqlalchemy import select

        from bodyshop_core.catalog import schema

        table = schema.verdicts
        with self.workspace.catalog.read() as connection:
            rows = connection.execute(select(table.c.sha256, table.c.group)).all()
        return {sha256: group for sha256, group in rows if group}


def disbelief(
    features: NDArray[np.floating], labels: Sequence[str], groups: Sequence[str], *, seed: int = 0
) -> tuple[NDArray[np.float64], list[str]]:
    """Return how probable it is that each label is wrong, judged out of fold.

    One minus the probability that a logistic regression gives the label when it was fitted without
    the picture and its group (self-confidence: Northcutt et al. 2021, Confident Learning,
    Journal of Artificial Intelligence Research 70, section 3).

    Parameters
    ----------
    features : ndarray, shape (n, d)
        Of a frozen network.
    labels, groups : sequence of str, length n
        Pictures of one group, such as near-duplicates, are never in two folds.
    seed : int
        Of the folds.

    Returns
    -------
    ndarray of float64, shape (n,)
        0 to 1.
    list of str
        The label that the classifier prefers among the others.

    Raises
    ------
    NothingFoundError
        Fewer than two classes, or a class with fewer than `FOLDS` groups.
    """
    found, classes = out_of_fold(features, labels, groups, seed=seed)
    return _doubts(found, np.asarray([classes.index(label) for label in labels]), classes)


def out_of_fold(
    features: NDArray[np.floating], labels: Sequence[str], groups: Sequence[str], *, seed: int = 0
) -> tuple[NDArray[np.float64], list[str]]:
    """Return the probabilities of a logistic regression that was fitted without each picture.

    Parameters and errors as of `disbelief`.

    Returns
    -------
    ndarray of float64, shape (n, classes)
        Averages over `REPEATS` cross-validations.
    list of str
        The classes, in the order of the columns.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes = sorted(set(labels))
    given = np.asarray([classes.index(label) for label in labels])
    counts = {
        label: len({g for g, each in zip(groups, labels, strict=True) if each == label})
        for label in classes
    }
    if len(classes) < 2 or min(counts.values()) < FOLDS:
        raise NothingFoundError(
            f"suspected labels need two classes with {FOLDS} pictures each that are no duplicates, "
            f"not {counts}"
        )
    total = np.zeros((len(given), len(classes)))
    for repeat in range(REPEATS):
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed + repeat)
        for fit, judge in folds.split(features, given, np.asarray(groups)):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=500))
            model.fit(features[fit], given[fit])
            total[np.ix_(judge, model.classes_)] += model.predict_proba(features[judge])
    return total / REPEATS, classes


def _doubts(
    probabilities: NDArray[np.float64], given: NDArray[np.int64], classes: Sequence[str]
) -> tuple[NDArray[np.float64], list[str]]:
    rows = np.arange(len(given))
    wrong = 1 - probabilities[rows, given]
    others = probabilities.copy()
    others[rows, given] = -1
    return wrong, [classes[index] for index in others.argmax(axis=1)]
