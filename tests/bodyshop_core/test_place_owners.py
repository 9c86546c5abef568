"""A prefix in a bucket is one workspace's, whatever it already holds."""

from __future__ import annotations

import pickle
from pathlib import Path

import object_store
import postgres
import pytest
from blob_stores import make_store
from filling import photo
from object_workspaces import objects, remote_workspace
from sqlalchemy import make_url

import collector
from bodyshop.cli import main
from bodyshop.export import manifest_rows
from bodyshop_core.catalog import Catalog, CatalogError
from bodyshop_core.catalog.identity import find_identity
from bodyshop_core.storage.blob_cache import BlobCache
from bodyshop_core.storage.ownership import ForeignPlaceError
from bodyshop_core.storage.remote_blobs import RemoteBlobs
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


def test_a_reference_that_was_sent_to_a_worker_twice_is_the_same(tmp_path, monkeypatch):
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    blobs = make_store("file", tmp_path / "bucket").store
    monkeypatch.setattr("bodyshop_core.workspace.blob_store", lambda root: blobs)
    workspace = Workspace.open(tmp_path / "one")
    ref = workspace.blobs.ref(workspace.blobs.put_bytes(photo(1), "jpg").sha256, "jpg")
    first, second = (pickle.loads(pickle.dumps(ref)) for _ in range(2))
    assert first == second and hash(first) == hash(second)


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


@pytest.mark.parametrize("inside", ["x", "x/y", "ab", "masks"])
@pytest.mark.parametrize("first", ["outer", "inner"])
def test_a_place_inside_of_another_workspaces_is_refused_whichever_came_first(
    tmp_path, monkeypatch, first, inside
):
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    urls = {"outer": f"file://{tmp_path}/bucket/a", "inner": f"file://{tmp_path}/bucket/a/{inside}"}

    def opened(name):
        blobs = RemoteBlobs(urls[name], BlobCache(tmp_path / f"cache-{name}", 10**6))
        monkeypatch.setattr("bodyshop_core.workspace.blob_store", lambda root: blobs)
        return Workspace.open(tmp_path / name)

    def files():
        return {path for path in (tmp_path / "bucket").rglob("*") if path.is_file()}

    opened(first).blobs.put_bytes(photo(1), "jpg")
    before = files()
    second = opened("inner" if first == "outer" else "outer")
    with pytest.raises(ForeignPlaceError, match=rf"bucket/a/{inside}.* is inside of .*bucket/a"):
        second.blobs.put_bytes(photo(2), "jpg")
    assert files() == before and len(before) == 2
    opened(first).blobs.put_bytes(photo(3), "jpg")
    urls["beside"] = f"file://{tmp_path}/bucket/b"
    opened("beside").blobs.put_bytes(photo(3), "jpg")


@pytest.mark.slow
def test_nested_prefixes_of_a_bucket_are_refused(tmp_path, monkeypatch):
    with object_store.started() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        for first, second in (("a", "a/x"), ("b/x/y", "b")):
            one = remote_workspace(server, tmp_path / first.replace("/", "-"), prefix=first)
            other = remote_workspace(server, tmp_path / second.replace("/", "-"), prefix=second)
            one.blobs.put_bytes(photo(1), "jpg")
            with pytest.raises(ForeignPlaceError, match="is inside of"):
                other.blobs.put_bytes(photo(2), "jpg")
            one.blobs.put_bytes(photo(3), "jpg")


def test_a_worker_knows_whose_place_it_writes_to_and_reads_without(tmp_path, monkeypatch):
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    blobs = make_store("file", tmp_path / "bucket").store
    monkeypatch.setattr("bodyshop_core.workspace.blob_store", lambda root: blobs)
    with monkeypatch.context() as reading:
        reading.setattr("bodyshop_core.workspace.may_give_identity", lambda catalog: False)
        workspace = Workspace.open(tmp_path / "one")
    unclaimed = pickle.loads(pickle.dumps(workspace.derived))
    workspace.blobs.claim(leave_note=False)
    assert find_identity(workspace.catalog) is None and unclaimed.sizes() == {}
    with pytest.raises(RuntimeError, match="has to be claimed"):
        unclaimed.require("variants")
    workspace.blobs.claim()
    assert (own := find_identity(workspace.catalog)) is not None
    claimed = pickle.loads(pickle.dumps(workspace.derived))
    claimed.require("variants")
    assert claimed.place.owner.find() == own


@pytest.mark.slow
def test_a_role_that_may_only_read_the_catalog_reads_a_workspace_with_a_bucket(
    tmp_path, monkeypatch
):
    psycopg = pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    if (binaries := postgres.programs()) is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    database = postgres.PostgresServer(binaries)
    try:
        database.start()
        with object_store.started() as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            url = database.url("cars")
            text = (
                f'catalog = "{url}"\nblobs = "s3://{server.bucket}/p"\n'
                f'blobs_endpoint = "{server.endpoint}"\n'
            )
            roots = [tmp_path / name for name in ("writer", "reader")]
            for root in roots:
                root.mkdir()
            (roots[0] / "workspace.toml").write_text(text)
            (roots[1] / "workspace.toml").write_text(text.replace("bodyshop@", "reader@"))
            Catalog(tmp_path / "unused", make_url(url)).close()  # of a workspace without a bucket
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute("CREATE ROLE reader LOGIN")
                connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
            assert status_code(roots[1]) == 0, "before anything was written"
            writer = Workspace.open(roots[0])
            (tmp_path / "photos").mkdir()
            (tmp_path / "photos" / "1.jpg").write_bytes(photo(1))
            collector.import_folder(tmp_path / "photos", writer)
            assert status_code(roots[1]) == 0
            reader = Workspace.open(roots[1])
            (row,) = manifest_rows(reader)
            assert reader.picture(row["sha256"]).read() == photo(1)
            with pytest.raises(CatalogError, match="permission denied"):
                reader.blobs.put_bytes(photo(2), "jpg")
    finally:
        database.close()


def status_code(root: Path) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main(["-w", str(root), "status"])
    return ended.value.code
