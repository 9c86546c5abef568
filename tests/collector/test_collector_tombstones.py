"""What was erased while a download was under way does not enter the catalog."""

from __future__ import annotations

import hashlib
import json

import pytest
from picture_server import picture, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import now, schema
from bodyshop_core.imaging import read_header
from collector.candidate import Candidate, Task, UrlCandidate
from collector.ledger.journal import Journal
from collector.ledger.record import DownloadRecord
from collector.ledger.store import CrawlLedger
from collector.net.outcome import StoredPicture

DATA = picture(3)
SHA = hashlib.sha256(DATA).hexdigest()
PAGE = "https://shop.example/cars"
FINAL = "https://cdn.example/1.jpg"


def bury(workspace, kind, value):
    workspace.catalog.upsert(schema.tombstones, [{"kind": kind, "value": value, "at": now()}])


def images(workspace):
    with workspace.catalog.read() as connection:
        return list(connection.execute(select(schema.images.c.sha256)).scalars())


def outcomes(workspace):
    table = schema.candidates.c
    with workspace.catalog.read() as connection:
        return [tuple(row) for row in connection.execute(select(table.state, table.error_class))]


def blobs(workspace):
    return [path for path in workspace.blobs.root.rglob("*") if path.is_file()]


def download(workspace, journal, url, *, moved=True):
    """Do what a worker does that downloads DATA; return the record that is not settled yet."""
    task = Task("pages", PAGE, "Norden", "Fjell")
    candidate = task.candidate((UrlCandidate("src", url),))
    ledger = CrawlLedger(workspace, journal)
    ledger.open_tasks([task])
    ledger.enter(task, [candidate])
    part = journal.folder / "x.part"
    part.write_bytes(DATA)
    stored = StoredPicture(
        SHA, len(DATA), "jpg", read_header(DATA), FINAL, "src", part=part, status=200
    )
    record = DownloadRecord(candidate, "done", stored)
    journal.promise(record.journal_line())
    if moved:
        workspace.blobs.adopt(part, SHA, "jpg")
    return record


def leave_pending(workspace, url, *, moved):
    """Leave what a crawl leaves that is killed between a download and its transaction."""
    return download(workspace, Journal(workspace.root / "incoming"), url, moved=moved)


@pytest.mark.parametrize("moved", [False, True], ids=["part", "blob"])
@pytest.mark.parametrize(
    ("kind", "named"),
    [("sha256", "picture"), ("url", "picture"), ("url", "page"), ("url", "final address"),
     ("host", "picture"), ("host", "page"), ("host", "final address")],
)  # fmt: skip
def test_a_download_erased_after_the_crawl_was_killed_is_not_brought_in(
    server, brands_for, workspace, kind, named, moved
):
    url = "https://bad.example/1.jpg"
    leave_pending(workspace, url, moved=moved)
    address = {"picture": url, "page": PAGE, "final address": FINAL}[named]
    host = address.split("/")[2]
    bury(workspace, kind, {"sha256": SHA, "url": address, "host": host}[kind])
    collector.collect(brands_for(server.add_pictures(1)), workspace)
    assert images(workspace) == [hashlib.sha256(picture(0)).hexdigest()]
    assert [path.stem for path in blobs(workspace)] == images(workspace)
    assert sorted(outcomes(workspace)) == [("done", None), ("refused", "forgotten")]
    assert list((workspace.root / "incoming").iterdir()) == []


@pytest.mark.parametrize("moved", [False, True], ids=["part", "blob"])
def test_a_download_whose_candidate_was_erased_leaves_no_bytes(
    server, brands_for, workspace, moved
):
    leave_pending(workspace, "https://bad.example/1.jpg", moved=moved)
    with workspace.catalog.begin() as connection:
        connection.execute(schema.candidates.delete())
    collector.collect(brands_for(server.add_pictures(1)), workspace)
    assert SHA not in images(workspace)
    assert [path.stem for path in blobs(workspace)] == images(workspace)


def test_a_line_that_is_dropped_leaves_the_bytes_of_another_line(server, brands_for, workspace):
    journal = Journal(workspace.root / "incoming")
    record = download(workspace, journal, "https://good.example/1.jpg")
    journal.promise(record.journal_line() | {"key": "a candidate that was erased"})
    collector.collect(brands_for(server.add_pictures(1)), workspace)
    assert SHA in images(workspace)
    assert sorted(path.stem for path in blobs(workspace)) == sorted(images(workspace))


