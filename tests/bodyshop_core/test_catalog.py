from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from bodyshop.forget import forget
from bodyshop_core.catalog import (
    Catalog,
    CatalogError,
    Reason,
    add_labels,
    effective_labels,
    migrations,
    register_image,
    schema,
)
from bodyshop_core.catalog.split_sets import choose_split_set, newest_split_set, next_revision
from bodyshop_core.errors import (
    ErasedPictureError,
    NothingFoundError,
    TransientError,
    UsageError,
)
from bodyshop_core.workspace import Workspace


def put(workspace, data=b"\xff\xd8\xff", **facts):
    blob = workspace.blobs.put_bytes(data, "jpg")
    with workspace.catalog.begin() as connection:
        new = register_image(connection, blob, extension="jpg", facts=facts)
    return blob, new


def measurement(sha256):
    return {"sha256": sha256, "version": "1", "error": None}


def test_results_about_a_picture_erased_meanwhile_are_left_out_and_the_others_written(workspace):
    gone, kept = put(workspace)[0].sha256, put(workspace, b"\xff\xd8\xff\xe0")[0].sha256
    forget(workspace, gone)
    rows = [measurement(gone), measurement(kept)]
    assert workspace.catalog.upsert(schema.measurements, rows) == 1
    assert workspace.catalog.upsert(schema.measurements, rows[:1]) == 0
    with workspace.catalog.read() as connection:
        assert connection.scalars(select(schema.measurements.c.sha256)).all() == [kept]
        assert connection.scalars(select(schema.images.c.sha256)).all() == [kept]


def test_results_about_a_picture_that_was_never_there_are_an_error(workspace):
    with pytest.raises(IntegrityError):
        workspace.catalog.upsert(schema.measurements, [measurement("0" * 64)])


def test_an_erased_picture_can_not_be_registered_again(workspace):
    blob, _ = put(workspace)
    forget(workspace, blob.sha256)
    with pytest.raises(ErasedPictureError, match="erased on request"):
        put(workspace)
    with workspace.catalog.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.images)) == 0


def test_same_bytes_twice_are_one_picture(workspace):
    first, new = put(workspace)
    second, again = put(workspace)
    assert (new, again) == (True, False)
    assert first.path == second.path and (first.new, second.new) == (True, False)
    assert workspace.image_path(first.sha256).read_bytes() == b"\xff\xd8\xff"


def test_a_damaged_blob_of_the_same_size_is_replaced_by_the_whole_one(workspace, tmp_path):
    blob, _ = put(workspace, b"whole picture")
    for store in ("put", "adopt"):
        blob.path.write_bytes(b"other picture")
        if store == "put":
            again = workspace.blobs.put_bytes(b"whole picture", "jpg")
        else:
            (tmp_path / "part").write_bytes(b"whole picture")
            again = workspace.blobs.adopt(tmp_path / "part", blob.sha256, "jpg")
        assert again.new and blob.path.read_bytes() == b"whole picture"
    assert not workspace.blobs.put_bytes(b"whole picture", "jpg").new


def test_half_written_blob_is_replaced_by_the_whole_one(workspace):
    blob, _ = put(workspace, b"whole picture")
    blob.path.write_bytes(b"whole")
    assert workspace.blobs.put_bytes(b"whole picture", "jpg").new
    assert blob.path.read_bytes() == b"whole picture"


def test_finished_download_is_adopted_and_a_second_one_is_dropped(workspace, tmp_path):
    for new in (True, False):
        part = tmp_path / "x.part"
        part.write_bytes(b"abc")
        blob = workspace.blobs.adopt(part, hashlib.sha256(b"abc").hexdigest(), "png")
        assert blob.new is new and not part.exists() and blob.path.read_bytes() == b"abc"


def test_human_label_wins_over_annotation_import_and_query(workspace):
    blob, _ = put(workspace)
    for origin, value in [
        ("query", "whole"),
        ("import", "whole"),
        ("annotation", "damaged"),
        ("human", "whole"),
    ]:
        add_labels(workspace.catalog, [(blob.sha256, "damage", value, origin, "")])
        label = effective_labels(workspace.catalog, "damage")[blob.sha256]
        assert (label.value, label.origin) == (value, origin)


def test_equal_rank_disagreement_is_a_conflict_and_says_what_was_said(workspace):
    blob, _ = put(workspace)
    add_labels(workspace.catalog, [(blob.sha256, "damage", v, "query", "") for v in "ba"])
    label = effective_labels(workspace.catalog, "damage")[blob.sha256]
    assert label.value is None and label.conflict == ("a", "b")


def test_hangul_labels_are_one_value_however_they_were_typed(workspace):
    blob, _ = put(workspace)
    composed, decomposed = "파손", "파손"
    add_labels(workspace.catalog, [(blob.sha256, "damage", composed, "query", "")])
    add_labels(workspace.catalog, [(blob.sha256, "damage", decomposed, "query", "")])
    assert effective_labels(workspace.catalog, "damage")[blob.sha256].value == composed


