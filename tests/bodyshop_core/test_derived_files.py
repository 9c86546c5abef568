"""One contract for masks and variants: in the workspace's folder, and what fsspec reaches."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import object_store
import pytest
from blob_stores import make_store
from filling import add_picture, photo

from bodyshop.forget import forget
from bodyshop.orphans import orphans
from bodyshop.workspace_copy import copy_workspace
from bodyshop_core.catalog import schema
from bodyshop_core.catalog.derived_names import names_of_masks_and_variants
from bodyshop_core.errors import DamagedBlobError, LostBlobError, TransientError
from bodyshop_core.storage.blob_cache import BlobCache, with_digest
from bodyshop_core.storage.derived_files import DerivedFiles, LocalDerived, picture_of
from bodyshop_core.storage.local_blobs import LocalBlobs
from bodyshop_core.storage.ownership import NOTE, ForeignPlaceError
from bodyshop_core.storage.remote_blobs import RemoteBlobs
from bodyshop_core.storage.remote_derived import RemoteDerived
from bodyshop_core.storage.remote_place import RemotePlace
from bodyshop_core.workspace import Workspace
from bodyshop_core.workspace_settings import derived_files

KINDS = ["local", "memory", "file", pytest.param("s3", marks=pytest.mark.slow)]

SHA = hashlib.sha256(b"a picture").hexdigest()
OTHER = hashlib.sha256(b"another").hexdigest()
MASK = f"masks/{SHA[:2]}/{SHA}-dent-0123456789.png"
VARIANT = f"variants/light-1/{SHA[:2]}/{SHA}-1.jpg"
PNG = b"\x89PNG" + bytes(range(256)) * 9 + b"IEND\xaeB`\x82"


@pytest.fixture(scope="module")
def server():
    with object_store.started() as running:
        yield running


@pytest.fixture(params=KINDS)
def store(request, tmp_path, monkeypatch) -> DerivedFiles:
    if request.param == "local":
        return LocalDerived(tmp_path)
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    if request.param != "s3":
        return derived_files(tmp_path, make_store(request.param, tmp_path).store)
    server = request.getfixturevalue("server")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    cache = BlobCache(tmp_path / "cache" / "blobs", 10_000_000)
    url = f"s3://{server.bucket}/{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"
    return RemoteDerived(RemoteBlobs(url, cache, endpoint=server.endpoint).place)


def copies(folder: Path) -> list[Path]:
    return list((folder / "cache").rglob("*.*"))


def test_what_was_put_comes_back_under_the_name_that_it_got(store):
    name = store.put(MASK, PNG)
    assert store.put(MASK, PNG) == name and picture_of(name) == SHA
    ref = pickle.loads(pickle.dumps(store)).ref(name)
    assert ref.exists() and ref.read() == PNG == ref.read() == store.fetch(name)
    assert Path(ref).read_bytes() == PNG and ref.suffix == ".png"
    assert store.sizes() == {name: len(PNG)}
    is_whole = store.checker("masks")
    assert is_whole(name, len(PNG)) and is_whole(name, None) and not is_whole(name, 3)
    assert not is_whole(MASK.replace("dent", "scratch"), None)


def test_what_changes_is_never_read_as_it_was(store):
    first = store.put(MASK, PNG)
    assert store.ref(first).read() == PNG
    second = store.put(MASK, PNG + PNG)
    assert store.ref(second).read() == PNG + PNG
    if not isinstance(store, LocalDerived):  # whoever still has the row of before
        assert first != second and store.ref(first).read() == PNG


def test_a_workspace_on_disk_keeps_the_names_that_it_always_had(tmp_path):
    store = LocalDerived(tmp_path)
    assert store.put(MASK, PNG) == MASK and (tmp_path / MASK).read_bytes() == PNG
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / MASK]


def test_what_is_lost_is_named_and_no_reason_to_stop_where_many_are_read(store):
    name = store.put(VARIANT, PNG)
    with pytest.raises(LostBlobError, match=SHA):
        store.ref(f"{VARIANT}.lost").read()
    assert list(store.contents([name, f"{VARIANT}.lost", name])) == [PNG, None, PNG]
    store.discard([name, name, f"{VARIANT}.lost"])
    assert store.sizes() == {} and not store.ref(name).exists()
    with pytest.raises(LostBlobError):
        store.ref(name).read()


def test_removing_a_picture_takes_its_masks_and_the_variants_of_all_sets(store, tmp_path):
    gone = [
        store.put(name, PNG + bytes([number]))
        for number, name in enumerate((MASK, MASK, VARIANT, VARIANT.replace("light", "other")))
    ]
    store.restore(f"masks/{SHA}.png", PNG)
    kept = store.put(MASK.replace(SHA[:2], OTHER[:2]).replace(SHA, OTHER), PNG)
    for name in (*gone[1:], kept):
        store.ref(name).read()
    assert len(store.find([SHA, "0" * 64])) == len(set(gone)) + 1
    assert all(SHA in each for each in store.find([SHA]))
    store.remove([SHA, "0" * 64])
    assert store.find([SHA]) == [] and store.sizes() == {kept: len(PNG)}
    assert not [path for path in tmp_path.rglob("*") if SHA in path.name]
    assert store.ref(kept).read() == PNG
    store.remove([SHA])


def test_names_of_another_store_are_kept_and_what_has_no_digest_is_not_cached(store, tmp_path):
    store.restore(MASK, PNG)
    store.restore(MASK, PNG[::-1])
    assert store.ref(MASK).read() == PNG[::-1] and store.sizes() == {MASK: len(PNG)}
    assert copies(tmp_path) == []
    assert Path(store.ref(MASK)).read_bytes() == PNG[::-1]
    store.restore(MASK, PNG)
    assert Path(store.ref(MASK)).read_bytes() == PNG, "a file for a program is of now"


def test_the_rest_of_a_folder_is_not_among_them(tmp_path):
    for name in ("manifest-main.jsonl", "policy.yaml", ".lock", ".shards/1.parquet"):
        file = tmp_path / "variants" / "light-1" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    assert LocalDerived(tmp_path).sizes() == {} and picture_of(f"blobs/{SHA}.jpg") is None


def test_a_damaged_object_is_noticed_and_written_again(store, tmp_path):
    if isinstance(store, LocalDerived):
        pytest.skip("a file in the workspace is not compared when it is read")
    name = store.put(MASK, PNG)
    store.restore(name, PNG[:-3])
    assert store.ref(name).read() == PNG, "the copy of whoever wrote it"
    store.place.cache.remove(SHA)
    with pytest.raises(DamagedBlobError, match="damaged"):
        store.ref(name).read()
    assert store.put(MASK, PNG) == name
    assert store.ref(name).read() == PNG and len(copies(tmp_path)) == 1


def test_without_a_bucket_a_machine_that_lacks_the_folder_says_so(tmp_path):
    here = LocalDerived(tmp_path)
    (tmp_path / "variants" / "light-1").mkdir(parents=True)
    here.require("variants/light-1")
    with pytest.raises(TransientError, match="same path on every machine"):
        replace(here, root=tmp_path / "elsewhere").require("variants/light-1")


WRITER = """
import pickle, sys
from pathlib import Path
store = pickle.loads(Path(sys.argv[1]).read_bytes())
print("ready", flush=True)
for number in range(10**6):
    store.put(sys.argv[2], bytes([number % 256]) * 200_000, durable=False)
