"""The shortcut audit finds what the camera gives away, and nothing else."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from bodyshop_core.imaging import Equalise
from curate.audit.nuisance import columns, equalised
from curate.audit.shortcuts import RESAMPLES, TREES, audit_digest, audit_rows
from curate.policy import AuditPolicy


def rows(n: int, **changes: Any) -> list[dict[str, Any]]:
    """n pictures whose nuisances are noise; a change is a function of the picture's number."""
    random = np.random.default_rng(3)
    table = []
    for index in range(n):
        row = {
            "width": int(random.integers(400, 900)),
            "height": int(random.integers(300, 700)),
            "bytes": int(random.integers(20_000, 90_000)),
            "jpeg_quality": int(random.integers(70, 96)),
            "brightness": random.uniform(0.3, 0.7),
            "contrast": random.uniform(0.1, 0.3),
            "sharpness": random.uniform(0.4, 1),
            "format": "JPEG",
            "origin": f"host{random.integers(3)}",
            "framing": ("full", "part")[int(random.integers(2))],
        }
        row.update({name: change(index) for name, change in changes.items()})
        table.append(row)
    return table


def labels(n: int) -> list[str]:
    return ["damaged" if index % 2 else "whole" for index in range(n)]


def own_groups(n: int) -> list[str]:
    return [str(index) for index in range(n)]


def test_noise_is_no_leak_and_the_baseline_is_the_commonest_label() -> None:
    audit = audit_rows(rows(300), labels(300), own_groups(300))
    assert not audit.leak
    assert audit.baseline["accuracy"] < 0.6
    assert audit.majority == 0.5


@pytest.mark.parametrize(
    ("name", "feature", "change"),
    [
        ("width", "longest side", lambda i: 300 if i % 2 else 1200),
        ("jpeg_quality", "jpeg quality", lambda i: 74 if i % 2 else 93),
        ("origin", "origin", lambda i: "scrap.example" if i % 2 else "dealer.example"),
        ("framing", "framing", lambda i: "part" if i % 2 else "full"),
        ("brightness", "brightness", lambda i: 0.3 if i % 2 else 0.6),
    ],
)
def test_each_planted_shortcut_is_found_and_named(name: str, feature: str, change: Any) -> None:
    audit = audit_rows(rows(200, **{name: change}), labels(200), own_groups(200))
    found = {leak.feature: leak for leak in audit.features}
    assert audit.leak
    assert found[feature].leak
    assert found[feature].balanced_accuracy > 0.97
    assert audit.baseline["accuracy"] > 0.97


def test_a_shortcut_that_no_single_threshold_shows_is_found() -> None:
    """One class is of middling size, the other small or large: not monotonic."""
    audit = audit_rows(
        rows(300, width=lambda i: 500 if i % 2 else (200, 1200)[i % 4 // 2], height=lambda i: 150),
        labels(300),
        own_groups(300),
    )
    assert audit.leak


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8], ids=lambda share: f"shared-by-{share}")
def test_the_forest_warns_like_one_of_a_hundred_trees(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share of each class has the sizes that are typical of it, the rest those of the other."""
    shown = rows(240, width=lambda i: 500 if (i % 2) == (i % 20 < 20 * share) else 700)
    here = audit_rows(shown, labels(240), own_groups(240)).together
    monkeypatch.setattr("curate.audit.shortcuts.TREES", 100)
    there = audit_rows(shown, labels(240), own_groups(240)).together
    assert here.leak == there.leak
    assert here.balanced_accuracy == pytest.approx(there.balanced_accuracy, abs=0.03)


def test_imbalance_alone_is_no_leak() -> None:
    said = ["rare" if index % 20 == 0 else "common" for index in range(400)]
    audit = audit_rows(rows(400), said, own_groups(400))
    assert not audit.leak
    assert audit.majority == pytest.approx(0.95)
    assert audit.baseline["accuracy"] == pytest.approx(0.95)


def test_copies_of_one_picture_do_not_make_a_shortcut() -> None:
    """Ten frames of one spinner share size and label: by frame that looks like a rule."""
    random = np.random.default_rng(0)
    table, said, groups = [], [], []
    for group in range(40):
        brightness = float(random.uniform(0.2, 0.8))
        label = str(random.choice(["damaged", "whole"]))
        for row in rows(10, brightness=lambda i, b=brightness: b):
            table.append(row)
            said.append(label)
            groups.append(str(group))
    found = {leak.feature: leak for leak in audit_rows(table, said, groups).features}
    assert not found["brightness"].leak
    alone = {leak.feature: leak for leak in audit_rows(table, said, own_groups(400)).features}
    assert alone["brightness"].leak


def test_many_classes_are_audited_too() -> None:
    said = [f"model {index % 8}" for index in range(320)]
    audit = audit_rows(rows(320, jpeg_quality=lambda i: 60 + 4 * (i % 8)), said, own_groups(320))
    assert audit.chance == 0.125
    assert {leak.feature for leak in audit.features if leak.leak} == {"jpeg quality"}


def test_equalising_takes_size_and_compression_away() -> None:
    table = rows(
        300,
        width=lambda i: 400 if i % 2 else 1200,
        height=lambda i: 300 if i % 2 else 900,
        jpeg_quality=lambda i: 74 if i % 2 else 93,
    )
    assert audit_rows(table, labels(300), own_groups(300)).leak
    view = Equalise(longest_side=400, jpeg_quality=75)
    after = audit_rows([equalised(row, view) for row in table], labels(300), own_groups(300))
    assert not after.leak
    assert {"longest side", "jpeg quality", "file size"}.isdisjoint(
        leak.feature for leak in after.features
    )


def test_the_same_rows_give_the_same_audit_and_other_rows_another_digest() -> None:
    first = audit_rows(rows(60), labels(60), own_groups(60))
    assert first == audit_rows(rows(60), labels(60), own_groups(60))
    changed = rows(60)
    changed[0]["width"] = 7
    assert audit_rows(changed, labels(60), own_groups(60)).digest != first.digest


def test_a_large_set_is_sampled_down() -> None:
    audit = audit_rows(
        rows(400), labels(400), own_groups(400), policy=AuditPolicy(max_pictures=100)
    )
    assert audit.pictures == 100


def test_features_that_are_all_the_same_are_left_out() -> None:
    blocks = columns(rows(20, format=lambda i: "JPEG", jpeg_quality=lambda i: None))
    assert "file format" not in blocks
    assert "jpeg quality" not in blocks
    assert "brightness" in blocks


def test_an_origin_tells_the_label_however_many_origins_there_are() -> None:
    """Sixteen origins of one label each: more than four thresholds in a row can tell apart."""
    audit = audit_rows(rows(480, origin=lambda i: f"origin {i % 16}"), labels(480), own_groups(480))
    found = {leak.feature: leak for leak in audit.features}
    assert found["origin"].balanced_accuracy > 0.97


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_digest_is_that_of_one_json_document(count):
    rows = [{"width": 3 * at, "bytes": None, "origin": f"h{at}"} for at in range(count)]
    labels, groups = ["a", "b", "c"][:count], ["x", "y", "z"][:count]
    policy = AuditPolicy()
    pairs = [sorted(row.items()) for row in rows]
    text = json.dumps([[pairs, labels, groups], policy.model_dump(), 7, RESAMPLES, TREES])
    expected = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert audit_digest(rows, labels, groups, policy, 7) == expected
