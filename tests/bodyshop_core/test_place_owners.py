"""A prefix in a bucket is one workspace's, whatever it already holds."""

from __future__ import annotations

import object_store
import pytest
from blob_stores import make_store
from filling import photo
from object_workspaces import objects, remote_workspace

import collector
from bodyshop_core.storage.ownership import ForeignPlaceError
from bodyshop_core.workspace import Workspace


def test_a_picture_that_another_workspace_has_stored_is_not_taken_for_ones_own(
    tmp_path, monkeypatch
):
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    blobs = make_store("file", tmp_path / "bucket").store
    monkeypatch.setattr("bodyshop_core.workspace.blob_store", lambda root: blobs)
    one, other = (Workspace.open(tmp_path / name) for name in ("one", "other"))
    stored = one.blobs.put_bytes(photo(1), "jpg")
    part = tmp_path / "1.part"
    part.write_bytes(photo(1))
    for attempt in (
        lambda: other.blobs.put_bytes(photo(1), "jpg"),
        lambda: other.blobs.adopt(part, stored.sha256, "jpg"),
    ):
        with pytest.raises(ForeignPlaceError, match=r"belongs to another workspace.*one"):
            attempt()
    assert part.exists() and not one.blobs.put_bytes(photo(1), "jpg").new


@pytest.mark.slow
def test_an_import_of_pictures_that_another_workspace_has_in_the_bucket_ends_with_code_2(
    tmp_path, monkeypatch
):
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.jpg").write_bytes(photo(seed))
    with object_store.started() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        one = remote_workspace(server, tmp_path / "one", prefix="cars")
        other = remote_workspace(server, tmp_path / "other", prefix="cars")
        collector.import_folder(folder, one)
        before = objects(server, one)
        with pytest.raises(ForeignPlaceError, match="belongs to another workspace") as caught:
            collector.import_folder(folder, other)
        assert caught.value.exit_code == 2 and len(before) == 3 and objects(server, one) == before
        assert collector.import_folder(folder, one).as_dict()["pictures"] == 0, "its own, once more"
