"""Overlap with a set elsewhere: a folder or another workspace."""

from __future__ import annotations

import photos
import pytest
from PIL import ImageOps

from bodyshop_core.catalog import register_image
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.workspace import Workspace
from curate.measure.stage import measure_images
from curate.overlap.stage import find_overlap


def put(workspace, data):
    blob = workspace.blobs.put_bytes(data, "jpg")
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension="jpg", facts={})
    return blob.sha256


def test_copies_in_a_folder_are_found_and_strangers_are_not(workspace, tmp_path):
    shas = {name: put(workspace, photos.jpeg(photos.photo(name))) for name in photos.NAMES}
    measure_images(workspace, workers=1)
    folder = tmp_path / "public set"
    (folder / "test").mkdir(parents=True)
    files = {
        "astronaut": photos.jpeg(photos.photo("astronaut")),
        "chelsea": photos.jpeg(photos.scaled(photos.photo("chelsea"), 0.7), 60),
        "coffee": photos.jpeg(ImageOps.mirror(photos.photo("coffee"))),
        "stranger": photos.jpeg(photos.car_on_white((20, 120, 60))),
    }
    for name, data in files.items():
        (folder / "test" / f"{name}.jpg").write_bytes(data)
    (folder / "notes.txt").write_text("no picture")
    (folder / "broken.jpg").write_bytes(files["coffee"][:300])
    summary = find_overlap(workspace, folder, workers=1)
    assert (summary.pictures, summary.others) == (4, 4)
    found = {pair.sha256: (pair.other, pair.kind) for pair in summary.shared}
    path = str(folder / "test")
    assert found == {
        shas["astronaut"]: (f"{path}/astronaut.jpg", "exact"),
        shas["chelsea"]: (f"{path}/chelsea.jpg", "near"),
        shas["coffee"]: (f"{path}/coffee.jpg", "flip"),
    }
    counts = summary.as_dict()
    assert (counts["pictures_shared"], counts["others_shared"]) == (3, 3)


def test_asking_again_compares_nothing(workspace, tmp_path, monkeypatch):
    put(workspace, photos.jpeg(photos.photo("coffee")))
    (tmp_path / "public").mkdir()
    mirrored = photos.jpeg(ImageOps.mirror(photos.photo("coffee")))
    (tmp_path / "public" / "mirrored.jpg").write_bytes(mirrored)
    first = find_overlap(workspace, tmp_path / "public", workers=1)
    assert [pair.kind for pair in first.shared] == ["flip"]  # which only the pixels tell

    def computed(*_, **__):
        raise AssertionError("a worker was started")

    monkeypatch.setattr("bodyshop_core.engine.pool.WorkerHandle", computed)
    assert find_overlap(workspace, tmp_path / "public", workers=1) == first


def test_another_workspace_is_a_set_too(workspace, tmp_path):
    sha256 = put(workspace, photos.jpeg(photos.photo("rocket")))  # not measured yet
    other = Workspace.open(tmp_path / "other")
    put(other, photos.jpeg(photos.photo("rocket")))
    put(other, photos.jpeg(photos.photo("coffee")))
    summary = find_overlap(workspace, other.root, workers=1)
    assert [(pair.sha256, pair.kind) for pair in summary.shared] == [(sha256, "exact")]
    assert summary.others == 2


def test_a_set_without_pictures_or_that_is_not_there_says_so(workspace, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingFoundError, match="no picture"):
        find_overlap(workspace, tmp_path / "empty")
    with pytest.raises(UsageError, match="not a folder"):
        find_overlap(workspace, tmp_path / "absent")
    with pytest.raises(UsageError, match="this workspace itself"):
        find_overlap(workspace, workspace.root)
