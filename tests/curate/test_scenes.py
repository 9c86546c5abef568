"""Frames of a burst and other light are one scene, different cars are not; bursts are one group."""

from __future__ import annotations

import numpy as np
import photos
import pytest
from PIL import Image, ImageEnhance

from bodyshop_core.catalog import register_image
from curate.gate.feature_store import FeatureBatch, FeatureStore
from curate.splits.same_scene import corners_of, same_scene
from curate.splits.scenes import check_scenes
from curate.verdicts.grouping import burst_keys


def next_frame(picture):
    """Seen from a little further to the side, and a little brighter."""
    w, h = picture.size
    corners = (0.03 * w, 0.01 * h, 0.02 * w, 0.99 * h, 0.99 * w, 0.97 * h, 0.98 * w, 0.03 * h)
    moved = picture.transform((w, h), Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
    return ImageEnhance.Brightness(moved).enhance(1.1)


@pytest.mark.parametrize("name", photos.NAMES)
def test_the_next_frame_is_of_the_same_scene_and_a_stranger_is_not(name):
    picture = photos.photo(name)
    first = corners_of(picture)
    assert same_scene(first, corners_of(next_frame(picture))) > 0.15
    for other in set(photos.NAMES) - {name}:
        assert same_scene(first, corners_of(photos.photo(other))) == 0


def test_a_blank_picture_has_no_scene():
    blank = corners_of(Image.new("RGB", (320, 240), "white"))
    assert same_scene(blank, blank) == 0


@pytest.fixture
def two_splits(workspace):
    """Two photos in train, the next frame of one and a stranger in test."""
    names = {}
    for key, picture in {
        "chelsea": photos.photo("chelsea"),
        "coffee": photos.photo("coffee"),
        "rocket": photos.photo("rocket"),
        "frame": next_frame(photos.photo("chelsea")),
        "stranger": photos.photo("astronaut"),
    }.items():
        blob = workspace.blobs.put_bytes(photos.jpeg(picture), "jpg")
        with workspace.catalog.begin() as connection:
            register_image(connection, blob, extension="jpg", facts={"format": "JPEG"})
        names[key] = blob.sha256
    splits = {
        name: "test" if key in {"frame", "stranger"} else "train" for key, name in names.items()
    }
    return workspace, names, splits


def features_of(workspace, names):
    store = FeatureStore(workspace.features / "made-up")
    vectors = np.random.default_rng(1).random((len(names), 16)).astype(np.float16)
    probabilities = np.zeros((len(names), 1000), np.float16)
    store.add(FeatureBatch(tuple(names), vectors, probabilities, {}))
    return store


def test_a_frame_in_another_split_is_told(two_splits):
    workspace, names, splits = two_splits
    store = features_of(workspace, names.values())
    found = check_scenes(workspace, splits, store)
    assert found.same == [tuple(sorted((names["chelsea"], names["frame"])))]
    assert (found.left_out, found.without) == (0, 0)
    assert 2 <= found.compared <= 4
    for name in names.values():  # compared once: the second answer needs no picture
        workspace.blobs.ref(name, "jpg").path.unlink()
    assert check_scenes(workspace, splits, store) == found


def test_what_was_not_looked_at_is_counted(two_splits, monkeypatch):
    workspace, names, splits = two_splits
    monkeypatch.setattr("curate.splits.scenes.MOST", 1)
    some = [name for key, name in names.items() if key != "rocket"]
    found = check_scenes(workspace, splits, features_of(workspace, some))
    assert (found.compared, found.without) == (1, 1)
    assert found.left_out >= 1
    everything = dict.fromkeys(splits, "train")
    assert check_scenes(workspace, everything, features_of(workspace, some)).compared == 0


def test_quick_shots_of_one_camera_are_one_group():
    def shot(name, time, camera="Fuji X100"):
        return name, camera, time

    rows = [
        shot("a", "2024-05-01T10:00:00"),
        shot("b", "2024-05-01T10:00:01"),
        shot("c", "2024-05-01T10:00:03"),
        shot("d", "2024-05-01T10:00:06"),
        shot("e", "2024-05-01T10:00:01", "Nikon D5"),
        shot("f", None),
        shot("g", "2024-05-01T10:00:00", None),
        shot("h", "2024-00-00T00:00:00"),
    ]
    keys = burst_keys(rows)
    assert keys.keys() == {"a", "b", "c"} and len(set(keys.values())) == 1
    saved_at_once = [shot(str(number), "2000-01-01T00:00:00") for number in range(40)]
    assert burst_keys(saved_at_once) == {}
