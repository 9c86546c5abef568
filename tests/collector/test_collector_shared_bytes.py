"""Stored bytes that several collectors share, on a real PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from bodyshop_core.catalog import schema
from bodyshop_core.storage.local_blobs import LocalBlobs
from bodyshop_core.workspace import Workspace
from collector.candidate import Candidate, Task, UrlCandidate
from collector.crawl.joining import joined
from collector.ledger.journal import Journal
from collector.ledger.record import DownloadRecord
from collector.ledger.store import CrawlLedger
from collector.net.outcome import StoredPicture

pytestmark = pytest.mark.slow

TASK = Task("pages", "http://a.example/page", "Norden", "Fjell")
COUNT = 6


@contextmanager
def at_work(folder: Path) -> Iterator[tuple[Workspace, CrawlLedger, list[DownloadRecord]]]:
    """Give a collector that has downloaded some pictures, after something was erased."""
    workspace = Workspace.open(folder)
    erased = {"kind": "url", "value": "http://a.example/erased.jpg", "at": "2026-01-01"}
    with workspace.catalog.begin() as connection:
        connection.execute(insert(schema.tombstones), [erased])
    with joined(workspace, print) as shift:
        leases = shift.begin(
            [TASK], scope={("Norden", "Fjell")}, per_model=100, needs_browser=lambda _: False
        )
        ledger = CrawlLedger(workspace, Journal(shift.folder), leases=leases)
        urls = [f"http://a.example/{n}.jpg" for n in range(COUNT)]
        found = [
            Candidate((UrlCandidate("img", url),), "pages", TASK.url, "Norden", "Fjell")
            for url in urls
        ]
        new = ledger.enter(TASK, found)
        assert len(new) == COUNT
        yield workspace, ledger, [DownloadRecord.of(each, stored(workspace, each)) for each in new]


def stored(workspace: Workspace, candidate: Candidate) -> StoredPicture:
    blob = workspace.blobs.put_bytes(candidate.url.encode(), "jpg")
    facts = {"format": "JPEG", "width": 100, "height": 100}
    return StoredPicture(
        blob.sha256, blob.size, "jpg", facts, candidate.url, "img", asked=candidate.url, status=200
    )


def test_a_store_is_asked_while_others_write(shared, monkeypatch):
    """Else 400 pictures at 40 ms each were 16 s of silence with the writer's lock."""
    other, asked, has, remove = Workspace.open(shared), [], LocalBlobs.has, LocalBlobs.remove

    def asks(self, sha256, *more):
        with other.catalog.begin():  # waits for the one writer, for 30 s at most
            asked.append(sha256)
        return has(self, sha256, *more)

    def removes(self, sha256s):
        with other.catalog.begin():
            remove(self, sha256s)

    with at_work(shared) as (workspace, ledger, records):
        monkeypatch.setattr(LocalBlobs, "has", asks)
        monkeypatch.setattr(LocalBlobs, "remove", removes)
        erased = records[0].candidate
        records[0] = DownloadRecord.of(
            erased, replace(records[0].picture, url="http://a.example/erased.jpg")
        )
        states = ledger.settle(records)
    assert len(asked) == COUNT
    assert states.pop(erased.key) == "refused"
    assert set(states.values()) == {"done"}
    with workspace.catalog.read() as connection:
        images = set(connection.scalars(select(schema.images.c.sha256)))
    assert {path.stem for path in workspace.blobs.root.rglob("*.jpg")} == images


def test_no_bytes_are_removed_between_the_look_for_them_and_the_commit(shared, monkeypatch):
    other, has, threads, early = Workspace.open(shared), LocalBlobs.has, [], []

    def remove() -> None:
        with other.catalog.removing() as connection:
            seen = connection.execute(select(schema.images.c.sha256)).all()
            early.append(len(seen) < COUNT)

    def asks(self, *what):
        if not threads:
            threads.append(threading.Thread(target=remove))
            threads[0].start()
        time.sleep(0.1)
        return has(self, *what)

    with at_work(shared) as (_, ledger, records):
        monkeypatch.setattr(LocalBlobs, "has", asks)
        ledger.settle(records)
    threads[0].join()
    assert early == [False]


def test_a_picture_whose_bytes_another_removed_is_downloaded_again(shared):
    with at_work(shared) as (workspace, ledger, records):
        lost = records[2]
        workspace.blobs.remove([lost.picture.sha256])
        states = ledger.settle(records)
    assert states.pop(lost.candidate.key) == "queued"
    assert set(states.values()) == {"done"}
