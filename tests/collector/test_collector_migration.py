"""The ledger of an older version is continued."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from picture_server import picture, sends
from sqlalchemy import select, update

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.workspace import Workspace
from collector.candidate import UrlCandidate
from collector.crawl.collect import planned_tasks
from collector.ledger.journal import Journal
from collector.ledger.leases import Leases
from collector.ledger.membership import Membership
from collector.ledger.record import DownloadRecord
from collector.ledger.store import CrawlLedger
from collector.net.outcome import Failure, StoredPicture
from collector.sources.registry import sources_for

OLD_CATALOG = Path(__file__).parents[1] / "bodyshop_core" / "catalog_v1.sql"


@pytest.fixture
def old_workspace(tmp_path):
    """A workspace of catalog version 1 with a queued candidate and one of a disabled host."""
    (tmp_path / "w").mkdir()
    catalog = sqlite3.connect(tmp_path / "w" / "bodyshop.sqlite")
    catalog.executescript(OLD_CATALOG.read_text("utf-8"))
    names = [column[1] for column in catalog.execute("PRAGMA table_info(candidates)")]
    row = dict(zip(names, catalog.execute("SELECT * FROM candidates").fetchone(), strict=True))
    details = json.loads(row["details"])
    details["ladder"].append({"name": "src", "url": "https://cars.example/쏘나타.jpg"})
    row |= {
        "key": "c2", "state": "failed", "error_class": "host_left_alone",
        "details": json.dumps(details),
    }  # fmt: skip
    marks = ", ".join("?" for _ in names)
    catalog.execute(f"INSERT INTO candidates VALUES ({marks})", list(row.values()))
    catalog.commit()
    catalog.close()
    return Workspace.open(tmp_path / "w")


def test_the_candidates_of_an_older_catalog_are_read_with_all_their_addresses(old_workspace):
    first, second = CrawlLedger(old_workspace, Journal(old_workspace.root / "incoming")).queued()
    own = UrlCandidate("src", "https://cars.example/2.jpg")
    assert first.url_candidates == (own,)
    assert second.url_candidates == (own, UrlCandidate("src", "https://cars.example/쏘나타.jpg"))
    assert (second.brand, second.model, second.page_url) == (
        "Hyundai", "Sonata", "https://cars.example/",
    )  # fmt: skip


def test_the_error_class_of_an_older_catalog_gets_its_present_name(old_workspace):
    with old_workspace.catalog.read() as connection:
        classes = connection.execute(
            select(schema.candidates.c.error_class).order_by(schema.candidates.c.key)
        ).scalars()
        assert list(classes) == [None, "host_disabled"]


OLD_KEY = "0123456789abcdef0123456789abcdef"


def leave_old_key(workspace, task, thumbnail, larger):
    """Leave a queued candidate whose key this version would compute differently."""
    ledger = CrawlLedger(workspace, Journal(workspace.root / "incoming"))
    ledger.open_tasks([task])
    both = UrlCandidate("src", thumbnail), UrlCandidate("parent_link", larger, unproven=True)
    ledger.enter(task, [task.candidate(both)])
    ledger.close_task(task, "done", found=1)
    with workspace.catalog.begin() as connection:
        connection.execute(update(schema.candidates).values(key=OLD_KEY))
    return ledger


def rows(workspace):
    c = schema.candidates.c
    with workspace.catalog.read() as connection:
        return connection.execute(select(c.key, c.state, c.error_class)).tuples().all()


def test_the_picture_of_a_candidate_with_an_older_key_is_downloaded_once(
    server, brands_for, workspace
):
    thumbnail, larger = server.add_pictures(2)
    server.answers["/p/0.jpg"] = sends(picture(1, (300, 200)))
    server.answers["/p/1.jpg"] = sends(picture(1, (900, 600)))
    brands = brands_for([thumbnail])
    (task,) = planned_tasks(brands, sources_for(brands))
    leave_old_key(workspace, task, thumbnail, larger)
    assert collector.collect(brands, workspace).downloaded == 1
    assert rows(workspace) == [(OLD_KEY, "done", None)]
    asked = len(server.paths())
    assert collector.collect(brands, workspace).downloaded == 1
    assert len(server.paths()) == asked


def test_what_a_killed_run_finished_for_a_candidate_with_an_older_key_is_kept(
    brands_for, workspace
):
    brands = brands_for(["https://cars.example/1.jpg"])
    (task,) = planned_tasks(brands, sources_for(brands))
    urls = "https://cars.example/1.jpg", "https://cars.example/large.jpg"
    ledger = leave_old_key(workspace, task, *urls)
    (candidate,) = ledger.queued()
    blob = workspace.blobs.put_bytes(picture(1), "jpg")
    facts = {"format": "JPEG", "width": 320, "height": 240}
    stored = StoredPicture(
        blob.sha256, len(picture(1)), "jpg", facts, urls[0], "src",
        part=workspace.root / "incoming" / "x.part", status=200,
    )  # fmt: skip
    journal = Journal(workspace.root / "incoming")
    journal.promise(DownloadRecord(candidate, "done", stored).journal_line())
    assert ledger.ingest(Journal(journal.folder).recover(workspace.blobs)) == 1
    assert rows(workspace) == [(OLD_KEY, "done", None)]


@pytest.mark.slow
def test_one_of_several_collectors_settles_a_candidate_with_an_older_key(brands_for, shared):
    workspace = Workspace.open(shared)
    brands = brands_for(["https://cars.example/1.jpg"])
    (task,) = planned_tasks(brands, sources_for(brands))
    leave_old_key(workspace, task, "https://cars.example/1.jpg", "https://cars.example/large.jpg")
    member = Membership()
    leases = Leases(member, {(task.brand, task.model)}, 10, lambda _task: False)
    ledger = CrawlLedger(workspace, Journal(workspace.root / "incoming"), leases=leases)
    with workspace.catalog.begin() as connection:
        member.register(connection, machine="here", blobs="there")
        work = leases.take(connection, room=10, pending=[], free={})
    records = [DownloadRecord.of(each, Failure("timeout", "late")) for each in work.candidates]
    assert ledger.settle(records) == {OLD_KEY: "failed"}
    with workspace.catalog.begin() as connection:
        assert not leases.take(connection, room=10, pending=[], free={}).candidates
    assert leases.candidates == set()
    assert rows(workspace) == [(OLD_KEY, "failed", "timeout")]
