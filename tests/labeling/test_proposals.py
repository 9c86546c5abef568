"""A trained segmenter serving labelers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from labeling_pictures import add_picture, picture_bytes
from PIL import Image

import train
from bodyshop.proposals import proposals_of
from bodyshop_core.workspace import Workspace
from labeling.configs.label_config import load_label_config
from labeling.records.pictures import load_pictures
from labeling.sync.results import read_result, write_result

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def segmented(tmp_path_factory):
    """A workspace whose run ``masks`` is a small segmenter that marks nearly anything."""
    from train.data.mask_samples import MaskedSample, MaskedSamples
    from train.runs.plan import RunPlan
    from train.runs.segment_run import fit_segmenter, load_segment_recipe

    root = tmp_path_factory.mktemp("segmented")
    workspace = Workspace.open(root / "workspace")
    for number in range(8):
        add_picture(workspace, picture_bytes(150, 100, seed=number, orientation=1 + number % 8))
    samples = []
    splits = ("train", "train", "validation", "test") * 2
    for picture, split in zip(load_pictures(workspace), splits, strict=True):
        mask = np.zeros((picture.height, picture.width), np.uint8)
        mask[20:60, 30:90] = 255
        files = {name: (root / f"{picture.sha256}-{name}.png",) for name in ("dent", "scratch")}
        for (file,) in files.values():
            Image.fromarray(mask).save(file)
        samples.append(MaskedSample(picture.sha256, picture.path, split, files))
    recipe = load_segment_recipe()
    stage = recipe.stages[0].model_copy(update={"epochs": 1})
    small = {"input_size": 96, "decoder": (8,) * 5, "level": 0.01, "stages": (stage,)}
    folder = workspace.runs / "masks"
    folder.mkdir(parents=True)
    masked = MaskedSamples(tuple(samples), ("dent", "scratch"), "first")
    plan = RunPlan(recipe.model_copy(update=small), masked, None, None, 7)
    fit_segmenter(plan, folder, run="masks")
    return workspace


def test_a_segmenters_masks_are_proposed_upright_with_their_score(segmented):
    predict, name = proposals_of("masks", segmented)
    assert name == "masks"
    pictures, label_config = load_pictures(segmented), load_label_config("damage")
    summary = list(predict(pictures))
    seen = train.load_segmenter(segmented.runs / "masks").segment([p.path for p in pictures])
    assert [each.sha256 for each in summary] == [picture.sha256 for picture in pictures]
    assert any(each.masks for each in summary)
    for picture, each, expected in zip(pictures, summary, seen, strict=True):
        assert each.score == pytest.approx(max(expected.scores.values()), abs=1e-3)
        assert each.masks.keys() == expected.masks.keys()
        assert each.choices == ({"state": "damaged"} if each.masks else {})
        result = write_result(each.masks, label_config, choices=each.choices, score=each.score)
        back = read_result(result, label_config, width=picture.width, height=picture.height)
        assert back.problems == []
        assert all(np.array_equal(back.masks[k], expected.masks[k]) for k in expected.masks)


def test_a_picture_it_can_not_read_gets_no_proposal_and_stops_nothing(segmented, tmp_path):
    first, second, *_ = load_pictures(segmented)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(first.path.read_bytes()[:900])
    predict, _ = proposals_of("masks", segmented)
    summary = list(predict([replace(first, path=broken), second]))
    assert [each.sha256 for each in summary] == [second.sha256]
