from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, precision_recall_fscore_support

from train.metrics import classification as metrics
from train.metrics import thresholds
from train.metrics.finite import NotFiniteError
from train.metrics.masks import mask_summary
from train.recipes.recipe import Costs


@pytest.mark.parametrize(
    # Newcombe 1998, table 1, method 3.
    ("correct", "n", "expected"),
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611))],
)
def test_intervals_match_the_published_ones(
    correct: int, n: int, expected: tuple[float, float]
) -> None:
    labels = np.zeros(n, int)
    probabilities = np.where(np.arange(n)[:, None] < correct, [[0.9, 0.1]], [[0.1, 0.9]])
    found = metrics.summary(labels, probabilities, ("a", "b"))
    assert found["ci95"] == pytest.approx(expected, abs=5e-5)
    assert found["per_class"]["a"]["recall_ci95"] == found["ci95"]


def test_nothing_tested_gives_no_figure_rather_than_a_number() -> None:
    found = metrics.summary(np.zeros(0, int), np.zeros((0, 2)), ("a", "b"))
    assert found["n"] == 0
    assert [found[name] for name in ("accuracy", "ci95", "loss", "ece")] == [None] * 4


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_probabilities_that_are_no_numbers_are_an_error_and_no_score(value: float) -> None:
    labels, probabilities = _case(1, n=5)
    probabilities[3] = value
    with pytest.raises(NotFiniteError, match="1 of 5 pictures"):
        metrics.summary(labels, probabilities, ("a", "b", "c"))
    masks = np.full((2, 4, 4, 1), 0.2, np.float32)
    masks[0, 1, 1] = value
    with pytest.raises(NotFiniteError, match="1 of 2 pictures"):
        mask_summary(np.zeros((2, 4, 4, 1), np.uint8), masks, ("dent",))


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


def test_a_few_correct_predictions_do_not_make_the_model_certain() -> None:
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
    threshold = thresholds.balanced_threshold(labels, scores)
    assert 0.3 < threshold <= 0.35


@given(st.integers(0, 2000), st.sampled_from([1 / 30, 0.5, 1, 3, 20]))
def test_no_threshold_is_cheaper_than_the_one_chosen_by_cost(seed: int, missed: float) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(2, 40))
    labels = np.concatenate([[0, 1], random.integers(0, 2, n)])
    scores = random.random(n + 2).round(2)
    costs = Costs(missed=missed, false=1)

    def spent(cut: float) -> float:
        each = thresholds.at_threshold(labels, scores, cut)
        return missed * each["missed"] + each["false"]

    chosen = thresholds.cost_threshold(labels, scores, costs)
    assert 0 <= chosen <= 1
    cuts = [*scores, *(scores + 1e-6)]
    assert spent(chosen) == pytest.approx(min(map(spent, (c for c in cuts if c <= 1))))


def test_where_pictures_do_not_decide_the_cost_threshold_is_that_of_calibrated_probabilities() -> (
    None
):
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.01, 0.02, 0.9, 0.95])
    costs = Costs(missed=20, false=1)
    assert thresholds.cost_threshold(labels, scores, costs) == pytest.approx(1 / 21)
    assert thresholds.choose_threshold(0.3, labels, scores) == 0.3
    assert thresholds.choose_threshold("balanced", labels, scores) == pytest.approx(0.46)
    assert thresholds.choose_threshold(costs, labels * 0, scores) == 0.5


def test_threshold_choices_do_what_their_names_say() -> None:
    random = np.random.default_rng(3)
    labels = (random.random(400) < 0.3).astype(int)
    scores = np.clip(random.normal(0.35 + 0.3 * labels, 0.15), 0, 1)
    choices = thresholds.threshold_choices(labels, scores)
    found = {name: thresholds.at_threshold(labels, scores, cut) for name, cut in choices.items()}
    for share in (0.95, 0.99):
        name = f"threshold for {100 * share:.0f} % recall"
        assert found[name]["recall"] >= share
        above = thresholds.at_threshold(labels, scores, np.nextafter(choices[name], 1))
        assert above["recall"] < share

    def f1(each: dict) -> float:
        return 2 * each["recall"] * each["precision"] / (each["recall"] + each["precision"])

    def balance(each: dict) -> float:
        return (each["recall"] + 1 - each["false_positive_rate"]) / 2

    for cut in np.linspace(0.2, 0.8, 61):
        each = thresholds.at_threshold(labels, scores, cut)
        assert f1(each) <= f1(found["best F1"]) + 1e-12
        assert balance(each) <= balance(found["best balanced accuracy"]) + 1e-12


@given(st.integers(0, 500), st.integers(1, 500))
def test_intervals_contain_the_share_and_stay_in_the_unit_interval(hits: int, more: int) -> None:
    low, high = metrics._interval(hits, hits + more)  # of every accuracy and recall in a summary
    assert 0 <= low <= hits / (hits + more) + 1e-12
    assert hits / (hits + more) - 1e-12 <= high <= 1
