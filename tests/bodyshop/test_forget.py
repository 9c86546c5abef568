from __future__ import annotations

import contextlib
import importlib
import io
import os
import platform
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import func, select

from bodyshop.forget import forget
from bodyshop_core.catalog import is_forgotten, now, register_image, schema
from bodyshop_core.errors import BodyshopError, NothingFoundError
from bodyshop_core.locking import locked
from collector.ledger.journal import Journal

module = importlib.import_module("bodyshop.forget")  # the package has a function of this name


def see(workspace, colour, *urls):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    blob = workspace.blobs.put_bytes(buffer.getvalue(), "png")
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension="png", facts={"format": "PNG"})
        workspace.catalog.upsert(
            schema.sightings,
            [
                {
                    "key": f"{blob.sha256[:20]}{url}"[:64],
                    "sha256": blob.sha256,
                    "url": url,
                    "source": "pages",
                    "fetched_at": now(),
                    "tool_version": "0",
                }
                for url in urls
            ],
            connection=connection,
        )
    return blob


def count(workspace, table):
    with workspace.catalog.read() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def derived(workspace, blob):
    files = [
        workspace.variants / "p" / f"{blob.sha256}-0.jpg",
        workspace.masks / f"{blob.sha256}-dent.png",
        workspace.reports / "curate" / "thumbs" / f"{blob.sha256}.jpg",
        workspace.root / "labelstudio" / "pictures" / f"{blob.sha256}.png",
        workspace.root / "labelstudio" / "media" / "upload" / "3" / f"0a1b2c3d-{blob.sha256}.jpg",
    ]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return files


def test_picture_goes_with_everything_made_from_it_and_stays_away(workspace):
    gone, kept = see(workspace, "red", "http://a/1"), see(workspace, "blue", "http://a/2")
    files, others = derived(workspace, gone), derived(workspace, kept)
    summary = forget(workspace, gone.sha256)
    assert summary.pictures == 1 and summary.files == 1 + len(files)
    assert not gone.path.exists() and not any(file.exists() for file in files)
    assert kept.path.exists() and all(file.exists() for file in others)
    assert count(workspace, schema.images) == count(workspace, schema.sightings) == 1
    with workspace.catalog.read() as connection:
        assert is_forgotten(connection, "sha256", gone.sha256)


def test_features_of_the_picture_are_taken_out_of_their_shard(workspace):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    gone, kept = see(workspace, "red", "http://a/1"), see(workspace, "blue", "http://a/2")
    shard = workspace.features / "gate" / "0.parquet"
    shard.parent.mkdir(parents=True)
    pq.write_table(pa.table({"key": [gone.sha256, kept.sha256], "x": [1.0, 2.0]}), shard)
    forget(workspace, gone.sha256)
    assert pq.read_table(shard)["key"].to_pylist() == [kept.sha256]


def test_host_takes_what_was_seen_nowhere_else(workspace):
    only = see(workspace, "red", "https://bad.example/1.jpg")
    both = see(workspace, "blue", "https://bad.example/2.jpg", "https://good.example/2.jpg")
    summary = forget(workspace, "bad.example")
    assert (summary.pictures, summary.sightings) == (1, 2)
    assert not only.path.exists() and both.path.exists()
    with workspace.catalog.read() as connection:
        assert is_forgotten(connection, "host", "bad.example")


def test_dry_run_erases_nothing(workspace):
    blob = see(workspace, "red", "http://a/1")
    assert forget(workspace, "http://a/1", dry_run=True).pictures == 1
    assert blob.path.exists() and count(workspace, schema.tombstones) == 0


def test_unknown_picture_is_put_on_the_list_all_the_same(workspace):
    with pytest.raises(NothingFoundError, match="will not collect it"):
        forget(workspace, "https://never.example/x.jpg")
    with workspace.catalog.read() as connection:
        assert is_forgotten(connection, "url", "https://never.example/x.jpg")


def test_reports_that_showed_the_picture_are_removed(workspace):
    blob = see(workspace, "red", "http://a/1")
    page = workspace.reports / "curate" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<img>")
    assert forget(workspace, blob.sha256).reports_stale and not page.exists()


