from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, precision_recall_fscore_support

from train.metrics import classification as metrics


def test_wilson_matches_published_values() -> None:
    # Newcombe 1998, table 1: 81 of 263 and 0 of 20.
    assert metrics.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert metrics.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_contains_the_share_and_stays_in_the_unit_interval(right: int, more: int) -> None:
    low, high = metrics.wilson(right, right + more)
    assert 0 <= low <= high <= 1
    if right + more:
        assert low - 1e-12 <= right / (right + more) <= high + 1e-12


def _case(seed: int, n: int = 200, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, n)
    logits = random.normal(0, 1, (n, classes)) + 1.2 * np.eye(classes)[labels]
    return labels, metrics.temper(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), 1.0)


def test_summary_agrees_with_scikit_learn() -> None:
    labels, probabilities = _case(3)
    found = metrics.summary(labels, probabilities, ("a", "b", "c"))
    predicted = probabilities.argmax(1)
    precision, recall, f1, n = precision_recall_fscore_support(labels, predicted)
    for index, name in enumerate("abc"):
        each = found["per_class"][name]
        assert each["precision"] == pytest.approx(precision[index])
        assert each["recall"] == pytest.approx(recall[index])
        assert each["f1"] == pytest.approx(f1[index])
        assert each["n"] == n[index]
    assert found["loss"] == pytest.approx(log_loss(labels, probabilities))
    assert found["accuracy"] == pytest.approx((predicted == labels).mean())
    assert np.array(found["confusion"]).sum() == found["n"]


def test_a_class_that_is_absent_has_no_recall_and_does_not_break_the_rest() -> None:
    found = metrics.summary(np.array([0, 0]), np.array([[0.9, 0.1], [0.2, 0.8]]), ("a", "b"))
    assert found["per_class"]["b"]["recall"] is None
    assert found["per_class"]["b"]["roc_auc"] is None
    assert found["accuracy"] == 0.5


def test_overconfident_probabilities_get_a_temperature_above_one_and_a_lower_error() -> None:
    labels, probabilities = _case(5, n=2000)
    sharp = metrics.temper(probabilities, 1 / 3)
    temperature = metrics.fit_temperature(labels, sharp)
    assert temperature == pytest.approx(3.0, rel=0.25)
    soft = metrics.temper(sharp, temperature)
    assert metrics.expected_calibration_error(labels, soft) < 0.5 * (
        metrics.expected_calibration_error(labels, sharp)
    )


def test_a_few_perfect_answers_do_not_make_the_model_certain() -> None:
    labels = np.array([0, 1] * 5)
    probabilities = np.where(np.eye(2)[labels] == 1, 0.9, 0.1)
    assert metrics.fit_temperature(labels, probabilities) > 0.4


@given(st.floats(0.2, 5.0), st.integers(0, 50))
def test_temperature_never_changes_the_order(temperature: float, seed: int) -> None:
    _, probabilities = _case(seed, n=20)
    softened = metrics.temper(probabilities, temperature)
    assert (softened.argmax(1) == probabilities.argmax(1)).all()
    assert softened.sum(1) == pytest.approx(1.0)


def test_calibration_error_of_honest_probabilities_is_small() -> None:
    random = np.random.default_rng(1)
    p = random.uniform(0.5, 1, 20000)
    labels = (random.random(20000) > p).astype(int)
    assert metrics.expected_calibration_error(labels, np.stack([p, 1 - p], 1)) < 0.02


def test_threshold_moves_the_decision_for_the_positive_class_only_with_two_classes() -> None:
    probabilities = np.array([[0.7, 0.3], [0.4, 0.6]])
    assert metrics.decide(probabilities, threshold=0.25, positive=1).tolist() == [1, 1]
    assert metrics.decide(probabilities, threshold=0.65, positive=1).tolist() == [0, 0]
    assert metrics.decide(probabilities).tolist() == [0, 1]


def test_balanced_threshold_separates_what_can_be_separated() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    scores = np.array([0.1, 0.2, 0.3, 0.35, 0.9])
    threshold = metrics.balanced_threshold(labels, scores)
    assert 0.3 < threshold <= 0.35


def test_threshold_choices_do_what_their_names_say() -> None:
    random = np.random.default_rng(3)
    labels = (random.random(400) < 0.3).astype(int)
    scores = np.clip(random.normal(0.35 + 0.3 * labels, 0.15), 0, 1)
    choices = metrics.threshold_choices(labels, scores)
    found = {name: metrics.at_threshold(labels, scores, cut) for name, cut in choices.items()}
    for share in (0.95, 0.99):
        name = f"finds {share:.0%} there"
        assert found[name]["recall"] >= share
        above = metrics.at_threshold(labels, scores, np.nextafter(choices[name], 1))
        assert above["recall"] < share

    def f1(each: dict) -> float:
        return 2 * each["recall"] * each["precision"] / (each["recall"] + each["precision"])

    def balance(each: dict) -> float:
        return (each["recall"] + 1 - each["false_alarms"]) / 2

    for cut in np.linspace(0.2, 0.8, 61):
        each = metrics.at_threshold(labels, scores, cut)
        assert f1(each) <= f1(found["best F1"]) + 1e-12
        assert balance(each) <= balance(found["best balanced accuracy"]) + 1e-12
