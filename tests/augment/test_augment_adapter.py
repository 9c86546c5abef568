"""One seed, one picture, one policy: the same bytes, and masks stay on what they cover."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment import adapter
from augment.adapter import Pipeline
from augment.policy import load_policy, parse_policy, preset_names
from augment.step import Step


def scene(seed: int, height: int = 64, width: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A grey picture with a red patch, and the patch's mask."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 90, np.uint8)
    mask = np.zeros((height, width), np.uint8)
    top, left = rng.integers(14, height // 2), rng.integers(14, width // 2)
    mask[top : top + height // 4, left : left + width // 4] = 255
    image[mask > 0] = (250, 10, 10)
    return image, mask


def pipeline(*names: str) -> Pipeline:
    return Pipeline([step for name in names for step in load_policy(name).steps])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["light", "car-damage", "imagedatagenerator"]))
def test_a_mask_stays_on_the_damage_and_is_binary(seed: int, preset: str) -> None:
    geometric = {"HorizontalFlip", "Affine", "Perspective", "RandomCropFromBorders"}
    steps = [step for step in load_policy(preset).steps if step.name in geometric]
    image, mask = scene(seed)
    made = Pipeline(steps)(image, seed=seed, masks=[mask])
    red = (made.image[..., 0] > 170) & (made.image[..., 1] < 50)
    covered = made.masks[0] > 0
    assert set(np.unique(made.masks[0])) <= {0, 255}
    union = (red | covered).sum()
    # The picture is interpolated and the mask is not: only the rim may differ.
    assert (red & covered).sum() > 0.8 * union or union < 60


def test_the_same_seed_gives_the_same_bytes_whatever_ran_before() -> None:
    image, mask = scene(1)
    shared = pipeline("car-damage", "weather")
    for seed in (5, 6, 7):
        shared(image, seed=seed, masks=[mask])
    again, fresh = shared(image, seed=5), pipeline("car-damage", "weather")(image, seed=5)
    assert np.array_equal(again.image, fresh.image)
    assert again.applied == fresh.applied
    assert not np.array_equal(again.image, shared(image, seed=6).image)


SMALL = {"height": 20, "width": 30}
NEEDED = {
    "CenterCrop": SMALL,
    "Crop": {"x_max": 30, "y_max": 20},
    "CropAndPad": {"px": 3},
    "CropNonEmptyMaskIfExists": SMALL,
    "GridElasticDeform": {"num_grid_xy": [4, 4], "magnitude": 3},
    "LongestMaxSize": {"max_size": 30},
    "RandomCrop": SMALL,
    "RandomResizedCrop": {"size": [20, 30]},
    "RandomSizedCrop": {"min_max_height": [20, 30], "size": [20, 30]},
    "Resize": SMALL,
    "SmallestMaxSize": {"max_size": 30},
}


@pytest.mark.filterwarnings("ignore::UserWarning:albumentations")
def test_every_transform_a_policy_may_name_repeats_itself() -> None:
    image, mask = scene(3)
    for name in adapter._transforms():
        step = Step(name, {"p": 1.0} | NEEDED.get(name, {}))
        adapter.check_step(step.name, step.arguments)
        used = Pipeline([step])
        used(image, seed=6, masks=[mask])
        again, fresh = (each(image, seed=5, masks=[mask]) for each in (used, Pipeline([step])))
        assert np.array_equal(again.image, fresh.image), name
        assert np.array_equal(again.masks[0], fresh.masks[0]), name
        assert set(np.unique(again.masks[0])) <= {0, 255}, name
        assert again.applied == fresh.applied, name


def test_the_global_generators_are_neither_used_nor_moved() -> None:
    import random

    image, _ = scene(2)
    np.random.seed(1)
    random.seed(1)
    first = pipeline("car-damage")(image, seed=3).image
    after = (np.random.random(), random.random())
    np.random.seed(1)
    random.seed(1)
    assert after == (np.random.random(), random.random())
    np.random.seed(99)
    assert np.array_equal(first, pipeline("car-damage")(image, seed=3).image)


@pytest.mark.parametrize("name", preset_names())
def test_what_was_applied_is_named_and_json_able(name: str) -> None:
    image, mask = scene(3)
    run = pipeline(name)
    applied = [run(image, seed=seed, masks=[mask]).applied for seed in range(12)]
    assert json.loads(json.dumps(applied)) == applied
    assert len(json.dumps(applied)) < 40_000
    assert "HorizontalFlip" in {step["transform"] for steps in applied for step in steps}


def test_boxes_move_with_the_picture_and_keep_their_index() -> None:
    policy = parse_policy("name: x\ntransforms:\n  - HorizontalFlip: {p: 1.0}\n")
    image, _ = scene(4)
    made = Pipeline(policy.steps)(image, seed=1, boxes=[(0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 1.0, 1.0)])
    assert [box[0] for box in made.boxes] == [0, 1]
    assert made.boxes[0][1:] == pytest.approx((0.7, 0.2, 0.9, 0.4))
    assert made.boxes[1][1:] == pytest.approx((0.0, 0.5, 0.5, 1.0))


def test_boxes_do_not_change_what_is_drawn() -> None:
    image, mask = scene(5)
    run = pipeline("car-damage")
    plain = run(image, seed=9, masks=[mask])
    boxed = run(image, seed=9, masks=[mask], boxes=[(0.2, 0.2, 0.8, 0.8)])
    assert np.array_equal(plain.image, boxed.image)


def test_boxes_pass_through_transforms_that_move_nothing() -> None:
    policy = parse_policy("name: x\ntransforms:\n  - ToGray: {p: 1.0}\n")
    made = Pipeline(policy.steps)(scene(6)[0], seed=1, boxes=[(0.1, 0.2, 0.3, 0.4)])
    assert made.boxes == ((0, 0.1, 0.2, 0.3, 0.4),)


def test_a_box_that_leaves_the_picture_is_gone() -> None:
    crop = Step("Crop", {"x_min": 0, "y_min": 0, "x_max": 40, "y_max": 40, "p": 1.0})
    run = Pipeline([crop], min_visibility=0.5)
    made = run(scene(7)[0], seed=1, boxes=[(0.0, 0.0, 0.2, 0.2), (0.8, 0.8, 1.0, 1.0)])
    assert [box[0] for box in made.boxes] == [0]


def test_importing_the_library_asks_no_network(tmp_path: Path) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('network')\n"
        "socket.getaddrinfo = refuse; socket.socket.connect = refuse\n"
        "from augment.policy import load_policy\n"
        "load_policy('light')\n"
        "import os; assert os.environ['NO_ALBUMENTATIONS_UPDATE'] == '1'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env={})


def test_only_the_adapter_imports_the_library() -> None:
    import augment

    folder = Path(augment.__file__).parent
    users = [p.name for p in folder.glob("*.py") if "import albumentations" in p.read_text("utf-8")]
    assert users == ["adapter.py"]