def leave_pending(workspace, colour, url, *, stored=False, page=None, process=None, folder="."):
    """What a crawl leaves that is killed after a download and before its transaction."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    data = buffer.getvalue()
    incoming = workspace.root / "incoming" / folder
    journal = Journal(incoming)
    blob = workspace.blobs.put_bytes(data, "png")
    part = incoming / (f"{colour}-{process}-0.part" if process else f"{colour}.part")
    if not stored:
        blob.path.unlink()
        part.write_bytes(data)
    entry = {"key": colour, "part": part.name, "sha256": blob.sha256, "size": len(data)}
    journal.promise(entry | {"extension": "png", "url": url, "facts": {}})
    if page:
        row = {"key": colour, "url": url, "host": "", "source": "pages", "state": "queued"}
        details = {"details": {"page_url": page}, "updated_at": now()}
        workspace.catalog.upsert(schema.candidates, [row | details])
    return blob, part


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("named_by", ["sha256", "url", "host", "page"])
def test_a_download_that_never_reached_the_catalog_is_erased_too(workspace, named_by, stored):
    url, page = "https://bad.example/1.png", "https://shop.example/cars"
    gone, part = leave_pending(workspace, "red", url, stored=stored, page=page)
    kept, other = leave_pending(workspace, "blue", "https://good.example/2.png")
    what = {"sha256": gone.sha256, "url": url, "host": "bad.example", "page": page}[named_by]
    summary = forget(workspace, what)
    assert summary.pending == 1 and summary.pictures == 0
    assert not part.exists() and not gone.path.exists() and other.exists()
    left = Journal(workspace.root / "incoming").recover(workspace.blobs)
    assert [entry["sha256"] for entry in left] == [kept.sha256]
    with workspace.catalog.read() as connection:
        kind = "url" if named_by == "page" else named_by
        assert is_forgotten(connection, kind, what)


def test_pending_bytes_that_another_sighting_has_too_are_kept(workspace):
    seen = see(workspace, "red", "https://good.example/1.png")
    leave_pending(workspace, "red", "https://bad.example/1.png", stored=True)
    forget(workspace, "bad.example")
    assert seen.path.exists() and count(workspace, schema.images) == 1


def test_parts_of_a_dead_crawl_go_and_those_of_a_running_one_stay(workspace):
    incoming = workspace.root / "incoming"
    incoming.mkdir()
    dead, alive = incoming / f"a-{2**22 + 1}-0.part", incoming / f"b-{os.getpid()}-0.part"
    dead.write_bytes(b"half")
    alive.write_bytes(b"half")
    with pytest.raises(NothingFoundError):
        forget(workspace, "bad.example")
    assert not dead.exists() and alive.exists()


def test_the_journal_of_a_running_crawl_stays_the_file_that_it_appends_to(workspace):
    running = {"process": os.getpid()}
    gone, part = leave_pending(workspace, "red", "https://bad.example/1.png", **running)
    kept, other = leave_pending(workspace, "blue", "https://good.example/2.png", **running)
    journal = workspace.root / "incoming" / "finished.jsonl"
    with journal.open("a", encoding="utf-8") as opened_by_crawl:
        assert forget(workspace, "bad.example").pending == 1
        assert not part.exists() and not gone.path.exists() and other.exists()
        # The crawl goes on to append.
        opened_by_crawl.write(journal.read_text().splitlines()[-1].replace("blue", "third") + "\n")
    left = Journal(workspace.root / "incoming").recover(workspace.blobs)
    assert [entry["key"] for entry in left] == ["blue", "third"]
    assert {entry["sha256"] for entry in left} == {kept.sha256}


@pytest.mark.parametrize("alive", [True, False])
def test_the_lock_of_a_collector_says_whether_it_is_alive_not_its_process_number(workspace, alive):
    """It may be on another machine; and its number may be another process's by now."""
    number = 2**22 + 1 if alive else os.getpid()
    joined = {"folder": "c" * 32, "process": number}
    gone, part = leave_pending(workspace, "red", "https://bad.example/1.png", **joined)
    kept, other = leave_pending(workspace, "blue", "https://good.example/2.png", **joined)
    folder = part.parent
    in_flight = folder / f"a-{number}-7.part"
    in_flight.write_bytes(b"half")
    journal = (folder / "finished.jsonl").stat().st_ino
    with contextlib.ExitStack() as held:
        (folder / "lock").touch()
        if alive:
            held.enter_context(locked(folder / "lock"))
        assert forget(workspace, "bad.example").pending == 1
    assert not part.exists() and not gone.path.exists() and other.exists()
    assert in_flight.exists() == alive
    assert ((folder / "finished.jsonl").stat().st_ino == journal) == alive
    assert {each["sha256"] for each in Journal(folder).recover(workspace.blobs)} == {kept.sha256}


def test_results_of_workers_that_were_not_ingested_are_erased(workspace):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    gone, kept = see(workspace, "red", "http://a/1"), see(workspace, "blue", "http://a/2")
    keys = [gone.sha256, kept.sha256, f"{kept.sha256}-{gone.sha256}", f"{gone.sha256}-3"]
    shards = [workspace.root / "shards" / "pairs", workspace.variants / "p" / "shards"]
    for folder in shards:
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"key": keys}), folder / "0.parquet")
        pq.write_table(pa.table({"key": keys[:1]}), folder / "1.parquet")
    forget(workspace, gone.sha256)
    for folder in shards:
        assert pq.read_table(folder / "0.parquet")["key"].to_pylist() == [kept.sha256]
        assert not (folder / "1.parquet").exists()


