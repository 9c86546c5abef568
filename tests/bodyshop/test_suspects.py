"""Suspected labels: wrong ones come first, and a person's decision is never suspected."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from bodyshop.suspects import FOLDS, Suspects, disbelief
from bodyshop_core.catalog import Origin, add_labels
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.workspace import Workspace


def clouds(n: int = 300, d: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds of features that overlap a little, and the true classes."""
    rng = np.random.default_rng(5)
    truth = np.arange(n) % 2
    return rng.normal(size=(n, d)) + truth[:, None] * 0.9, truth


def test_flipped_labels_are_disbelieved_most() -> None:
    features, truth = clouds()
    flipped = set(random.Random(1).sample(range(len(truth)), 15))
    labels = [("whole", "damaged")[t ^ (n in flipped)] for n, t in enumerate(truth)]
    wrong, instead = disbelief(features, labels, [str(n) for n in range(len(truth))])
    first = np.argsort(-wrong)[:30]
    assert len(flipped & set(first.tolist())) >= 13
    assert all(a != b for a, b in zip(labels, instead, strict=True))
    assert wrong.min() >= 0
    assert wrong.max() <= 1


def test_a_copy_of_a_picture_does_not_vouch_for_its_label() -> None:
    features, truth = clouds(120)
    labels = [("whole", "damaged")[t] for t in truth]
    labels[0] = "damaged"  # it is whole; so are its copies, which have the same wrong label
    copies = np.repeat(features[:1], 20, axis=0)
    groups = ["one"] + [str(n) for n in range(1, 120)] + ["one"] * 20
    wrong, _ = disbelief(np.concatenate((features, copies)), labels + ["damaged"] * 20, groups)
    assert wrong[0] > 0.5


def test_too_few_pictures_are_said() -> None:
    features, _ = clouds(8)
    with pytest.raises(NothingFoundError, match=f"two classes with {FOLDS} pictures each"):
        disbelief(features, ["whole"] * 4 + ["damaged"] * 4, [str(n) for n in range(8)])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_of_five_percent_flipped_labels_four_fifths_are_in_the_first_tenth(
    workspace: Workspace, real_data: Path
) -> None:
    from collector import import_folder
    from labeling.records.pictures import load_pictures

    import_folder(real_data / "damage" / "training", workspace)
    pictures = load_pictures(workspace)
    from bodyshop_core.catalog import effective_labels

    truth = {s: e.value for s, e in effective_labels(workspace.catalog, "damage").items()}
    draw = random.Random(3)
    flipped = set(draw.sample(sorted(truth), round(0.05 * len(truth))))
    person = next(iter(sorted(flipped)))
    other = {"damaged": "whole", "whole": "damaged"}
    from sqlalchemy import update

    from bodyshop_core.catalog import schema

    with workspace.catalog.begin() as connection:
        for sha256 in flipped:
            table = schema.labels
            connection.execute(
                update(table)
                .where(table.c.sha256 == sha256, table.c.field == "damage")
                .values(value=other[truth[sha256]])
            )
    # What a person has decided is not suspected.
    given = other[truth[person]]
    add_labels(workspace.catalog, [(person, "damage", given, Origin.HUMAN, "ana")])
    flipped.remove(person)
    suspects = Suspects(workspace)
    doubts = suspects(pictures)
    first = sorted(doubts, key=lambda sha256: -doubts[sha256])[: len(truth) // 10]
    found = len(flipped & set(first)) / len(flipped)
    print(f"{found:.1%} of {len(flipped)} flipped labels in the first {len(first)}")
    assert found >= 0.8
    assert "says" in suspects.reasons[first[0]]
    assert person not in doubts
