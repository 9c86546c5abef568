"""One contract for every store of original pictures: a folder, and what fsspec reaches."""

from __future__ import annotations

import hashlib
import os
import pickle
import socket
import subprocess
import sys
import threading
from pathlib import Path

import object_store
import pytest
from blob_stores import StoreUnderTest, make_store

from bodyshop_core.errors import DamagedBlobError, LostBlobError, TransientError
from bodyshop_core.storage.blob_cache import BlobCache
from bodyshop_core.storage.remote_blobs import RemoteBlobs

KINDS = ["local", "memory", "file", pytest.param("s3", marks=pytest.mark.slow)]

DATA = b"\xff\xd8\xff" + bytes(range(256)) * 40


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def server():
    with object_store.started() as running:
        yield running


@pytest.fixture(params=KINDS)
def under_test(request, tmp_path, monkeypatch):
    if request.param == "local":
        return make_store("local", tmp_path)
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    if request.param != "s3":
        return make_store(request.param, tmp_path)
    server = request.getfixturevalue("server")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    cache = BlobCache(tmp_path / "cache" / "blobs", 10_000_000)
    url = f"s3://{server.bucket}/{sha(str(tmp_path).encode())[:12]}"
    return StoreUnderTest(RemoteBlobs(url, cache, endpoint=server.endpoint), tmp_path)


def test_bytes_are_stored_once_and_come_back(under_test):
    store = under_test.store
    first, again = store.put_bytes(DATA, "jpg"), store.put_bytes(DATA, "jpg")
    assert (first.new, again.new) == (True, False)
    assert (first.sha256, first.size) == (sha(DATA), len(DATA))
    ref = store.ref(first.sha256, "jpg")
    assert ref.exists() and ref.read() == DATA == ref.read()
    assert store.has(first.sha256, "jpg", len(DATA))
    assert not store.has(first.sha256, "jpg", 3) and not store.has(first.sha256, "png", len(DATA))
    assert len(store.find([first.sha256, "0" * 64])) == 1


def test_a_reference_travels_and_opens_as_a_path_does(under_test):
    blob = under_test.store.put_bytes(DATA, "png")
    ref = pickle.loads(pickle.dumps(under_test.store.ref(blob.sha256, "png")))
    assert (ref.name, ref.suffix) == (f"{blob.sha256}.png", ".png") and str(ref).endswith(ref.name)
    with open(ref, "rb") as file:  # noqa: PTH123 - what a caller may do with a path
        assert file.read() == DATA
    assert Path(ref).read_bytes() == ref.local().read_bytes() == DATA


def test_lost_bytes_are_named_and_come_back_when_stored_again(under_test):
    store = under_test.store
    blob = store.put_bytes(DATA, "jpg")
    under_test.spoil(blob.sha256, "jpg", None)
    ref = store.ref(blob.sha256, "jpg")
    assert not ref.exists()
    with pytest.raises(LostBlobError, match=blob.sha256):
        ref.read()
    assert store.put_bytes(DATA, "jpg").new and ref.read() == DATA


@pytest.mark.parametrize("wrong", [b"cut", DATA[:-1] + b"\0"], ids=["cut", "changed"])
def test_damaged_bytes_are_noticed_and_replaced_when_stored_again(under_test, wrong):
    store = under_test.store
    blob = store.put_bytes(DATA, "jpg")
    under_test.spoil(blob.sha256, "jpg", wrong)
    ref = store.ref(blob.sha256, "jpg")
    with pytest.raises(DamagedBlobError, match="damaged"):
        ref.read()
    assert store.put_bytes(DATA, "jpg").new and ref.read() == DATA


def test_a_download_moves_into_the_store_once(under_test):
    for new in (True, False):
        part = under_test.folder / "1.part"
        part.write_bytes(DATA)
        blob = under_test.store.adopt(part, sha(DATA), "jpg")
        assert blob.new is new and not part.exists()
    assert under_test.store.ref(sha(DATA), "jpg").read() == DATA


