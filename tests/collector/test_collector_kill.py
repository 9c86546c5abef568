"""A crawl that is killed at any moment loses no finished download and repeats none."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from picture_server import picture, sends
from sqlalchemy import func, select

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.errors import UsageError
from bodyshop_core.workspace import Workspace
from collector.candidate import Candidate
from collector.ledger.journal import Journal
from collector.ledger.record import DownloadRecord
from collector.ledger.store import CrawlLedger
from collector.net.outcome import StoredPicture

SCRIPT = """
import sys
import collector
from bodyshop_core.workspace import Workspace
from collector.candidate import Candidate
from collector.ledger.journal import Journal
from collector.ledger.record import DownloadRecord
from collector.ledger.store import CrawlLedger
from collector.net.outcome import StoredPicture
collector.collect(collector.load_brands(sys.argv[1]), Workspace.open(sys.argv[2]))
"""


def crawl(brands: Path, workspace: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SCRIPT, str(brands), str(workspace)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def kill_after(process: subprocess.Popen[bytes], done: int, server) -> bool:
    """Kill when `done` pictures were asked for; say whether it was still running."""
    while process.poll() is None and len(server.paths()) < done:
        time.sleep(0.002)
    running = process.poll() is None
    if running:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return running


def check(workspace: Workspace, server, count: int) -> None:
    with workspace.catalog.read() as connection:
        images = connection.execute(select(func.count()).select_from(schema.images)).scalar_one()
        seen = connection.execute(select(schema.sightings.c.url, schema.sightings.c.sha256)).all()
    assert images == count
    assert len(seen) == len({url for url, _ in seen}) == count
    files = [path for path in workspace.blobs.root.rglob("*") if path.is_file()]
    assert {path.stem for path in files} == {sha256 for _, sha256 in seen}
    assert list((workspace.root / "incoming").iterdir()) == []


def setup(server, brands_for, tmp_path: Path, count: int) -> Path:
    for n in range(count):
        body = picture(n)

        def slightly_late(handler, body=body):
            time.sleep(0.004)
            sends(body)(handler)

        server.answers[f"/p/{n}.jpg"] = slightly_late
    urls = [server.url(f"/p/{n}.jpg") for n in range(count)]
    brands = brands_for(urls, limits={"per_host_connections": 4})
    file = tmp_path / "brands.yaml"
    file.write_text(yaml.safe_dump(brands.model_dump(mode="json")))
    return file


def rounds(server, brands_for, tmp_path, count, kills, seed):
    file = setup(server, brands_for, tmp_path, count)
    root = tmp_path / "workspace"
    rng = random.Random(seed)
    finished: list[tuple[int, set[str]]] = []
    for _ in range(kills):
        asked = len(server.paths())
        kill_after(crawl(file, root), asked + rng.randint(1, max(2, count // kills)), server)
        in_store = {path.stem for path in (root / "blobs").rglob("*.jpg")}
        finished.append((len(server.paths()), in_store))
    summary = collector.collect(collector.load_brands(file), Workspace.open(root))
    assert summary.downloaded == count
    check(Workspace.open(root), server, count)
    digests = {f"/p/{n}.jpg": hashlib.sha256(picture(n)).hexdigest() for n in range(count)}
    paths = server.paths()
    for asked, in_store in finished:
        again = {path for path in paths[asked:] if digests[path] in in_store}
        assert again == set()  # a blob that was in the store at the kill is never asked for again
    return Counter(paths)


def test_a_crawl_killed_three_times_ends_with_the_same_set(server, brands_for, tmp_path):
    asked = rounds(server, brands_for, tmp_path, count=60, kills=3, seed=1)
    again = sum(asked.values()) - len(asked)
    assert again <= 3 * 4  # per kill at most what its four connections had in flight


def test_a_second_collect_is_refused_until_the_first_is_gone(server, brands_for, tmp_path):
    file = setup(server, brands_for, tmp_path, 6)
    go_on = threading.Event()

    def waits(handler):
        go_on.wait(60)
        sends(picture(0))(handler)

    server.answers["/p/0.jpg"] = waits
    first = crawl(file, tmp_path / "workspace")
    try:
        deadline = time.monotonic() + 60
        while "/p/0.jpg" not in server.paths():
            assert time.monotonic() < deadline and first.poll() is None
            time.sleep(0.01)
        workspace, brands = Workspace.open(tmp_path / "workspace"), collector.load_brands(file)
        with pytest.raises(UsageError, match="another 'bodyshop collect' is running") as caught:
            collector.collect(brands, workspace)
        assert "twice as often" in caught.value.hint and caught.value.exit_code == 2
        asked = Counter(server.paths())
        assert max(asked[f"/p/{n}.jpg"] for n in range(1, 6)) <= 1  # 0 hangs, and is tried again
        # A plan and another workspace are no second crawl.
        assert collector.plan(brands).as_dict()
    finally:
        first.kill()  # SIGKILL: nothing is tidied up
        first.wait()
        go_on.set()
    assert collector.collect(brands, workspace).downloaded == 6
    assert collector.collect(brands, workspace).downloaded == 6


def test_joining_a_catalog_in_a_file_is_refused_with_the_way_out(server, brands_for, workspace):
    with pytest.raises(UsageError, match="need a catalog on PostgreSQL") as caught:
        collector.collect(brands_for(server.add_pictures(1)), workspace, join=True)
    assert "bodyshop workspace copy" in caught.value.hint and caught.value.exit_code == 2
    assert server.paths() == []


@pytest.mark.slow
def test_a_crawl_of_300_killed_20_times_ends_with_the_same_set(server, brands_for, tmp_path):
    asked = rounds(server, brands_for, tmp_path, count=300, kills=20, seed=7)
    again = sum(asked.values()) - len(asked)
    assert again <= 20 * 4


def test_a_blob_that_only_the_journal_knows_is_not_fetched_again(server, brands_for, workspace):
    """Killed between the rename and the commit: the narrowest window there is."""
    urls = server.add_pictures(2)
    brands = brands_for(urls)
    collector.collect(brands, workspace)
    with workspace.catalog.begin() as connection:
        row = connection.execute(
            select(schema.sightings, schema.images.c.bytes).join(schema.images)
        ).first()
        details = connection.execute(
            select(schema.candidates.c.details).where(schema.candidates.c.url == row.url)
        ).scalar_one()
        for table in (schema.sightings, schema.labels, schema.images):
            connection.execute(table.delete().where(table.c.sha256 == row.sha256))
        connection.execute(
            schema.candidates.update()
            .where(schema.candidates.c.url == row.url)
            .values(state="queued", sha256=None)
        )
    facts = {"format": "JPEG", "width": 320, "height": 240, "mode": "RGB", "exif_orientation": 1}
    picture = StoredPicture(
        row.sha256, row.bytes, "jpg", facts, row.url, "listed", status=200, part=Path("x.part")
    )
    record = DownloadRecord(Candidate.from_dict(details), "done", picture)
    journal = Journal(workspace.root / "incoming")
    journal.promise(record.journal_line())
    before = len(server.paths())
    assert collector.collect(brands, workspace).downloaded == 2
    assert len(server.paths()) == before
    assert CrawlLedger(workspace, journal).failed_classes() == {}


def test_a_line_that_the_kill_cut_in_half_is_skipped(server, brands_for, workspace):
    incoming = workspace.root / "incoming"
    incoming.mkdir()
    (incoming / "finished.jsonl").write_text('{"key": "abc", "par')
    (incoming / "left.part").write_bytes(b"half")
    assert collector.collect(brands_for(server.add_pictures(2)), workspace).downloaded == 2
    assert list(incoming.iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_pictures_that_only_a_browser_gets_are_not_lost_by_a_kill(server, brands_for, tmp_path):
    """Their bytes were in the browser; the next run shows the page again and takes them there."""
    count = 12

    def only_browsers(body: bytes):
        def answer(handler):
            allowed = "Chrome" in handler.headers["User-Agent"]
            (sends(body) if allowed else sends(b"no", "text/plain", status=403))(handler)

        return answer

    for n in range(count):
        server.answers[f"/p/{n}.jpg"] = only_browsers(picture(n))
    html = "".join(f"<p><img src=/p/{n}.jpg width=300></p>" for n in range(count))
    pages = [server.add("/a", html.encode(), "text/html")]
    # The gap between pictures leaves time for the kill when the page is done.
    brands = brands_for(pages=pages, limits={"per_host_interval": 0.5})
    file = tmp_path / "brands.yaml"
    file.write_text(yaml.safe_dump(brands.model_dump(mode="json")))
    root = tmp_path / "workspace"
    process = crawl(file, root)
    while process.poll() is None and len(list((root / "blobs").rglob("*.jpg"))) < 3:
        time.sleep(0.02)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    brands = brands_for(pages=pages)
    summary = collector.collect(brands, Workspace.open(root))
    assert (summary.downloaded, summary.failed) == (count, 0)
    check(Workspace.open(root), server, count)
    assert [each.path for each in server.asked].count("/a") == 2