def test_a_damaged_result_file_ends_in_an_error_that_names_it(workspace):
    blob = see(workspace, "red", "http://a/1")
    shard = workspace.root / "shards" / "measure" / "0.parquet"
    shard.parent.mkdir(parents=True)
    shard.write_bytes(b"PAR1 and no more")
    with pytest.raises(BodyshopError, match=r"0\.parquet can't be read"):
        forget(workspace, blob.sha256)
    with workspace.catalog.read() as connection:
        assert is_forgotten(connection, "sha256", blob.sha256)


@pytest.mark.parametrize("host", ["another-machine", platform.node()])
def test_what_a_killed_command_was_writing_does_not_stop_the_erasure(workspace, host):
    blob = see(workspace, "red", "http://a/1")
    left = workspace.features / "neighbours" / "gate" / f".tmp-{host}~999999999~ab.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"PAR1 and no more")
    assert forget(workspace, blob.sha256).pictures == 1
    assert not left.exists() and not blob.path.exists()
    assert count(workspace, schema.images) == 0


def write_rows(workspace, sha256):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    files = [
        workspace.features / "gate" / "0.parquet",
        workspace.root / "shards" / "measure" / "0.parquet",
        workspace.variants / "p" / "shards" / "0.parquet",
    ]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"key": [sha256]}), file)
    return files


def stop_after(monkeypatch, owner, name, call):
    """Interrupt after a step was done, at the given call of it."""
    step, calls = getattr(owner, name), []

    def interrupted(*args, **options):
        step(*args, **options)
        calls.append(name)
        if len(calls) == call:
            raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (module, "_write_tombstone", 1),
        (Path, "unlink", 1),
        (Path, "unlink", 3),
        (Path, "unlink", 6),
        (module, "_drop_features", 1),
        (module, "_drop_rows", 1),
        (module, "_drop_rows", 3),
        (module, "erase_pending", 1),
        (module, "_erase_rows", 1),
        (module, "_drop_features", 2),
    ],
)
@pytest.mark.parametrize("what", ["bad.example", "https://bad.example/car.png"])
def test_a_second_call_finishes_what_an_interrupted_one_left(
    workspace, monkeypatch, owner, name, call, what
):
    url = "https://bad.example/car.png"
    seen = see(workspace, "red", url)
    files = [*derived(workspace, seen), *write_rows(workspace, seen.sha256)]
    stored, _ = leave_pending(workspace, "blue", url, stored=True)
    # The full-size picture came from another host: only the candidate leads to the erased URL.
    _, part = leave_pending(workspace, "green", "https://cdn.example/1.png")
    row = {"key": "green", "url": url, "host": "bad.example", "source": "pages", "state": "queued"}
    details = {"details": {"url": url}, "updated_at": now()}
    workspace.catalog.upsert(schema.candidates, [row | details])
    with monkeypatch.context() as patched:
        stop_after(patched, owner, name, call)
        with pytest.raises(KeyboardInterrupt):
            forget(workspace, what)
    with contextlib.suppress(NothingFoundError):
        forget(workspace, what)
    left = [each for each in (seen.path, stored.path, part, *files) if each.exists()]
    assert not left
    assert Journal(workspace.root / "incoming").recover(workspace.blobs) == []
    for table in (schema.images, schema.sightings, schema.candidates):
        assert count(workspace, table) == 0


def test_results_that_a_command_beside_it_writes_meanwhile_are_erased(workspace, monkeypatch):
    blob, erase_rows, late = see(workspace, "red", "https://bad.example/1"), module._erase_rows, []

    def after_a_commit(*args):
        # What a gate and an augmentation write while the row of the picture is still there.
        late.extend([*derived(workspace, blob), *write_rows(workspace, blob.sha256)])
        erase_rows(*args)

    monkeypatch.setattr(module, "_erase_rows", after_a_commit)
    forget(workspace, "bad.example")
    assert late and not any(file.exists() for file in late)


def test_a_picture_that_is_found_elsewhere_meanwhile_is_kept(workspace, monkeypatch):
    erase_rows = module._erase_rows
    blob = see(workspace, "red", "https://bad.example/1")
    data = blob.path.read_bytes()

    def before_a_find(connection, *args):
        erase_rows(connection, *args)
        again = workspace.blobs.put_bytes(data, "png")
        register_image(connection, again, extension="png", facts={"format": "PNG"})

    monkeypatch.setattr(module, "_erase_rows", before_a_find)
    forget(workspace, "bad.example")
    assert blob.path.read_bytes() == data and count(workspace, schema.images) == 1
