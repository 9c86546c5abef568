"""The audit's own folds and trees say what scikit-learn's do, without its import."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.tree import DecisionTreeClassifier

from curate.audit.folds import grouped_folds
from curate.audit.stage import stratified
from curate.audit.trees import binned, class_shares


@pytest.mark.parametrize(("n", "groups", "classes", "count"), [(300, 90, 2, 5), (200, 7, 5, 4)])
def test_folds_are_those_of_scikit_learn(n: int, groups: int, classes: int, count: int) -> None:
    random = np.random.default_rng(1)
    y = np.unique(random.integers(0, classes, n), return_inverse=True)[1]
    group = np.unique(random.integers(0, groups, n), return_inverse=True)[1]
    theirs = StratifiedGroupKFold(count, shuffle=True, random_state=7)
    expected = np.zeros(n, dtype=int)
    for number, (_, test) in enumerate(theirs.split(y, y, group)):
        expected[test] = number
    assert np.array_equal(grouped_folds(y, group, count, 7), expected)


def test_a_tree_is_that_of_scikit_learn() -> None:
    """Few values, so that both may cut between the same ones."""
    random = np.random.default_rng(2)
    column = random.integers(0, 40, 500)
    y = (random.random(500) < np.where((column > 12) & (column < 25), 0.9, 0.2)).astype(int)
    weights = np.where(y, 1.7, 0.6)
    theirs = DecisionTreeClassifier(max_depth=4, min_samples_leaf=10, random_state=0)
    theirs.fit(column[:, None], y, sample_weight=weights)
    ours = class_shares(
        binned(column[:, None].astype(float), 64), y, weights[None],
        classes=2, depth=4, leaf=10, tried=1, seed=0,
    )  # fmt: skip
    assert ours[0] == pytest.approx(theirs.predict_proba(column[:, None]))


def test_a_forest_finds_what_only_two_features_together_tell() -> None:
    random = np.random.default_rng(3)
    block = random.random((800, 4))
    y = ((block[:, 0] > 0.5) ^ (block[:, 1] > 0.5)).astype(int)
    train = np.arange(800) < 600
    weights = random.multinomial(600, np.full(600, 1 / 600), 60).astype(float)
    weights = np.concatenate([weights, np.zeros((60, 200))], axis=1)
    shares = class_shares(
        binned(block, 32), y, weights, classes=2, depth=12, leaf=4, tried=2, seed=0
    ).mean(axis=0)
    ours = (shares.argmax(axis=1) == y)[~train].mean()
    theirs = RandomForestClassifier(60, min_samples_leaf=4, random_state=0)
    expected = theirs.fit(block[train], y[train]).score(block[~train], y[~train])
    assert ours > 0.9
    assert ours == pytest.approx(expected, abs=0.05)


def test_trees_that_do_not_fit_into_memory_together_grow_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(4)
    codes, y = random.integers(0, 9, (120, 3)), random.integers(0, 3, 120)
    weights = random.integers(0, 3, (8, 120)).astype(float)
    grow = {"classes": 3, "depth": 6, "leaf": 3, "tried": 3, "seed": 0}
    together = class_shares(codes, y, weights, **grow)
    monkeypatch.setattr("curate.audit.trees.CELLS", 1)
    assert np.array_equal(class_shares(codes, y, weights, **grow), together)


def test_the_audit_and_the_workers_do_without_slow_imports() -> None:
    code = (
        "import sys, curate.audit.shortcuts as s\n"
        "rows = [{'width': 300 + i, 'height': 200, 'bytes': i} for i in range(40)]\n"
        "s.audit_rows(rows, ['a', 'b'] * 20, [str(i) for i in range(40)])\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = (
        "import sys, curate.look.shard, curate.duplicates.checks, bodyshop_core.engine.worker\n"
        "assert not {'sqlalchemy', 'scipy', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_sample_of_views_has_the_labels_and_origins_of_all() -> None:
    kinds = [("damaged", "a.example")] * 900 + [("whole", "b.example")] * 300
    chosen = stratified(kinds, range(1200), 7, size=100)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 100
    assert sum(index < 900 for index in chosen) == 75
    assert chosen == stratified(kinds, range(1200), 7, size=100)
    assert chosen != stratified(kinds, range(1200), 8, size=100)
    assert stratified(kinds[:50], range(50), 7, size=100) == list(range(50))