"""


@pytest.mark.parametrize("kind", ["local", "file"])
def test_kill_9_in_mid_write_leaves_whole_files_only(tmp_path, kind):
    store: DerivedFiles = LocalDerived(tmp_path)
    if kind == "file":
        pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
        store = derived_files(tmp_path, make_store("file", tmp_path).store)
    (tmp_path / "store").write_bytes(pickle.dumps(store))
    for delay in (0.05, 0.1, 0.2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "store"), MASK], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
        while not store.sizes():
            time.sleep(0.01)
        time.sleep(delay)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait(30)
        writer.stdout.close()
    made = store.sizes()
    assert made and set(made.values()) == {200_000}
    assert all(len(set(store.fetch(name))) == 1 for name in made)
    store.remove([SHA])
    assert store.sizes() == {} == dict.fromkeys(store.find([SHA]))


def test_many_at_once_write_the_same_without_an_error(store):
    errors: list[BaseException] = []

    def put() -> None:
        try:
            for number in range(8):
                store.put(VARIANT.replace("-1.jpg", f"-{number}.jpg"), PNG + bytes([number]))
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and len(store.sizes()) == 8


@pytest.mark.parametrize("number", [5, 200])
def test_removing_many_pictures_lists_each_folder_once_and_few_of_them_beside_each_other(
    store, monkeypatch, number
):
    wanted = [hashlib.sha256(bytes([each])).hexdigest() for each in range(number)]
    kept = [store.put(name, PNG) for name in (MASK, VARIANT)]
    kept += [store.put(f"variants/{each}/{SHA[:2]}/{SHA}-1.jpg", PNG) for each in ("a", "b")]
    for sha256 in (wanted[0], wanted[-1]):
        store.put(f"masks/{sha256[:2]}/{sha256}-dent-0.png", PNG)
        store.put(f"variants/b/{sha256[:2]}/{sha256}-1.jpg", PNG)
    store.restore(f"masks/{wanted[1]}.png", PNG)
    asked, under_way, lock = [], [0, 0], threading.Lock()
    talking = RemotePlace.talking

    @contextlib.contextmanager
    def counted(self, name, what):
        with lock:
            asked.append(what)
            under_way[0] += 1
            under_way[1] = max(under_way)
        time.sleep(0.01)
        try:
            with talking(self, name, what) as filesystem:
                yield filesystem
        finally:
            with lock:
                under_way[0] -= 1

    monkeypatch.setattr(RemotePlace, "talking", counted)
    assert len(store.find(wanted)) == 5
    if not isinstance(store, LocalDerived):
        assert under_way[1] > 1 and len(asked) == (5 if number > 64 else 1 + 2 * 4 * number)
    store.remove(wanted)
    assert store.sizes().keys() == set(kept)


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """Return a place of blobs that each workspace keeps its files in from now on."""
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    blobs = make_store("file", tmp_path / "bucket").store

    def use() -> None:
        monkeypatch.setattr("bodyshop_core.workspace.blob_store", lambda root: blobs)

    return use


def test_masks_drawn_before_the_workspace_had_a_bucket_are_moved_into_it(bucket, tmp_path, caplog):
    before = Workspace.open(tmp_path / "w")
    drawn = drawn_files(before)
    (before.root / "variants" / "light-1").mkdir(parents=True, exist_ok=True)
    (before.root / "variants" / "light-1" / "policy.yaml").write_text("x")
    bucket()
    after = Workspace.open(tmp_path / "w")
    names = {with_digest(name, PNG) for name in drawn}
    assert after.derived.sizes().keys() == names and not LocalDerived(after.root).sizes()
    assert named(after) == names
    for name in names:
        assert after.derived.ref(name).read() == PNG
    assert len(copies(tmp_path / "bucket")) == 3, "what was moved is kept in the cache, too"
    assert (after.root / "variants" / "light-1" / "policy.yaml").exists()
    assert "3 masks and variants were files in" in caplog.text
    caplog.clear()
    assert Workspace.open(tmp_path / "w").derived.sizes().keys() == names and not caplog.text


def drawn_files(workspace: Workspace) -> list[str]:
    """Put a mask, a variant and its mask into a workspace on a disk, with their rows."""
    sha256 = add_picture(workspace, photo(3))
    mask, variant, moved = (
        name.format(sha256[:2], sha256)
        for name in ("masks/{}/{}-dent-01.png", "variants/v/{}/{}-1.jpg", "variants/v/{}/{}-1.png")
    )
    for name in (mask, variant, moved):
        workspace.derived.put(name, PNG)
    with workspace.catalog.begin() as connection:
        connection.execute(
            schema.annotations.insert(),
            {
                "key": "a", "sha256": sha256, "project": "damage", "annotator": "ana",
                "kind": "mask", "file": mask, "state": "current", "updated_at": "2026",
            },
        )  # fmt: skip
        connection.execute(
            schema.variants.insert(),
            {
                "sha256": sha256, "policy": "p", "copy": 1, "split_set": "main", "label": "x",
                "group": "g", "current": True, "file": variant, "masks": {"dent": moved},
                "inputs": "i", "made_at": "2026",
            },
        )  # fmt: skip
    return [mask, variant, moved]


def named(workspace: Workspace) -> set[str]:
    with workspace.catalog.read() as connection:
        return names_of_masks_and_variants(connection)


def test_a_bucket_that_does_not_take_them_leaves_the_masks_where_they_are(
    bucket, tmp_path, monkeypatch
):
    root = Workspace.open(tmp_path / "w").root
    drawn = set(drawn_files(Workspace.open(root)))
    bucket()
    with monkeypatch.context() as failing:
        failing.setattr(RemoteDerived, "put", lambda self, name, data: name)
        failing.setattr(RemoteDerived, "fetch", lambda *_: b"")
        with pytest.raises(TransientError, match="does not hold"):
            Workspace.open(root)
        assert LocalDerived(root).sizes().keys() == drawn
    assert named(Workspace.open(root)) == {with_digest(name, PNG) for name in drawn}


def test_a_copy_leaves_what_others_have_in_the_same_place_and_has_a_place_of_its_own(
    bucket, tmp_path, monkeypatch
):
    bucket()
    one = Workspace.open(tmp_path / "one")
    sha256 = add_picture(one, photo(1))
    ours = one.derived.put(f"masks/{sha256[:2]}/{sha256}-dent-0123456789.png", PNG)
    theirs = one.derived.put(MASK, PNG)
    monkeypatch.setattr("bodyshop.workspace_copy.blob_store", lambda root: one.blobs)
    for dry_run in (True, False):
        with pytest.raises(ForeignPlaceError, match=r"is where .* has its pictures"):
            copy_workspace(one.root, tmp_path / "beside", dry_run=dry_run)
    assert not (tmp_path / "beside").exists()
    assert one.derived.sizes().keys() == {ours, theirs}
    monkeypatch.undo()
    monkeypatch.setattr(
        "bodyshop_core.workspace.blob_store",
        lambda root: one.blobs if root == one.root else LocalBlobs(root / "blobs"),
    )
    copy_workspace(one.root, tmp_path / "copy")
    assert LocalDerived(tmp_path / "copy").sizes().keys() == {ours}


def test_a_workspace_neither_writes_nor_removes_what_is_below_the_prefix_of_another(
    bucket, tmp_path
):
    bucket()
    one, other = (Workspace.open(tmp_path / name) for name in ("one", "other"))
    assert orphans(other).files == 0, "counting leaves no note"
    sha256 = add_picture(one, photo(1))
    ref = one.picture(sha256)
    for attempt in (
        lambda: other.blobs.put_bytes(photo(2), "jpg"),
        lambda: other.derived.put(MASK, PNG),
        lambda: other.derived.require("variants/v"),
        lambda: other.blobs.remove([sha256]),
        lambda: forget(other, sha256),
        lambda: forget(other, sha256, dry_run=True),
        lambda: orphans(other),
    ):
        with pytest.raises(ForeignPlaceError, match=r"belongs to another workspace.*one") as caught:
            attempt()
    assert caught.value.exit_code == 2 and "owner.json" in caught.value.hint
    assert ref.read() == photo(1) and one.derived.sizes() == {}
    again = Workspace.open(one.root)  # the same one
    again.derived.put(MASK, PNG)
    assert forget(again, sha256).pictures == 1 and not ref.exists()
    ref.place.filesystem().rm_file(ref.place.address(NOTE))
    assert other.blobs.put_bytes(photo(2), "jpg").new, "the first one is gone for good"
