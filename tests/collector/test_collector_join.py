"""Several collectors, as processes, on one ledger in a real PostgreSQL."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest
from joining_processes import (
    IN_FLIGHT,
    alone,
    asked,
    brands_file,
    check_nothing_is_left,
    collectors,
    final_state,
    listed,
    slowly,
    summary_of,
    wait_until,
)
from picture_server import PictureServer, picture, sends
from sqlalchemy import select, text

import collector
from bodyshop_core.catalog import CatalogError, schema
from bodyshop_core.errors import UsageError
from bodyshop_core.workspace import Workspace
from collector.brands import Brands
from collector.crawl import joining
from collector.crawl.joining import joined
from collector.ledger import membership
from collector.net.politeness import BREAKER_BLOCKS

pytestmark = pytest.mark.slow


@pytest.fixture
def hosts() -> Iterator[list[PictureServer]]:
    """Four hosts."""
    running = [PictureServer() for _ in range(4)]
    yield running
    for each in running:
        each.close()


def test_two_collectors_keep_one_gap_per_host_and_fetch_nothing_twice(hosts, shared, tmp_path):
    gap = 0.4
    urls = slowly(hosts, 12)
    hosts[0].add("/robots.txt", b"User-agent: *\nDisallow: /p/3.jpg\n", "text/plain")
    hosts[1].add("/robots.txt", b"User-agent: *\nCrawl-delay: 0.8\n", "text/plain")
    models = [listed(urls[0::2], "Fjell"), listed(urls[1::2], "Dal"), listed(urls[:6], "Vik")]
    brands = brands_file(tmp_path, models, per_host_interval=gap)
    with collectors(brands, shared, shared) as running:
        first, second = map(summary_of, running)
    assert set(asked(hosts).values()) == {1}
    assert hosts[0].url("/p/3.jpg") not in asked(hosts)
    for number, server in enumerate(hosts):
        times = sorted(each.at for each in server.asked)
        # 30 %: what a busy machine needs between the grant and the request's arrival.
        least = min(b - a for a, b in pairwise(times))
        assert least > 0.7 * gap, f"host {number}"
        rate = (times[-1] - times[0]) / (len(times) - 1)
        assert rate > (0.75 if number == 1 else gap * 0.99)
    assert first["new"] > 0 and second["new"] > 0
    assert first["new"] + second["new"] == first["downloaded"] == second["downloaded"]
    assert {**first, "new": 0, "seconds": 0} == {**second, "new": 0, "seconds": 0}
    state = final_state(Workspace.open(shared))
    assert state == alone(brands_file(tmp_path, models), tmp_path / "alone")
    check_nothing_is_left(shared)


def test_a_killed_collector_loses_nothing_and_what_it_finished_is_not_fetched_again(
    hosts, shared, tmp_path
):
    urls = slowly(hosts, 40)
    brands = brands_file(tmp_path, [listed(urls[0::2]), listed(urls[1::2], "Dal")])
    with collectors(brands, shared, shared) as (killed, survivor):
        wait_until(hosts, 40, killed, survivor)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        stored = {path.stem for path in (shared / "blobs").rglob("*.jpg")}
        before = asked(hosts)
        summary = summary_of(survivor)
    assert summary["downloaded"] == 160 and summary["waiting"] == 0
    again = {url for url, count in asked(hosts).items() if count > 1}
    assert len(again) <= IN_FLIGHT * len(hosts)
    with Workspace.open(shared).catalog.read() as connection:
        rows = connection.execute(select(schema.sightings.c.url, schema.sightings.c.sha256))
        sha256_of = dict(rows.tuples().all())
    later = asked(hosts) - before
    assert not {url for url in later if sha256_of[url] in stored}
    assert final_state(Workspace.open(shared)) == alone(brands, tmp_path / "alone")
    check_nothing_is_left(shared)


def test_the_leases_of_a_collector_whose_machine_is_gone_run_out(hosts, shared, tmp_path):
    """Its folder is out of reach, and its heartbeat stopped: only time frees its work."""
    urls = slowly(hosts, 40, 0.1)
    brands = brands_file(tmp_path, [listed(urls)])
    with collectors(brands, shared) as (stopped,):
        wait_until(hosts, 12, stopped)  # of two it could be the other that asked
        stopped.send_signal(signal.SIGSTOP)
        assert asked(hosts).total() < 160
        with collectors(brands, shared) as (survivor,):
            assert summary_of(survivor)["downloaded"] == 160
        stopped.send_signal(signal.SIGCONT)
        _, problem = stopped.communicate(timeout=60)
    # Stopped within a transaction, it finds that the server has ended that.
    lost = ("LeaseLostError: this collector was silent", "ended the connection")
    assert stopped.returncode == 1 and any(each in problem for each in lost)
    assert max(asked(hosts).values()) <= 2
    twice = [url for url, count in asked(hosts).items() if count > 1]
    assert len(twice) <= 16 + IN_FLIGHT * len(hosts)
    collector.collect(collector.load_brands(brands), Workspace.open(shared))
    assert final_state(Workspace.open(shared)) == alone(brands, tmp_path / "alone")


def test_a_database_that_is_killed_in_mid_write_costs_nothing_finished(
    database, hosts, shared, tmp_path
):
    urls = slowly(hosts, 40)
    brands = brands_file(tmp_path, [listed(urls[0::2]), listed(urls[1::2], "Dal")])
    with collectors(brands, shared, shared) as running:
        wait_until(hosts, 60, *running)
        database.kill()
        for each in running:
            _, problem = each.communicate(timeout=120)
            assert each.returncode == 1
            assert "CatalogError" in problem and "can't be reached, or ended" in problem
    stored = {path.stem for path in (shared / "blobs").rglob("*.jpg")}
    database.start()
    before = asked(hosts)
    with collectors(brands, shared, shared) as running:
        for each in running:
            assert summary_of(each)["downloaded"] == 160
    with Workspace.open(shared).catalog.read() as connection:
        rows = connection.execute(select(schema.sightings.c.url, schema.sightings.c.sha256))
        sha256_of = dict(rows.tuples().all())
    assert not {url for url in asked(hosts) - before if sha256_of[url] in stored}
    assert final_state(Workspace.open(shared)) == alone(brands, tmp_path / "alone")
    check_nothing_is_left(shared)


def test_a_collector_that_could_not_end_itself_is_ended_by_the_next(
    database, hosts, shared, tmp_path
):
    """Although nothing of it is left to bring in: its leases would bar the next for a while."""
    brands = brands_file(tmp_path, [listed(slowly(hosts, 2))])
    loaded, workspace = collector.load_brands(brands), Workspace.open(shared)
    with pytest.raises(CatalogError), joined(workspace, print) as shift:
        shift.begin([], scope=set(), per_model=1, needs_browser=lambda _: False)
        database.kill()
        raise CatalogError("as the driving thread finds out")
    database.start()
    assert collector.collect(loaded, workspace, join=True).downloaded == 8
    check_nothing_is_left(shared)


def test_beginning_may_take_longer_than_a_lease(shared, monkeypatch):
    monkeypatch.setattr(membership, "LEASE_SECONDS", 3.0)

    def slowly_start(connection, *_):
        connection.execute(text("SELECT pg_sleep(4)"))

    monkeypatch.setattr(joining, "_start_run", slowly_start)
    workspace = Workspace.open(shared)
    with joined(workspace, print) as shift:
        shift.begin([], scope=set(), per_model=1, needs_browser=lambda _: False)
        with workspace.catalog.begin() as connection:
            assert shift.member.others(connection) == []


def test_the_pictures_of_a_model_are_counted_over_all_collectors(hosts, shared, tmp_path):
    urls = slowly(hosts, 8)
    models = [listed(urls), listed(urls[:4], "Dal")]  # the second has addresses of the first
    brands = brands_file(tmp_path, models, per_model=7)
    with collectors(brands, shared, shared) as running:
        first, second = map(summary_of, running)
    assert set(asked(hosts).values()) == {1}
    counts = {each["model"]: each["downloaded"] for each in first["models"]}
    assert counts["Fjell"] == 7 or (counts["Fjell"], counts["Dal"]) in {(7, 0), (7, 4)}
    assert all(each["downloaded"] <= 7 for each in first["models"])
    assert first["refused_by"] == second["refused_by"]
    assert set(first["refused_by"]) == {"over_limit"}
    assert first["waiting"] == second["waiting"] == 0
    check_nothing_is_left(shared)


def test_a_host_that_refuses_one_collector_is_disabled_for_all(hosts, shared, tmp_path):
    busy = sends(b"", "text/plain", status=429, headers={"Retry-After": "0"})
    urls = slowly(hosts, 8)
    for n in range(8):
        hosts[0].answers[f"/p/{n}.jpg"] = busy
    models = [listed(urls[0::2]), listed(urls[1::2], "Dal")]
    brands = brands_file(tmp_path, models, per_host_connections=1)
    with collectors(brands, shared, shared) as running:
        first, second = map(summary_of, running)
    assert len(hosts[0].paths()) == BREAKER_BLOCKS
    assert first["failed_by"] == second["failed_by"]
    assert set(first["failed_by"]) <= {"host_disabled", "http_429"}
    assert first["failed"] == 8 and first["downloaded"] == 24
    # A new run tries it again.
    for n in range(8):
        hosts[0].answers[f"/p/{n}.jpg"] = sends(picture(5000 + n))
    with collectors(brands, shared, shared) as running:
        assert sum(summary_of(each)["new"] for each in running) >= 1


@pytest.mark.usefixtures("chromium")
def test_two_collectors_with_browsers_open_each_page_once(hosts, shared, tmp_path):
    models = []
    for number, server in enumerate(hosts):
        server.add_pictures(4, start=100 * number)
        html = "".join(f"<p><img src=/p/{n}.jpg width=300></p>" for n in range(4)).encode()
        pages = [server.add(f"/page{n}", html, "text/html") for n in range(2)]
        models.append({"name": f"M{number}", "pages": [{"url": url} for url in pages]})
    brands = brands_file(tmp_path, models, per_host_interval=0.2)
    with collectors(brands, shared, shared) as running:
        first, second = map(summary_of, running)
    pages = Counter(server.url(each) for server in hosts for each in server.paths("/page"))
    assert len(pages) == 8 and set(pages.values()) == {1}
    assert first["downloaded"] == 16 and first["new"] + second["new"] == 16
    assert first["pages"] == {"done": 8}
    check_nothing_is_left(shared)


def test_collectors_that_share_and_one_that_does_not_refuse_each_other(hosts, shared, tmp_path):
    brands = collector.load_brands(brands_file(tmp_path, [listed(slowly(hosts, 2))]))
    workspace = Workspace.open(shared)
    refused = pytest.raises(UsageError, match="without --join is running")
    with workspace.catalog.claimed("collect", taken=""), refused as caught:
        collector.collect(brands, Workspace.open(shared), join=True)
    assert "start all of them with --join" in caught.value.hint
    refused = pytest.raises(UsageError, match="another 'bodyshop collect' is running")
    with workspace.catalog.claimed("collect", taken="", shared=True), refused as caught:
        collector.collect(brands, Workspace.open(shared))
    assert "--join" in caught.value.hint
    assert collector.collect(brands, workspace, join=True).downloaded == 8


def test_what_makes_work_again_is_for_the_first_collector(hosts, shared, tmp_path):
    urls = slowly(hosts, 10, 0.1)
    brands = brands_file(tmp_path, [listed(urls)], per_host_connections=1)
    with collectors(brands, shared) as (first,):
        wait_until(hosts, 2, first)
        for option in ({"refresh": True}, {"retry_failed": True}):
            with pytest.raises(UsageError, match="other collectors are at work") as caught:
                collector.collect(
                    collector.load_brands(brands), Workspace.open(shared), join=True, **option
                )
            assert "give it to the first" in caught.value.hint
        assert summary_of(first)["downloaded"] == 40
    loaded, workspace = collector.load_brands(brands), Workspace.open(shared)
    assert collector.collect(loaded, workspace, join=True, refresh=True).new == 0
    assert set(asked(hosts).values()) == {1}


def test_a_collector_that_would_put_its_pictures_elsewhere_is_refused(hosts, shared, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "workspace.toml").write_text((shared / "workspace.toml").read_text())
    brands = brands_file(tmp_path, [listed(slowly(hosts, 10, 0.1))])
    with collectors(brands, shared) as (first,):
        wait_until(hosts, 2, first)
        with pytest.raises(UsageError, match="puts its pictures elsewhere") as caught:
            collector.collect(collector.load_brands(brands), Workspace.open(other), join=True)
        assert "s3://" in caught.value.hint
        assert summary_of(first)["downloaded"] == 40


def test_a_killed_collector_does_not_bar_one_that_works_alone(hosts, shared, tmp_path):
    urls = slowly(hosts, 20)
    brands = brands_file(tmp_path, [listed(urls)])
    with collectors(brands, shared) as (killed,):
        wait_until(hosts, 20, killed)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        stored = {path.stem for path in (shared / "blobs").rglob("*.jpg")}
        before, workspace = asked(hosts), Workspace.open(shared)
        loaded = collector.load_brands(brands)
        deadline = time.monotonic() + 30
        while True:
            try:  # the database may need a moment to see that its client is gone
                assert collector.collect(loaded, workspace).downloaded == 80
                break
            except UsageError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    with workspace.catalog.read() as connection:
        rows = connection.execute(select(schema.sightings.c.url, schema.sightings.c.sha256))
        sha256_of = dict(rows.tuples().all())
    assert not {url for url in asked(hosts) - before if sha256_of[url] in stored}
    check_nothing_is_left(shared)


def test_a_database_out_of_reach_is_told_in_a_sentence(database, hosts, shared, tmp_path):
    brands: Brands = collector.load_brands(brands_file(tmp_path, [listed(slowly(hosts, 1))]))
    workspace = Workspace.open(shared)
    database.stop()
    try:
        with pytest.raises(CatalogError, match="can't be reached"):
            collector.collect(brands, workspace, join=True)
    finally:
        database.start()
