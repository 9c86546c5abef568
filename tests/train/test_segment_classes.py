"""Segmenters whose classes are what labelers said about each region: its severity or its part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_cases import fill_workspace

import labeling
import train
from bodyshop.proposals import masks_of
from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.workspace import Workspace
from labeling.records.pictures import load_pictures
from train.data.mask_samples import MaskedSamples, load_picture, masked_samples
from train.data.samples import load_samples
from train.runs.plan import plan_key, plan_segmenter

MINOR_DENT = {"label": "dent", "at": (4, 6, 20, 24), "severity": "minor", "part": "door"}
SEVERE_DENT = {"label": "dent", "at": (16, 16, 40, 44), "severity": "severe", "part": "bumper"}
MINOR_CRACK = {"label": "crack", "at": (30, 8, 50, 14), "severity": "minor", "part": "bumper"}


def _import(workspace: Workspace, folder: Path, drawn: dict[str, list[dict]]) -> None:
    """Import rectangles (left, top, right, bottom), as a COCO file with attributes says them."""
    pictures = {each.sha256: each for each in load_pictures(workspace)}
    names = ["dent", "crack"]
    images, annotations = [], []
    for number, (sha256, regions) in enumerate(drawn.items()):
        picture = pictures[sha256]
        images.append(
            {"id": number, "file_name": f"{sha256}.png", "sha256": sha256,
             "width": picture.width, "height": picture.height}
        )  # fmt: skip
        for region in regions:
            left, top, right, bottom = region["at"]
            said = {key: region[key] for key in ("severity", "part") if key in region}
            annotations.append(
                {"id": len(annotations), "image_id": number, "iscrowd": 0,
                 "category_id": names.index(region["label"]), "attributes": said,
                 "segmentation": [[left, top, right, top, right, bottom, left, bottom]]}
            )  # fmt: skip
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    folder.mkdir(exist_ok=True)
    file = folder / "said.json"
    file.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    summary = labeling.import_masks(workspace, "coco", file)
    assert (summary.problems, summary.refused) == ((), ())


def _damaged(workspace: Workspace) -> list[str]:
    return [item.sha256 for item in load_samples(workspace).items if item.label == "damaged"]


@pytest.fixture
def said(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Damaged pictures with three regions each, and whole ones."""
    fill_workspace(workspace, {"damaged": (4, 2, 2), "whole": (2, 1, 1)})
    regions = [MINOR_DENT, SEVERE_DENT, MINOR_CRACK]
    _import(workspace, tmp_path / "said", dict.fromkeys(_damaged(workspace), regions))
    return workspace


def _truth(samples: MaskedSamples, sha256: str) -> dict[str, np.ndarray]:
    (sample,) = [item for item in samples.items if item.sha256 == sha256]
    _, truth = load_picture(sample, samples.classes)
    return {name: truth[..., index] for index, name in enumerate(samples.classes)}


def _boxes(shape: tuple[int, ...], *regions: dict) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for region in regions:
        left, top, right, bottom = region["at"]
        mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("damage", {"dent": (MINOR_DENT, SEVERE_DENT), "crack": (MINOR_CRACK,)}),
        ("severity", {"minor": (MINOR_DENT, MINOR_CRACK), "severe": (SEVERE_DENT,)}),
        ("part", {"door": (MINOR_DENT,), "bumper": (SEVERE_DENT, MINOR_CRACK)}),
    ],
)
def test_the_mask_of_a_class_is_the_union_of_the_regions_that_have_it(said, by, expected) -> None:
    samples = masked_samples(said, side=64, by=by)
    assert samples.classes == tuple(sorted(expected))
    assert samples.counts() == {"train": 6, "validation": 3, "test": 3}
    for sha256 in _damaged(said):
        truth = _truth(samples, sha256)
        for name, regions in expected.items():
            assert np.array_equal(truth[name], _boxes(truth[name].shape, *regions)), name
    whole = [item for item in samples.items if item.sha256 not in _damaged(said)]
    assert len(whole) == 4
    assert all(item.masks == {} for item in whole)


