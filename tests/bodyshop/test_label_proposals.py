"""What the demo's trained classifier has to say to labelers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from labeling_pictures import add_picture

import train
from bodyshop.prediction import find_run
from bodyshop.proposals import (
    grad_cam_regions_of,
    live_proposals_of,
    proposals_of,
    uncertainty_of,
)
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.progress import Silent
from bodyshop_core.workspace import Workspace
from labeling.configs.label_config import load_label_config
from labeling.records.pictures import load_pictures
from labeling.records.selection import Selection, select_pictures
from labeling.sync.results import read_result, write_result


@pytest.fixture(scope="module")
def trained(demo):
    """(workspace, name of its classifier run, 24 kept pictures)."""
    workspace = Workspace.open(demo[0] / "workspace")
    pictures = load_pictures(workspace, select_pictures(workspace, "damage", Selection(limit=24)))
    return workspace, find_run(workspace.root, None).name, pictures


def test_grad_cam_spots_are_proposed_where_a_picture_is_called_damaged(trained):
    workspace, run, pictures = trained
    predict, name = proposals_of(run, workspace)
    assert name == f"{run} Grad-CAM"
    told = list(predict(pictures))
    assert [each.sha256 for each in told] == [picture.sha256 for picture in pictures]
    assert {each.choices["state"] for each in told} == {"damaged", "whole"}
    label_config = load_label_config("damage")
    for picture, each in zip(pictures, told, strict=True):
        assert set(each.masks) == ({"damage"} if each.choices["state"] == "damaged" else set())
        for mask in each.masks.values():
            assert mask.shape == (picture.height, picture.width)
            assert 0 < mask.mean() < 1
        result = write_result(each.masks, label_config, choices=each.choices, score=each.score)
        back = read_result(result, label_config, width=picture.width, height=picture.height)
        assert back.problems == []
        assert all(np.array_equal(back.masks[label], each.masks[label]) for label in each.masks)


def test_a_picture_no_model_can_read_gets_no_proposal_and_stops_nothing(trained, tmp_path):
    workspace, run, pictures = trained
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(pictures[0].path.read_bytes()[:900])
    predict, _ = proposals_of(run, workspace)
    told = list(predict([replace(pictures[0], path=broken), pictures[1]]))
    assert [each.sha256 for each in told] == [pictures[1].sha256]


def test_the_least_certain_pictures_that_nobody_looked_at_come_first(trained):
    workspace, run, _ = trained
    classifier = train.resolve_run(run, workspace)
    asked = []

    def doubts(pictures):
        asked.extend(picture.sha256 for picture in pictures)
        return uncertainty_of(classifier)(pictures)

    chosen = select_pictures(workspace, "damage", Selection(limit=10), uncertainty=doubts)
    kept = select_pictures(workspace, "damage", Selection())
    assert sorted(asked) == sorted(kept)
    paths = [picture.path for picture in load_pictures(workspace, kept)]
    sure = classifier.probabilities(paths).max(axis=1)
    assert [kept.index(sha) for sha in chosen] == list(np.argsort(sure, kind="stable")[:10])


def test_a_run_that_is_not_there_or_knows_no_damage_is_named(trained, monkeypatch):
    workspace, run, _ = trained
    with pytest.raises(NothingFoundError, match="there is no run 'nothing'"):
        proposals_of("nothing", workspace)
    other = train.resolve_run(run, workspace)
    other.record = replace(other.record, classes=("Ioniq 5", "쏘나타"), positive="쏘나타")
    with pytest.raises(UsageError, match="no regions to propose"):
        grad_cam_regions_of(other)


def test_without_a_run_the_shipped_model_answers_and_says_where(
    workspace: Workspace, real_data: Path
) -> None:
    photo = sorted((real_data / "masks" / "images").iterdir())[0]
    sha = add_picture(workspace, photo.read_bytes())
    told: list[str] = []

    class Listener(Silent):
        def log(self, message: str) -> None:
            told.append(message)

    propose, name = live_proposals_of(None, workspace, progress=Listener())
    assert name == "bodyshop's damage model"
    (picture,) = load_pictures(workspace, [sha])
    (proposed,) = propose([picture])
    assert proposed.choices == {"state": "damaged"}
    mask = proposed.masks["damage"]
    assert mask.shape == (picture.height, picture.width)
    assert 0 < mask.sum() < mask.size
    assert told == []
    (workspace.root / "broken.jpg").write_bytes(b"no picture")
    assert list(propose([replace(picture, path=workspace.root / "broken.jpg")])) == []
    assert len(told) == 1