def test_a_pending_download_that_was_not_erased_is_brought_in(server, brands_for, workspace):
    leave_pending(workspace, "https://good.example/1.jpg", moved=False)
    bury(workspace, "host", "bad.example")
    collector.collect(brands_for(server.add_pictures(1)), workspace)
    assert SHA in images(workspace)
    assert sorted(path.stem for path in blobs(workspace)) == sorted(images(workspace))


@pytest.mark.parametrize("kind", ["sha256", "url", "host"])
def test_what_is_erased_while_the_crawl_runs_is_not_kept(server, brands_for, workspace, kind):
    (url,) = server.add_pictures(1)
    data = picture(0)
    value = {"sha256": hashlib.sha256(data).hexdigest(), "url": url, "host": server.host}[kind]

    def erase_then_send(handler):
        bury(workspace, kind, value)
        sends(data)(handler)

    server.answers["/p/0.jpg"] = erase_then_send
    collector.collect(brands_for([url]), workspace)
    assert server.paths() == ["/p/0.jpg"]
    assert (images(workspace), blobs(workspace)) == ([], [])
    assert outcomes(workspace) == [("refused", "forgotten")]


def test_an_erased_address_does_not_remove_the_same_picture_of_another(
    server, brands_for, workspace
):
    data = picture(0)
    kept = server.add("/p/kept.jpg", data)
    collector.collect(brands_for([kept]), workspace)
    gone = server.add("/p/gone.jpg", data)

    def erase_then_send(handler):
        bury(workspace, "url", gone)
        sends(data)(handler)

    server.answers["/p/gone.jpg"] = erase_then_send
    collector.collect(brands_for([kept, gone]), workspace)
    assert [path.stem for path in blobs(workspace)] == images(workspace) != []


@pytest.mark.parametrize("also", [False, True], ids=["one erased", "both erased"])
def test_an_erased_download_does_not_remove_the_bytes_that_another_has_just_stored(workspace, also):
    journal = Journal(workspace.root / "incoming")
    gone = download(workspace, journal, "https://bad.example/1.jpg")
    kept = download(workspace, journal, "https://good.example/1.jpg")
    for host in ["bad.example", *["good.example"] * also]:
        bury(workspace, "host", host)
    ledger = CrawlLedger(workspace, journal)
    for record in (gone, kept):  # each in a transaction of its own, as they arrive
        ledger.settle([record])
        journal.settled([SHA])
    assert images(workspace) == ([] if also else [SHA])
    assert [path.stem for path in blobs(workspace)] == images(workspace)


def test_an_erased_picture_is_not_imported(workspace, tmp_path):
    folder = tmp_path / "photos" / "damaged"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(DATA)
    (folder / "2.jpg").write_bytes(picture(4))
    bury(workspace, "sha256", SHA)
    summary = collector.import_folder(tmp_path / "photos", workspace)
    assert (summary.pictures, summary.forgotten) == (1, 1)
    assert [path.stem for path in blobs(workspace)] == images(workspace)


def test_a_line_of_another_version_is_dropped_and_its_picture_downloaded_again(
    server, brands_for, workspace
):
    brands = brands_for(server.add_pictures(1))
    incoming = workspace.root / "incoming"
    incoming.mkdir()
    (incoming / "x.part").write_bytes(picture(0))
    digest = hashlib.sha256(picture(0)).hexdigest()
    candidate = Candidate(
        (UrlCandidate("listed", server.url("/p/0.jpg")),), "urls", "", "Norden", "Fjell", "whole",
    )  # fmt: skip
    old = {"key": candidate.key, "part": "x.part", "sha256": digest, "size": len(picture(0)),
           "extension": "jpg", "rung": "listed"}  # fmt: skip
    (incoming / "finished.jsonl").write_text(json.dumps(old) + "\n")
    assert collector.collect(brands, workspace).downloaded == 1
    assert server.paths() == ["/p/0.jpg"]
    assert [path.stem for path in blobs(workspace)] == [digest]
