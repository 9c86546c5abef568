"""A workspace that was copied by hand has the same id, but the objects are the original's."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import object_store
import postgres
import pytest
from blob_stores import make_store
from filling import photo
from object_workspaces import objects, photos, remote_workspace

import collector
from bodyshop.cli import main
from bodyshop.forget import forget
from bodyshop_core.storage import ownership
from bodyshop_core.storage.ownership import ForeignPlaceError
from bodyshop_core.workspace import Workspace


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """Let all workspaces have one place for their pictures, and none know of it from before."""
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    store = make_store("file", tmp_path / "bucket").store
    monkeypatch.setattr("bodyshop_core.workspace.blob_store", lambda root: store)
    forgetful(monkeypatch)
    return store.place


def forgetful(monkeypatch) -> None:
    """Ask whose a place is at each write, as the next process would."""
    monkeypatch.setattr(ownership.known, "has", lambda place, own: False)


@pytest.mark.slow
def test_forget_in_a_folder_copied_by_hand_erases_nothing_of_the_original(
    tmp_path, monkeypatch, capsys
):
    forgetful(monkeypatch)
    folder = photos(tmp_path / "photos", 4)
    with object_store.started() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        original = remote_workspace(server, tmp_path / "original")
        collector.import_folder(folder, original)
        before = objects(server, original)
        shutil.copytree(original.root, tmp_path / "copy")
        sha256 = before[0].rsplit("/", 1)[1].partition(".")[0]
        for command in (
            ["forget", sha256, "--workspace", str(tmp_path / "copy")],
            ["workspace", "orphans", "--remove", "--workspace", str(tmp_path / "copy")],
            ["import", str(folder), "--workspace", str(tmp_path / "copy")],
        ):
            with pytest.raises(SystemExit) as ended:
                main(command)
            assert ended.value.code == 2, command
            said = capsys.readouterr().err
            assert "is a copy of another catalog" in said and "workspace copy" in said
        assert objects(server, original) == before
        forget(original, sha256)
        assert len(objects(server, original)) == len(before) - 1


def test_a_folder_that_was_moved_or_restored_where_it_was_is_the_same(tmp_path, bucket):
    one = Workspace.open(tmp_path / "one")
    one.blobs.put_bytes(photo(1), "jpg")
    (tmp_path / "one").rename(tmp_path / "two")
    two = Workspace.open(tmp_path / "two")
    assert two.blobs.put_bytes(photo(2), "jpg").new
    assert ownership.read_note(bucket)["catalog"] == str(two.catalog.path), "where it is now"
    shutil.copytree(tmp_path / "two", tmp_path / "backup")
    shutil.rmtree(tmp_path / "two")
    shutil.copytree(tmp_path / "backup", tmp_path / "two")
    assert Workspace.open(tmp_path / "two").blobs.put_bytes(photo(3), "jpg").new
    with pytest.raises(ForeignPlaceError, match=r"is a copy of another catalog, .*two"):
        Workspace.open(tmp_path / "backup").blobs.put_bytes(photo(4), "jpg")


def test_a_folder_whose_original_is_gone_is_the_original(tmp_path, bucket):
    Workspace.open(tmp_path / "one").blobs.put_bytes(photo(1), "jpg")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    shutil.rmtree(tmp_path / "one")
    assert Workspace.open(tmp_path / "two").blobs.remove([]) == []
    assert Workspace.open(tmp_path / "two").blobs.put_bytes(photo(2), "jpg").new


@pytest.mark.parametrize("machine", ["here", "elsewhere"])
def test_a_note_of_an_earlier_version_gets_what_tells_copies(tmp_path, bucket, machine):
    one = Workspace.open(tmp_path / "one")
    one.blobs.put_bytes(photo(1), "jpg")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    note = ownership.read_note(bucket)
    del note["file"]
    if machine == "elsewhere":
        note["machine"] = "elsewhere"
    bucket.filesystem().pipe_file(bucket.address(ownership.NOTE), json.dumps(note).encode())
    if machine == "here":
        with pytest.raises(ForeignPlaceError):
            Workspace.open(tmp_path / "two").blobs.put_bytes(photo(2), "jpg")
    one.blobs.put_bytes(photo(3), "jpg")
    assert "file" in ownership.read_note(bucket)
    with pytest.raises(ForeignPlaceError):
        Workspace.open(tmp_path / "two").blobs.put_bytes(photo(2), "jpg")


def test_the_copy_takes_the_place_once_the_note_was_removed(tmp_path, bucket):
    one = Workspace.open(tmp_path / "one")
    one.blobs.put_bytes(photo(1), "jpg")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with pytest.raises(ForeignPlaceError) as caught:
        Workspace.open(tmp_path / "two").blobs.put_bytes(photo(2), "jpg")
    assert bucket.address(ownership.NOTE) in caught.value.hint
    bucket.filesystem().rm_file(bucket.address(ownership.NOTE))
    assert Workspace.open(tmp_path / "two").blobs.put_bytes(photo(2), "jpg").new
    with pytest.raises(ForeignPlaceError):
        one.blobs.put_bytes(photo(3), "jpg")


@pytest.mark.slow
def test_a_copied_database_is_refused_and_folders_on_one_database_are_one(tmp_path, bucket):
    def on(url: str, name: str) -> Workspace:
        root: Path = tmp_path / name
        root.mkdir()
        (root / "workspace.toml").write_text(f'catalog = "{url}"\n')
        return Workspace.open(root)

    if (binaries := postgres.programs()) is None:
        pytest.skip("PostgreSQL is not installed")
    with contextlib.closing(postgres.PostgresServer(binaries)) as server:
        server.start()
        original, copy = server.url("cars"), server.url("cars_again")
        one = on(original, "one")
        one.blobs.put_bytes(photo(1), "jpg")
        assert on(original, "two").blobs.put_bytes(photo(2), "jpg").new
        one.catalog.close()
        server.copy("cars", "cars_again")
        with pytest.raises(ForeignPlaceError, match="is a copy of another catalog"):
            on(copy, "three").blobs.put_bytes(photo(3), "jpg")