def test_a_picture_with_damage_of_unknown_severity_is_left_out_and_not_taught_as_whole(
    workspace: Workspace, tmp_path: Path
) -> None:
    fill_workspace(workspace, {"damaged": (6, 2, 2), "whole": (2, 1, 1)})
    first, second, *rest = _damaged(workspace)
    drawn = {sha256: [MINOR_DENT] for sha256 in rest}
    silent = {key: value for key, value in SEVERE_DENT.items() if key != "severity"}
    drawn[first] = [MINOR_DENT, silent]
    _import(workspace, tmp_path / "said", drawn)
    _add_png(workspace, second)
    samples = masked_samples(workspace, side=64, by="severity")
    assert samples.left_out == dict.fromkeys((first, second), "damage without a severity")
    assert not {first, second} & {item.sha256 for item in samples.items}
    by_part = masked_samples(workspace, side=64, by="part")
    assert set(by_part.left_out) == {second}
    assert len(masked_samples(workspace, side=64).items) == len(rest) + 2 + 4


def _add_png(workspace: Workspace, sha256: str) -> None:
    """Give a picture a class mask without regions, as one that a PNG file brought long ago."""
    (picture,) = load_pictures(workspace, [sha256])
    mask = _boxes((picture.height, picture.width), MINOR_DENT)
    workspace.masks.mkdir(exist_ok=True)
    file = workspace.masks / f"{sha256}.png"
    Image.fromarray((mask * 255).astype(np.uint8)).save(file)
    row = {
        "key": sha256, "sha256": sha256, "project": "damage", "annotator": "me", "kind": "mask",
        "label": "dent", "file": file.relative_to(workspace.root).as_posix(), "value": None,
        "state": "current", "updated_at": now(),
    }  # fmt: skip
    workspace.catalog.upsert(schema.annotations, [row])


def test_without_any_severity_the_message_says_what_is_missing(
    workspace: Workspace, tmp_path: Path
) -> None:
    fill_workspace(workspace, {"damaged": (2, 1, 1), "whole": (2, 1, 1)})
    silent = {"label": "dent", "at": (4, 6, 20, 24)}
    _import(workspace, tmp_path / "said", {sha256: [silent] for sha256 in _damaged(workspace)})
    with pytest.raises(NothingFoundError, match="severity of every region known"):
        masked_samples(workspace, side=64, by="severity")


def test_a_segmenter_trains_by_severity_and_proposes_regions_that_the_project_has(said) -> None:
    recipe = train.load_segment_recipe(
        overrides={
            "backbone": "mobilenet", "weights": "none", "input_size": 64, "decoder": [8] * 5,
            "stages": [{"name": "decoder", "epochs": 1}], "classes_by": "severity", "level": 0.01,
        }
    )  # fmt: skip
    summary = train.segment(said, recipe)
    segmenter = train.load_segmenter(summary.folder)
    assert segmenter.classes == ("minor", "severe")
    assert set(summary.metrics["per_class"]) == {"minor", "severe"}
    assert segmenter.recipe.classes_by == "severity"
    pictures = load_pictures(said, _damaged(said)[:1])
    (proposed,) = masks_of(segmenter)(pictures)
    (seen,) = segmenter.segment([pictures[0].path])
    assert seen.masks
    assert set(proposed.masks) == {"damage"}
    assert np.array_equal(proposed.masks["damage"], np.any(list(seen.masks.values()), axis=0))


def test_what_the_classes_are_belongs_to_a_runs_key_and_earlier_runs_keep_theirs(said) -> None:
    recipe = train.load_segment_recipe(overrides={"backbone": "mobilenet", "weights": "none"})
    plans = {
        by: plan_segmenter(said, recipe.model_copy(update={"classes_by": by}))
        for by in ("damage", "severity", "part")
    }
    assert len({plan.key for plan in plans.values()}) == 3
    earlier = plans["damage"].as_dict()
    del earlier["recipe"]["classes_by"]
    assert plan_key(earlier) == plans["damage"].key
