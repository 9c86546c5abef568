"""Trained runs serving labelers."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bodyshop.app.proposals import masks_of, uncertainty_of
from bodyshop.progress import SILENT
from curate.labeling.selection import Selection, choose
from curate.labeling.tasks import load_pictures


def test_a_segmenters_masks_are_proposed_with_their_score(workspace, add):
    """What a run answers is given here; the run itself has its own tests."""
    first, second = add(40, 30, seed=1), add(40, 30, seed=2)
    mask = np.ones((30, 40), bool)
    answers = [
        SimpleNamespace(masks={"dent": mask}, scores={"dent": 0.91, "crack": 0.2}),
        SimpleNamespace(masks={}, scores={"dent": 0.1, "crack": 0.05}),
    ]
    segmenter = SimpleNamespace(segment=lambda paths: answers[: len(paths)])
    told = list(masks_of(segmenter)(load_pictures(workspace, [first, second])))
    assert [(each.sha256, each.score) for each in told] == [(first, 0.91), (second, 0.1)]
    assert told[0].choices == {"state": "damaged"}
    assert told[1].choices == {}
    assert np.array_equal(told[0].masks["dent"], mask)


def test_the_least_certain_pictures_are_chosen_first(workspace, add):
    shas = [add(40, 30, seed=n) for n in range(4)]
    sure = dict(zip(shas, (0.99, 0.51, None, 0.7), strict=True))

    def classify(paths, *, on_error, progress):
        assert on_error == "record"
        return [SimpleNamespace(probability=sure[path.stem]) for path in paths]

    run = SimpleNamespace(classify=classify)
    doubts = uncertainty_of(run, load_pictures(workspace), progress=SILENT)
    assert doubts[shas[1]] == pytest.approx(0.49)
    assert shas[2] not in doubts
    chosen = choose(workspace, "damage", Selection(everything=True, limit=2), uncertainty=doubts)
    assert chosen == [shas[1], shas[3]]
