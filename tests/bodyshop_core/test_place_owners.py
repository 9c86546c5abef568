"""A prefix in a bucket is one workspace's, whatever it already holds."""

from __future__ import annotations

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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
from bodyshop_core.errors import TransientError
from bodyshop_core.storage import nesting, ownership, remote_objects
from bodyshop_core.storage.blob_cache import BlobCache
from bodyshop_core.storage.ownership import ForeignPlaceError
from bodyshop_core.storage.place_owner import Owner
from bodyshop_core.storage.remote_blobs import RemoteBlobs
from bodyshop_core.storage.remote_place import RemotePlace
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


@pytest.mark.parametrize("inside", ["x", "x/y", "ab", "masks", "ab/cars", "masks/x/y"])
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


@pytest.fixture
def workspace_at(tmp_path, monkeypatch):
    """Return a function that opens a workspace on a prefix, as a process of its own does."""
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")

    def opened(prefix):
        name = prefix.replace("/", "-")
        monkeypatch.setattr(ownership, "known", ownership._Known())
        blobs = RemoteBlobs(f"file://{tmp_path}/bucket/{prefix}", BlobCache(tmp_path / name, 10**6))
        monkeypatch.setattr("bodyshop_core.workspace.blob_store", lambda root: blobs)
        return Workspace.open(tmp_path / f"workspace-{name}")

    return opened


def test_a_wider_prefix_that_was_taken_later_does_not_lock_out_who_was_there_first(
    workspace_at, monkeypatch, caplog
):
    workspace_at("a/x").blobs.put_bytes(photo(1), "jpg")
    with monkeypatch.context() as blind:  # as with more folders than are looked into
        blind.setattr(nesting, "REQUESTS", 0)
        workspace_at("a").blobs.put_bytes(photo(2), "jpg")
    assert workspace_at("a/x").blobs.put_bytes(photo(3), "jpg").new
    assert "a/x is inside of" in caplog.text and "belongs to another workspace" in caplog.text
    assert workspace_at("a").blobs.put_bytes(photo(4), "jpg").new


@pytest.mark.parametrize(("first", "second"), [("a", "a/ab/x"), ("a/ab/x", "a")])
def test_of_two_nested_workspaces_that_begin_at_once_one_is_refused_and_leaves_no_note(
    workspace_at, tmp_path, monkeypatch, first, second
):
    late, write = workspace_at(second), remote_objects._write

    def meanwhile(place, name, data, mode):
        if place.url.endswith(f"bucket/{second}"):
            monkeypatch.setattr(remote_objects, "_write", write)
            workspace_at(first).blobs.put_bytes(photo(1), "jpg")
        write(place, name, data, mode)

    monkeypatch.setattr(remote_objects, "_write", meanwhile)
    with pytest.raises(ForeignPlaceError, match="is inside of"):
        late.blobs.put_bytes(photo(2), "jpg")
    files = [path for path in (tmp_path / "bucket").rglob("*") if path.is_file()]
    assert len(files) == 2 and all(f"bucket/{first}/" in str(path) for path in files)
    workspace_at(first).blobs.put_bytes(photo(3), "jpg")


def test_the_first_write_beside_other_data_asks_a_bounded_number_of_times(
    workspace_at, tmp_path, monkeypatch
):
    for day in range(60):
        for part in range(20):
            (tmp_path / "bucket" / "a" / f"logs{day}" / f"part{part}").mkdir(parents=True)
    asked, talking = [], RemotePlace.talking

    def counted(place, name, what):
        asked.append((name, what))
        return talking(place, name, what)

    monkeypatch.setattr(RemotePlace, "talking", counted)
    workspace = workspace_at("a")
    workspace.blobs.put_bytes(photo(1), "jpg")
    assert 60 < len(asked) < 2 * nesting.REQUESTS + 100
    del asked[:]
    workspace_at("a").blobs.put_bytes(photo(2), "jpg")
    assert len(asked) < 20, "once it has its note"


def test_a_folder_of_many_objects_in_a_bucket_is_listed_with_a_bounded_number_of_requests(
    workspace_at, monkeypatch
):
    pages = iter(range(10**6))

    class Endless:
        """Of S3, as far as it is used: a prefix whose listing does not end."""

        def call_s3(self, method, **asked):
            assert method == "list_objects_v2" and asked["Delimiter"] == "/"
            assert ("ContinuationToken" in asked) == (next(pages) > 0)
            return {"IsTruncated": True, "NextContinuationToken": "more"}

    place = workspace_at("a").blobs.place
    monkeypatch.setattr(RemotePlace, "filesystem", lambda place: Endless())
    assert list(nesting._below(place)) == [] and next(pages) == nesting.REQUESTS


def test_a_folder_without_a_name_in_a_bucket_is_not_looked_into_again_and_again(
    workspace_at, monkeypatch
):
    asked = []

    class Stray:
        """Of S3, as far as it is used: every prefix holds an object such as ``//stray.jpg``."""

        def call_s3(self, method, **words):
            asked.append(words["Prefix"])
            return {"CommonPrefixes": [{"Prefix": f"{words['Prefix']}/"}]}

    place = workspace_at("a").blobs.place
    monkeypatch.setattr(RemotePlace, "filesystem", lambda place: Stray())
    assert list(nesting._below(place)) == [] and len(asked) == 1


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


def test_of_many_threads_one_asks_whose_a_place_is_and_all_get_its_answer(tmp_path, monkeypatch):
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    place = make_store("file", tmp_path / "bucket").store.place
    place = replace(place, owner=Owner(lambda: "own", lambda: "own"))
    place.owner.make()
    together, asked = threading.Barrier(8), []

    def silent(asked_place):
        asked.append(asked_place)
        time.sleep(0.5)
        raise TransientError("the store does not answer")

    def claim(_):
        together.wait()
        with pytest.raises(TransientError, match="does not answer"):
            remote_objects.claim(place)

    monkeypatch.setattr(ownership, "read_note", silent)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(claim, range(8)))
    assert len(asked) == 1


def test_of_two_workspaces_that_claim_a_place_at_once_one_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    place = make_store("file", tmp_path / "bucket").store.place
    together, read = threading.Barrier(2), ownership.read_note

    def slow(asked_place):
        note = read(asked_place)
        time.sleep(0.5)
        return note

    def claim(name):
        mine = replace(place, owner=Owner(lambda: name, lambda: name))
        together.wait()
        try:
            remote_objects.claim(mine)
        except ForeignPlaceError:
            return "refused"
        return "claimed"

    monkeypatch.setattr(ownership, "read_note", slow)
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(claim, ("one", "other"))) == ["claimed", "refused"]


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