def test_transaction_that_raises_leaves_nothing(workspace):
    with pytest.raises(RuntimeError), workspace.catalog.begin() as connection:
        workspace.catalog.upsert(
            schema.tombstones,
            [{"kind": "url", "value": "x", "at": "now"}],
            connection=connection,
        )
        raise RuntimeError
    with workspace.catalog.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.tombstones)) == 0


def test_catalog_of_another_version_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "bodyshop.sqlite"
    Catalog(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(CatalogError, match="version 99"):
        Catalog(path)


def test_catalog_of_an_older_version_keeps_its_rows_and_gets_todays_columns(tmp_path):
    path = tmp_path / "bodyshop.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as old:
        # Written by the bodyshop that still had version 1.
        old.executescript((Path(__file__).parent / "catalog_v1.sql").read_text("utf-8"))
    catalog = Catalog(path)
    with catalog.read() as connection:
        seen = connection.execute(select(schema.sightings)).one()
        image = connection.execute(select(schema.images)).one()
        assert connection.scalar(text("PRAGMA user_version")) == schema.SCHEMA_VERSION
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    assert (seen.url, seen.alt) == ("https://cars.example/1.jpg", "현대 쏘나타")
    assert (seen.permission, seen.status, seen.selector, seen.last_modified) == (
        {"robots": "allowed"}, 200, None, None,
    )  # fmt: skip
    assert (image.width, image.artist, image.copyright) == (640, None, None)
    catalog.upsert(schema.sightings, [dict(seen._mapping) | {"key": "k2", "selector": "#a > img"}])
    assert columns_of(path) == columns_of(Catalog(tmp_path / "new" / "bodyshop.sqlite").path)


def columns_of(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        return {
            table: {tuple(row[1:4]) for row in database.execute(f"PRAGMA table_info({table})")}
            for table in schema.metadata.tables
        }


def test_migration_that_breaks_off_leaves_the_old_catalog(tmp_path, monkeypatch):
    path = tmp_path / "bodyshop.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript((Path(__file__).parent / "catalog_v1.sql").read_text("utf-8"))
    before = columns_of(path)
    steps = dict(migrations._STEPS)
    monkeypatch.setitem(migrations._STEPS, 1, (*steps[1], "ALTER TABLE nothing ADD COLUMN x"))
    with pytest.raises(CatalogError):
        Catalog(path)
    assert columns_of(path) == before
    monkeypatch.undo()
    assert columns_of(Catalog(path).path) != before


def test_file_that_is_no_catalog_is_refused(tmp_path):
    path = tmp_path / "bodyshop.sqlite"
    path.write_bytes(b"not a database at all, " * 100)
    with pytest.raises(CatalogError, match="not a bodyshop catalog"):
        Catalog(path)


def test_locked_catalog_says_who_to_wait_for(tmp_path, monkeypatch):
    monkeypatch.setattr("bodyshop_core.catalog.dialect.LOCK_WAIT_S", 0.2)
    catalog = Catalog(tmp_path / "bodyshop.sqlite")
    other = sqlite3.connect(catalog.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(CatalogError, match="in use by another bodyshop command"):
        catalog.upsert(schema.tombstones, [{"kind": "url", "value": "x", "at": "now"}])
    other.close()


def test_status_on_a_folder_that_is_no_workspace_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="not a workspace yet"):
        Workspace.open(tmp_path / "nowhere", create=False)


def test_run_record_notes_state_counts_and_duration(workspace):
    with workspace.record_run("curate", {"gate": "vgg16"}) as run:
        run.counts["kept"] = 3
    with pytest.raises(KeyboardInterrupt), workspace.record_run("collect", {}):
        raise KeyboardInterrupt
    with workspace.catalog.read() as connection:
        rows = {row.command: row for row in connection.execute(select(schema.runs))}
    assert rows["curate"].state == "done" and rows["curate"].counts == {"kept": 3}
    assert rows["collect"].state == "interrupted"


def test_a_run_that_goes_on_keeps_its_row_and_its_start(workspace):
    with pytest.raises(KeyboardInterrupt), workspace.record_run("train", {"seed": 7}) as run:
        raise KeyboardInterrupt
    with workspace.catalog.read() as connection:
        before = connection.execute(select(schema.runs)).one()
    with workspace.record_run("train", {"seed": 8}, run=run.id) as again:
        assert again.folder == run.folder
        with workspace.catalog.read() as connection:
            assert connection.execute(select(schema.runs)).one().state == "running"
        again.counts["n"] = 5
    with workspace.catalog.read() as connection:
        after = connection.execute(select(schema.runs)).one()
    assert (before.state, after.state, after.counts) == ("interrupted", "done", {"n": 5})
    assert (after.started_at, after.arguments) == (before.started_at, {"seed": 7})


def test_reasons_are_the_published_list():
    assert [reason.value for reason in Reason] == [
        "unreadable",
        "worker_died",
        "damaged_data",
        "too_small",
        "not_a_car",
        "blurry",
        "bad_exposure",
        "exact_duplicate",
        "near_duplicate",
        "label_conflict",
        "split_bridge",
        "over_quota",
        "superseded",
        "human_reject",
    ]


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.3])
def test_writer_killed_in_mid_transaction_leaves_whole_transactions(tmp_path, delay):
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from bodyshop_core.catalog import Catalog, schema
        catalog = Catalog(Path(sys.argv[1]))
        print("ready", flush=True)
        for turn in range(100_000):
            catalog.upsert(schema.tombstones, [
                {"kind": "url", "value": f"{turn}-{part}", "at": "now"} for part in range(10)])
        """
    )
    path = tmp_path / "bodyshop.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    time.sleep(delay)
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    with Catalog(path).read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.tombstones)) % 10 == 0


def test_rows_with_different_columns_are_refused_and_nothing_is_written(tmp_path):
    catalog = Catalog(tmp_path / "bodyshop.sqlite")
    row = {"name": "a", "target": "damage", "seed": 1, "ratios": {}, "options": {},
           "created_at": "t"}  # fmt: skip
    with pytest.raises(ValueError, match="split_sets with different columns: leakage_check"):
        catalog.upsert(
            schema.split_sets, [row, row | {"name": "b", "leakage_check": {"leaks": []}}]
        )
    with catalog.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.split_sets)) == 0


def split_set(name, revision, target="damage"):
    return {"name": name, "target": target, "seed": 1, "ratios": {}, "options": {},
            "created_at": "2026-01-01T00:00:00+00:00", "revision": revision}  # fmt: skip


def test_the_newest_split_set_is_the_one_brought_up_to_date_last(tmp_path):
    catalog = Catalog(tmp_path / "bodyshop.sqlite")
    assert newest_split_set(catalog) is None
    with pytest.raises(NothingFoundError, match="no split set yet"):
        choose_split_set(catalog)
    with catalog.begin() as connection:
        rows = [split_set("b", 3), split_set("a", 1), split_set("c", 2, "brand")]
        catalog.upsert(schema.split_sets, rows, connection=connection)
        assert next_revision(connection) == 4
    assert choose_split_set(catalog).name == "b"
    assert choose_split_set(catalog, target="brand").name == "c"
    assert choose_split_set(catalog, "a").name == "a"
    with pytest.raises(UsageError, match="no split set 'd'"):
        choose_split_set(catalog, "d")
    with pytest.raises(UsageError, match="about damage, not brand"):
        choose_split_set(catalog, "a", "brand")
    with pytest.raises(NothingFoundError, match="no split set for model"):
        choose_split_set(catalog, target="model")


@pytest.mark.sqlite("its write-ahead log")
def test_a_held_catalog_lets_others_write_and_its_log_be_emptied(workspace):
    path = workspace.catalog.path
    log = path.with_name(f"{path.name}-wal")
    with workspace.catalog.held():
        for number in range(3):
            put(workspace, b"picture %d" % number)
            assert log.exists()  # it would be gone, had that been the last connection
        with contextlib.closing(sqlite3.connect(path)) as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert (busy, log.stat().st_size) == (0, 0)
    assert not log.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the errors are Linux's")
def test_a_blob_that_the_disk_cant_read_is_written_again_and_one_that_is_away_is_left(workspace):
    path = workspace.blobs.path(hashlib.sha256(b"").hexdigest(), "jpg")
    path.parent.mkdir(parents=True)
    path.symlink_to("/proc/self/mem")  # whose first byte is EIO
    assert workspace.blobs.put_bytes(b"", "jpg").new
    assert not path.is_symlink() and path.read_bytes() == b""
    path.unlink()
    path.symlink_to(path)  # too many levels of links: neither there nor lost
    with pytest.raises(TransientError, match="can't be checked"):
        workspace.blobs.put_bytes(b"", "jpg")


def test_nul_becomes_a_space_in_texts_inside_json_and_a_backslash_stays(workspace):
    arguments = {"a\0b": ["c\0", {"d": "\\u0000", "e": [1, None, "\0"]}]}
    row = {"id": "x", "command": "x", "versions": {}, "state": "done", "started_at": "t"}
    workspace.catalog.upsert(schema.runs, [row | {"arguments": arguments}])
    with workspace.catalog.read() as connection:
        (found,) = connection.scalars(select(schema.runs.c.arguments)).all()
    assert found == {"a b": ["c ", {"d": "\\u0000", "e": [1, None, " "]}]}
