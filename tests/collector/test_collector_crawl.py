"""Whole crawls of listed pictures: ledger, resume, retries, limits, erasures, faults."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from picture_server import drips, first, picture, redirects, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import dialect as catalog_dialect
from bodyshop_core.catalog import effective_labels, now, schema
from bodyshop_core.errors import (
    BodyshopError,
    InterruptedByUser,
    NothingFoundError,
    UsageError,
)
from bodyshop_core.workspace import Workspace
from collector.net.part_file import PartFile


def rows(workspace, table, *columns):
    chosen = [table.c[name] for name in columns]
    with workspace.catalog.read() as connection:
        return [tuple(row) for row in connection.execute(select(*chosen))]


def states(workspace):
    return Counter(rows(workspace, schema.candidates, "state", "error_class"))


def blobs(workspace):
    return {path.name for path in workspace.blobs.root.rglob("*.*")}


def test_pictures_arrive_with_bytes_sightings_and_labels(server, brands_for, workspace):
    urls = server.add_pictures(6)
    summary = collector.collect(brands_for(urls), workspace)
    assert (summary.found, summary.downloaded, summary.new) == (6, 6, 6)
    assert summary.found == sum(
        (summary.downloaded, summary.duplicate, summary.refused, summary.failed, summary.waiting)
    )
    json.dumps(summary.as_dict())
    assert len(blobs(workspace)) == 6
    for sha256, url, final, status in rows(
        workspace, schema.sightings, "sha256", "url", "final_url", "status"
    ):
        assert (url in urls, final, status) == (True, url, 200)
        assert workspace.image_path(sha256).exists()
    for field, value in (("brand", "Norden"), ("model", "Norden Fjell"), ("damage", "whole")):
        found = effective_labels(workspace.catalog, field)
        assert {label.value for label in found.values()} == {value}
        assert {str(label.origin) for label in found.values()} == {"query"}
    assert list((workspace.root / "incoming").iterdir()) == []


def test_a_second_run_asks_nothing(server, brands_for, workspace):
    brands = brands_for(server.add_pictures(4))
    before = collector.collect(brands, workspace)
    asked = len(server.asked)
    again = collector.collect(brands, workspace)
    assert len(server.asked) == asked
    assert (again.downloaded, again.new) == (before.downloaded, 0)


def test_one_picture_under_fifty_addresses_is_one_blob_with_fifty_sightings(
    server, brands_for, workspace
):
    data = picture(7)
    urls = [server.add(f"/p/{n}.jpg", data) for n in range(50)]
    summary = collector.collect(brands_for(urls), workspace)
    assert (summary.downloaded, summary.duplicate) == (1, 49)
    assert len(blobs(workspace)) == 1
    assert {url for (url,) in rows(workspace, schema.sightings, "url")} == set(urls)


def test_one_address_found_for_two_models_is_fetched_once(server, brands_for, workspace):
    (url,) = server.add_pictures(1)
    entry = {"lists": [{"urls": [url]}]}
    text = yaml.safe_dump(
        brands_for([url]).model_dump(mode="json")
        | {"brands": [{"name": "N", "models": [{"name": m, **entry} for m in ("A", "B")]}]}
    )
    summary = collector.collect(collector.parse_brands(text), workspace)
    assert server.paths() == ["/p/0.jpg"]
    assert (summary.downloaded, summary.duplicate) == (1, 1)
    assert sorted(rows(workspace, schema.sightings, "model")) == [("A",), ("B",)]


def test_the_same_address_with_tracking_parameters_is_the_same(server, brands_for, workspace):
    (url,) = server.add_pictures(1)
    collector.collect(brands_for([url, f"{url}?utm_source=mail"]), workspace)
    assert server.paths() == ["/p/0.jpg"]


def test_temporary_failures_are_tried_again_and_final_ones_are_not(server, brands_for, workspace):
    data = picture(1)
    busy = server.add("/p/busy.jpg", data)
    server.answers["/p/busy.jpg"] = first(1, sends(b"", status=500), sends(data))
    cut = server.add("/p/cut.jpg", picture(2))
    server.answers["/p/cut.jpg"] = first(1, sends(picture(2)[:-300]), sends(picture(2)))
    gone = server.url("/p/gone.jpg")
    down = server.add("/p/down.jpg", b"", status=502)
    summary = collector.collect(brands_for([busy, cut, gone, down]), workspace)
    asked = Counter(server.paths())
    assert asked == {"/p/busy.jpg": 2, "/p/cut.jpg": 2, "/p/gone.jpg": 1, "/p/down.jpg": 3}
    assert (summary.downloaded, summary.failed) == (2, 2)
    assert summary.failed_by == {"http_404": 1, "http_502": 1}


def test_failed_downloads_are_tried_again_only_on_demand(server, brands_for, workspace):
    server.add("/p/a.jpg", b"", status=502)
    urls = [server.url("/p/a.jpg"), server.url("/p/b.jpg"), *server.add_pictures(1, prefix="/q/")]
    brands = brands_for(urls)
    collector.collect(brands, workspace)
    server.add("/p/a.jpg", picture(1))
    server.add("/p/b.jpg", picture(2))
    assert collector.collect(brands, workspace).new == 0
    with pytest.raises(UsageError, match="http_404"):
        collector.collect(brands, workspace, retry_failed="timeout")
    assert collector.collect(brands, workspace, retry_failed="http_502").new == 1
    assert collector.collect(brands, workspace, retry_failed=True).new == 1
    assert collector.collect(brands, workspace).failed == 0


def test_robots_txt_of_the_picture_host_is_obeyed_logged_and_overridden_only_on_request(
    server, brands_for, workspace, tmp_path
):
    server.add("/robots.txt", b"User-agent: *\nDisallow: /p/\n", "text/plain")
    urls = server.add_pictures(2)
    open_url = server.add("/open.jpg", picture(9))
    summary = collector.collect(brands_for([*urls, open_url]), workspace)
    assert summary.refused_by == {"robots": 2}
    assert server.paths() == []
    details = [
        d for d, s in rows(workspace, schema.candidates, "details", "state") if s == "refused"
    ]
    assert {each["permission"]["robots"] for each in details} == {"disallowed"}
    bold = Workspace.open(tmp_path / "bold")
    sources = {"urls": {"robots": "override"}}
    assert collector.collect(brands_for(urls, sources=sources), bold).downloaded == 2
    for (permission,) in rows(bold, schema.sightings, "permission"):
        assert permission == {"host": server.host, "robots": "disallowed", "override": "robots"}


def test_an_unreachable_robots_txt_refuses_for_this_run_only(server, brands_for, workspace):
    server.add("/robots.txt", b"", status=503)
    brands = brands_for(server.add_pictures(2))
    summary = collector.collect(brands, workspace)
    assert summary.failed_by == {"robots_unreachable": 2}
    server.add("/robots.txt", b"", status=404)
    assert collector.collect(brands, workspace).downloaded == 2


HOSTILE_TARGETS = (
    "http://10.0.0.1/x.jpg",
    "http://169.254.169.254/latest/meta-data/x.jpg",
    "http://[::1]:1/x.jpg",
    "http://[::ffff:10.0.0.1]/x.jpg",
    "http://0177.0.0.1:81/x.jpg",
    "file:///etc/passwd",
)


def test_redirects_into_private_networks_are_refused_at_the_hop(
    server, other_server, brands_for, workspace
):
    targets = [*HOSTILE_TARGETS, other_server.add("/p/secret.jpg", picture(1))]
    urls = []
    for n, target in enumerate(targets):
        server.answers[f"/r/{n}.jpg"] = redirects(target)
        urls.append(server.url(f"/r/{n}.jpg"))
    urls.append(server.add("/p/fine.jpg", picture(2)))
    summary = collector.collect(brands_for(urls, allow=(server.host,)), workspace)
    assert summary.downloaded == 1
    # robots.txt of a forbidden host can't be read either: the guard stands before that too
    assert summary.refused_by.get("forbidden_address", 0) == 6
    assert summary.refused_by.get("not_http", 0) == 1
    assert other_server.asked == []


def test_redirects_are_followed_and_loops_end(server, other_server, brands_for, workspace):
    final = other_server.add("/p/real.jpg", picture(3))
    server.answers["/a.jpg"] = redirects("/b.jpg")
    server.answers["/b.jpg"] = redirects(final)
    server.answers["/loop.jpg"] = redirects("/loop.jpg")
    urls = [server.url("/a.jpg"), server.url("/loop.jpg")]
    summary = collector.collect(brands_for(urls), workspace)
    assert (summary.downloaded, summary.failed_by) == (1, {"redirect_loop": 1})
    assert rows(workspace, schema.sightings, "url", "final_url") == [(urls[0], final)]


def test_the_limit_per_model_holds_and_can_be_raised_later(server, brands_for, workspace):
    urls = server.add_pictures(10)
    urls[2:2] = [server.url("/missing.jpg")]
    summary = collector.collect(brands_for(urls, limits={"per_model": 4}), workspace)
    assert summary.downloaded == 4
    assert summary.refused_by["over_limit"] == 10 - 4
    again = collector.collect(brands_for(urls, limits={"per_model": 7}), workspace)
    assert (again.downloaded, again.new) == (7, 3)


@pytest.mark.parametrize("kind", ["sha256", "url", "host"])
def test_what_was_forgotten_does_not_come_back(server, brands_for, workspace, kind):
    import hashlib

    (url,) = server.add_pictures(1)
    tombstone = {"sha256": hashlib.sha256(picture(0)).hexdigest(), "url": url, "host": server.host}
    workspace.catalog.upsert(
        schema.tombstones, [{"kind": kind, "value": tombstone[kind], "at": now()}]
    )
    summary = collector.collect(brands_for([url]), workspace)
    assert (summary.downloaded, summary.refused_by) == (0, {"forgotten": 1})
    assert blobs(workspace) == set()
    assert rows(workspace, schema.sightings, "key") == []


def test_the_hosts_cookies_are_only_sent_where_it_asks_for_them():
    from collector.net.cookies import Cookies

    cookies = Cookies()
    cookies.learn([{"name": "a", "value": "1", "domain": ".cars.example"}])
    cookies.learn([{"name": "b", "value": "2", "domain": "img.cars.example"}])
    assert cookies.header("https://img.cars.example/x.jpg") == "a=1; b=2"
    assert cookies.header("https://cars.example/x.jpg") == "a=1"
    assert cookies.header("https://notcars.example/x.jpg") == ""


def test_nothing_at_all_is_an_error_with_its_own_exit_code(server, brands_for, workspace, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("no address here\n")
    with pytest.raises(NothingFoundError) as caught:
        collector.collect(brands_for(lists=[{"file": str(empty)}]), workspace)
    assert caught.value.exit_code == 3
    assert caught.value.summary.pages == {"failed": 1}
    server.add_pictures(1)
    empty.write_text(server.url("/p/0.jpg"))  # a failed page was never marked as done
    assert collector.collect(brands_for(lists=[{"file": str(empty)}]), workspace).new == 1


def test_only_one_brand_or_model_is_touched(server, brands_for, workspace):
    brands = brands_for(server.add_pictures(1))
    with pytest.raises(UsageError, match="Norden/Fjell"):
        collector.collect(brands, workspace, only="Norden/Skog")
    assert collector.collect(brands, workspace, only="Norden/Fjell").downloaded == 1


def test_ctrl_c_saves_what_is_in_flight_and_the_next_run_goes_on(server, brands_for, workspace):
    urls = server.add_pictures(40)
    under_way = threading.Event()
    for n in range(40):
        body = picture(n)

        def slowly(handler, body=body):
            if len(server.paths()) > 8:
                under_way.set()
            time.sleep(0.15)
            sends(body)(handler)

        server.answers[f"/p/{n}.jpg"] = slowly
    brands = brands_for(urls, limits={"per_host_connections": 4})

    def interrupt():
        assert under_way.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(InterruptedByUser) as caught:
        collector.collect(brands, workspace)
    thread.join()
    assert caught.value.exit_code == 130
    done = states(workspace)[("done", None)]
    assert 8 < done < 40
    assert len(server.paths()) == done  # nothing in flight was thrown away
    assert len(blobs(workspace)) == done
    summary = collector.collect(brands, workspace)
    assert summary.downloaded == 40
    assert len(server.paths()) == 40  # nothing was fetched twice


def test_a_full_disk_ends_the_run_with_a_message_and_loses_nothing(
    server, brands_for, workspace, monkeypatch
):
    brands = brands_for(server.add_pictures(12))
    real, count = PartFile.finish, iter(range(100))

    def full(part):
        if next(count) >= 5:
            raise OSError(28, "No space left on device", str(part.path))
        return real(part)

    monkeypatch.setattr(PartFile, "finish", full)
    with pytest.raises(BodyshopError, match="disk is full"):
        collector.collect(brands, workspace)
    assert states(workspace)[("done", None)] == 5
    monkeypatch.setattr(PartFile, "finish", real)
    assert collector.collect(brands, workspace).downloaded == 12
    assert len(server.paths()) <= 12 + 2 * 2  # only what was in flight came twice


def test_a_locked_catalog_ends_the_run_with_a_message_and_loses_nothing(
    server, brands_for, workspace, monkeypatch
):
    monkeypatch.setattr(catalog_dialect, "LOCK_WAIT_S", 0.2)
    locked = Workspace.open(workspace.root)
    other = sqlite3.connect(workspace.catalog.path, isolation_level=None)
    brands = brands_for(server.add_pictures(6))
    server.answers["/p/0.jpg"] = first(
        1,
        lambda handler: (other.execute("BEGIN IMMEDIATE"), sends(picture(0))(handler)),
        sends(b""),
    )
    other.close()
    other = sqlite3.connect(workspace.catalog.path, isolation_level=None, check_same_thread=False)
    with pytest.raises(BodyshopError, match="in use by another"):
        collector.collect(brands, locked)
    other.execute("ROLLBACK")
    other.close()
    assert collector.collect(brands, locked).downloaded == 6
    assert max(Counter(server.paths()).values()) == 1  # the journal kept what was finished


def test_a_slow_server_delays_nobody_else(server, other_server, brands_for, workspace):
    server.answers["/p/slow.jpg"] = drips(picture(1), 0.05)
    urls = [server.url("/p/slow.jpg"), *other_server.add_pictures(8)]
    limits = {"request_seconds": 0.6, "attempts": 1}
    started = time.monotonic()
    summary = collector.collect(brands_for(urls, limits=limits), workspace)
    assert time.monotonic() - started < 5
    assert (summary.downloaded, summary.failed_by) == (8, {"deadline": 1})


def test_a_list_of_thousands_is_cut_at_the_limit_per_model(server, brands_for, workspace, tmp_path):
    server.add_pictures(30)
    many = tmp_path / "many.txt"
    many.write_text("\n".join(server.url(f"/p/{n}.jpg") for n in range(2_000)))
    summary = collector.collect(
        brands_for(lists=[{"file": str(many)}], limits={"per_model": 20}), workspace
    )
    assert (summary.found, summary.downloaded) == (2_000, 20)
    assert len(server.paths()) == 20


def test_no_path_is_built_from_a_remote_name(server, brands_for, workspace, tmp_path):
    urls = [
        server.add("/p/..%2f..%2fetc%2fpasswd.jpg", picture(1)),
        server.add("/p/con.jpg%00.exe", picture(2)),
        server.add("/p/" + "a" * 300 + ".jpg", picture(3)),
    ]
    collector.collect(brands_for(urls), workspace)
    outside = [path for path in tmp_path.rglob("*") if "passwd" in path.name or "exe" in path.name]
    assert outside == []
    assert all(len(name) == 64 + 4 for name in blobs(workspace))


def test_the_workspace_of_a_path_with_hangul_works(server, brands_for, tmp_path: Path):
    workspace = Workspace.open(tmp_path / "자동차 사진")
    assert collector.collect(brands_for(server.add_pictures(2)), workspace).downloaded == 2
