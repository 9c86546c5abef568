"""What decisions did to accuracy: the same folds with the labels before and after."""

from __future__ import annotations

import numpy as np
import pytest
from axe import serious_violations
from desk_browser import chromium, opened, press, until
from filling import add_picture, photo, pretend_scores

import curate
from bodyshop.desk import acts
from bodyshop.desk.serving import serve_desk
from bodyshop.effect import compare_labels, effect_of_decisions
from bodyshop.suspects import FOLDS
from bodyshop_core.catalog import effective_labels
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.workspace import Workspace
from curate.gate.feature_store import FeatureBatch, FeatureStore

NAMES = ("whole", "damaged")


def clouds(n: int, apart: float = 0.9, d: int = 30) -> tuple[np.ndarray, list[str]]:
    """Return features of two classes that overlap a little, and the true labels."""
    rng = np.random.default_rng(5)
    truth = np.arange(n) % 2
    features = rng.normal(size=(n, d)) + truth[:, None] * apart
    return features.astype(np.float32), [NAMES[t] for t in truth]


def flipped(labels: list[str], every: int) -> list[str]:
    return [NAMES[label == "whole"] if not n % every else label for n, label in enumerate(labels)]


def alone(n: int) -> list[str]:
    return [str(number) for number in range(n)]


def test_corrected_labels_raise_the_accuracy_and_the_interval_says_so() -> None:
    features, truth = clouds(300)
    wrong = flipped(truth, 5)
    found = compare_labels(features, wrong, truth, alone(300))
    assert (found.pictures, found.groups, found.of, found.changed) == (300, 300, 300, 60)
    assert found.before < 0.85 < found.before_by_now < found.after
    low, high = found.difference_interval
    assert 0 < low < found.after - found.before < high
    assert found.before_interval[0] < found.before < found.before_interval[1]
    back = compare_labels(features, truth, wrong, alone(300))
    assert (back.before, back.after) == pytest.approx((found.after, found.before), abs=0.03)
    assert back.difference_interval[1] < 0


def test_the_same_labels_have_no_effect_at_all() -> None:
    features, truth = clouds(120)
    found = compare_labels(features, truth, truth, alone(120))
    assert found.before == found.after == found.before_by_now
    assert found.difference_interval == (0, 0)
    assert found.changed == 0


def test_the_accuracy_is_balanced_and_copies_do_not_vouch_for_each_other() -> None:
    rng = np.random.default_rng(3)
    features = np.repeat(rng.normal(size=(60, 20)), 4, axis=0).astype(np.float32)
    labels = [NAMES[n // 4 % 6 == 0] for n in range(240)]  # a sixth, without a sign of it
    groups = [str(n // 4) for n in range(240)]
    found = compare_labels(features, labels, labels, groups)
    assert found.groups == 60
    assert 0.25 < found.before < 0.7  # of the copies it would know all, of the frequent class 0.83
    assert np.ptp(found.before_interval) > 0.1


def test_pictures_that_came_or_left_count_on_their_side_only() -> None:
    features, truth = clouds(200)
    before: list[str | None] = [None, None, *truth[2:]]
    after: list[str | None] = [*truth[:-3], None, None, None]
    found = compare_labels(features, before, after, alone(200))
    assert (found.pictures, found.changed) == (200, 5)
    rare = [*after[:-3], "odd", "odd", "odd"]
    assert compare_labels(features, before, rare, alone(200)).classes == ("damaged", "whole")


def test_too_few_are_said() -> None:
    features, truth = clouds(2 * FOLDS - 1)
    with pytest.raises(NothingFoundError, match="too few: the probe needs two classes with 5"):
        compare_labels(features, truth, truth, alone(len(truth)))


def imported(folder, wrong: int) -> tuple[Workspace, dict[str, str]]:
    """Return a workspace with features, every `wrong`-th label of which is wrong, and the truth."""
    workspace = Workspace.open(folder / "workspace")
    features, labels = clouds(60, apart=1.5)
    names = [
        add_picture(workspace, photo(seed), labels={"damage": label}, source="import")
        for seed, label in enumerate(flipped(labels, wrong))
    ]
    curate.measure_images(workspace, workers=1)
    store = FeatureStore(workspace.features / pretend_scores(workspace).fingerprint)
    store.add(FeatureBatch(tuple(names), features.astype(np.float16), None, {}))
    curate.judge(workspace)
    return workspace, dict(zip(names, labels, strict=True))


def test_decisions_are_told_from_what_was_imported(tmp_path) -> None:
    workspace, truth = imported(tmp_path, 5)
    with pytest.raises(NothingFoundError, match="no decision changed a damage label"):
        effect_of_decisions(workspace, "damage")
    given = {sha: each.value for sha, each in effective_labels(workspace.catalog, "damage").items()}
    wrong = [sha for sha in truth if given[sha] != truth[sha]]
    for sha in wrong[:-2]:
        acts.perform(workspace, acts.Act("label", (sha,), "Kim", truth[sha]))
    acts.perform(workspace, acts.Act("reject", tuple(wrong[-2:]), "Kim"))
    found = effect_of_decisions(workspace, "damage")
    assert (found.pictures, found.changed) == (60, len(wrong))
    assert found.before < found.after
    for _ in range(len(wrong) - 1):
        acts.undo(workspace, "Kim")
    with pytest.raises(NothingFoundError, match="no decision"):
        effect_of_decisions(workspace, "damage")


@pytest.mark.slow
def test_a_queue_shows_what_the_decisions_did_to_accuracy(tmp_path) -> None:
    workspace, truth = imported(tmp_path, 5)
    with serve_desk(workspace, by="Kim") as desk, chromium() as browser:
        opened(browser, desk.address)

        def shown() -> str:
            return browser.find_element("id", "effect").text

        browser.find_element("css selector", "[data-queue=conflicts]").click()
        until(browser, lambda: "no decision changed a damage label" in shown())
        browser.find_element("id", "everything").click()
        until(browser, lambda: browser.execute_script("return total") == 60)
        press(browser, "k")  # says nothing about a label
        press(browser, "1")  # of the first picture, the first label of the filters
        first = min(truth)
        until(
            browser, lambda: effective_labels(workspace.catalog, "damage")[first].origin == "human"
        )
        for sha, label in truth.items():
            acts.perform(workspace, acts.Act("label", (sha,), "Kim", label))
        browser.find_element("css selector", "[data-queue=conflicts]").click()
        until(browser, lambda: "balanced accuracy" in shown())
        found = effect_of_decisions(workspace, "damage")
        for said in (
            f"{found.before * 100:.1f} % (", f"{found.after * 100:.1f} % (",
            f"+{(found.after - found.before) * 100:.1f} points", "n = 60 pictures in",
            "12 changed",
        ):  # fmt: skip
            assert said in shown()
        assert not serious_violations(browser)