def test_removing_a_picture_leaves_nothing_of_it_and_all_of_the_others(under_test):
    store = under_test.store
    gone, kept = store.put_bytes(DATA, "jpg"), store.put_bytes(b"other", "png")
    store.put_bytes(DATA, "png")
    for blob, extension in ((gone, "jpg"), (kept, "png")):
        store.ref(blob.sha256, extension).read()
    store.remove([gone.sha256, "0" * 64])
    assert store.find([gone.sha256]) == [] and not store.ref(gone.sha256, "jpg").exists()
    assert not [path for path in under_test.folder.rglob("*") if gone.sha256 in path.name]
    assert store.ref(kept.sha256, "png").read() == b"other"
    store.remove([gone.sha256])  # again: nothing is there, and nothing is wrong


def test_many_at_once_store_the_same_bytes_without_an_error(under_test):
    errors: list[BaseException] = []

    def put() -> None:
        try:
            for number in range(8):
                under_test.store.put_bytes(DATA + bytes([number]), "jpg")
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for number in range(8):
        data = DATA + bytes([number])
        assert under_test.store.ref(sha(data), "jpg").read() == data


def test_the_cache_keeps_to_its_size_and_to_what_was_read_last(tmp_path):
    cache = BlobCache(tmp_path / "cache", 10_000)
    names = []
    for number in range(30):
        data = bytes([number]) * 1000
        names.append(f"{sha(data)}.jpg")
        cache.put(names[-1], data)
        path = cache.path(names[-1])
        os.utime(path, (number, number))  # the clock of a file system may be coarse
        assert cache.get(names[0]) is not None, "read after each write: it is never the oldest"
        assert sum(each.stat().st_size for each in cache.root.glob("??/*")) <= 10_000
    kept = [number for number, name in enumerate(names) if cache.path(name).exists()]
    assert kept[0] == 0 and kept[1:] == list(range(kept[1], 30)) and len(kept) >= 7


def test_a_damaged_copy_is_fetched_again_and_a_cache_of_another_machine_is_not_used(tmp_path):
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    store = make_store("memory", tmp_path).store
    assert isinstance(store, RemoteBlobs)
    ref = store.ref(store.put_bytes(DATA, "jpg").sha256, "jpg")
    assert ref.read() == DATA and ref.path.read_bytes() == DATA
    ref.path.write_bytes(b"damaged")
    assert ref.read() == DATA and ref.path.read_bytes() == DATA
    elsewhere = BlobCache(tmp_path / "elsewhere", 10_000_000, machine="another")
    other = RemoteBlobs(store.label, elsewhere)
    assert other.ref(ref.sha256, "jpg").read() == DATA and not elsewhere.root.exists()


READER = """
import pickle, sys
from pathlib import Path
refs = pickle.loads(Path(sys.argv[1]).read_bytes())
for _ in range(4):
    for ref in refs:
        assert len(ref.read()) == 3000
"""


def test_processes_share_a_small_cache_without_harm(tmp_path):
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    made = make_store("file", tmp_path, limit=20_000)
    refs = []
    for number in range(40):
        blob = made.store.put_bytes(bytes([number]) * 3000, "jpg")
        refs.append(made.store.ref(blob.sha256, "jpg"))
    (tmp_path / "refs").write_bytes(pickle.dumps(refs))
    readers = [
        subprocess.Popen([sys.executable, "-c", READER, str(tmp_path / "refs")]) for _ in range(3)
    ]
    assert [reader.wait(60) for reader in readers] == [0, 0, 0]
    files = list((tmp_path / "cache" / "blobs").glob("??/*"))
    most = 20_000 + 2 * 3000  # three may write in the same moment
    assert 0 < sum(file.stat().st_size for file in files) <= most
    assert not [file for file in files if file.name.startswith(".")]


def test_a_server_that_is_not_there_is_no_fault_of_the_picture(tmp_path):
    pytest.importorskip("aiohttp", reason="the extra 's3' is not installed")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/blobs"
        store = RemoteBlobs(url, BlobCache(tmp_path / "cache", 10_000))
        with pytest.raises(TransientError, match=r"127\.0\.0\.1.*can't be read") as caught:
            store.ref("0" * 64, "jpg").read()
    assert not isinstance(caught.value, LostBlobError)
