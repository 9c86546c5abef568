"""Browsers that crash, hang, grow or download files: the run continues, nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

import psutil
import pytest
from picture_server import first, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.errors import InterruptedByUser
from bodyshop_core.processes import group_memory
from collector.browser import Browser, session
from collector.crawl import discovery
from collector.net.address import AddressGuard

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]


def browsers_of_ours():
    """Return the main processes of the Chromiums that this process started."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            words = child.cmdline()
        except psutil.Error:
            continue
        kinds = [word for word in words if word.startswith("--type=")]
        if any(word.startswith("--user-data-dir=") for word in words) and not kinds:
            found.append(child)
    return [each for each in found if "chromedriver" not in each.name()]


def test_a_browser_killed_in_the_middle_of_a_page_loses_nothing(server, brands_for, workspace):
    server.add_pictures(20)
    killed = []

    def more(handler):
        start = int(handler.path.partition("start=")[2])
        if start == 10 and not killed:  # half of the list is on the page
            killed.extend(browsers_of_ours())
            for process in killed:
                process.kill()
        names = [f"/p/{n}.jpg" for n in range(start, min(20, start + 5))]
        sends(json.dumps(names).encode(), "application/json")(handler)

    server.answers["/more"] = more
    page = server.add("/page", GROWING.encode(), "text/html")
    summary = collector.collect(brands_for(pages=[page]), workspace)
    assert killed
    assert len(server.paths("/page")) == 2
    assert (summary.downloaded, summary.failed) == (20, 0)
    psutil.wait_procs(killed, timeout=5)
    assert browsers_of_ours() == []


@pytest.mark.parametrize("loop", ["setTimeout(() => { for (;;); }, 50)", "for (;;);"])
def test_a_page_that_hangs_its_browser_ends_at_its_own_limit(
    server, brands_for, workspace, monkeypatch, loop
):
    monkeypatch.setattr(discovery, "MAX_TRIES", 1)
    monkeypatch.setattr(session, "GRACE_SECONDS", 5.0)
    server.add_pictures(2)
    bad = f"<img src=/p/0.jpg><script>{loop}</script>"
    pages = [server.add("/bad", bad.encode(), "text/html"),
             server.add("/good", b"<img src=/p/1.jpg>", "text/html")]  # fmt: skip
    brands = brands_for(pages=pages, limits={"load_seconds": 10, "behaviour_seconds": 8})
    summary = collector.collect(brands, workspace, browsers=1)
    assert summary.pages == {"done": 1, "failed": 1}
    (told,) = [each for each in summary.empty if "/bad" in each]
    # Whether the driver still gives its own answer in time is up to the moment.
    assert "the page hangs: no response in" in told or "did not end" in told
    with workspace.catalog.read() as connection:
        urls = connection.execute(select(schema.sightings.c.url)).scalars().all()
    assert server.url("/p/1.jpg") in urls  # of the page after it
    assert summary.seconds < 90  # the driver's client would have waited for 120
    assert browsers_of_ours() == []


def test_a_page_that_never_ends_loading_is_used_as_far_as_it_loaded(server, brands_for, workspace):
    server.add_pictures(3)

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()
        handler.wfile.write(
            b"<title>slow</title>" + b"".join(b"<img src=/p/%d.jpg>" % n for n in range(3))
        )
        handler.wfile.flush()
        time.sleep(150)

    server.answers["/page"] = endless
    brands = brands_for(pages=[server.url("/page")], limits={"load_seconds": 10})
    summary = collector.collect(brands, workspace, browsers=1)
    assert (summary.downloaded, summary.pages) == (3, {"done": 1})
    assert summary.seconds < 100


def test_a_browser_that_holds_too_much_memory_is_replaced(server, monkeypatch):
    page = server.add("/page", b"<p>x", "text/html")
    with Browser(AddressGuard(["127.0.0.1"]), "test") as browser:
        browser.open(page)
        first = browser.driver.service.process.pid
        assert group_memory(first) > 50_000_000
        browser.open(page)
        assert browser.driver.service.process.pid == first
        monkeypatch.setattr(session, "MAX_MEMORY", 1_000_000)
        browser.open(page)
        assert browser.driver.service.process.pid != first


def test_nothing_that_a_page_offers_for_download_reaches_the_disk(
    server, brands_for, workspace, tmp_path, monkeypatch
):
    home = tmp_path / "home"
    (home / "Downloads").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    server.add_pictures(1)
    attached = {"Content-Disposition": 'attachment; filename="evil.sh"'}
    server.add("/evil.sh", b"#!/bin/sh\n", "application/octet-stream", headers=attached)
    page = server.add(
        "/page",
        b"<img src=/p/0.jpg><a id=a href=/evil.sh download=evil2.sh>x</a><iframe src=/evil.sh>"
        b"</iframe><script>document.getElementById('a').click()</script>",
        "text/html",
    )
    assert collector.collect(brands_for(pages=[page]), workspace).downloaded == 1
    assert server.paths("/evil.sh") != []
    assert [path for path in tmp_path.rglob("*") if "evil" in path.name] == []


def test_a_page_on_a_host_that_fails_for_a_moment_is_opened_again(server, brands_for, workspace):
    server.add_pictures(1)
    good = sends(b"<img src=/p/0.jpg>", "text/html")
    server.answers["/page"] = first(1, sends(b"busy", "text/html", status=502), good)
    summary = collector.collect(brands_for(pages=[server.url("/page")]), workspace)
    assert summary.pages == {"done": 1}
    assert len(server.paths("/page")) == 2


def test_a_page_in_a_private_network_is_refused_and_not_tried_again(
    server, other_server, brands_for, workspace
):
    server.add_pictures(1)
    pages = [server.add("/page", b"<img src=/p/0.jpg>", "text/html"),
             other_server.add("/secret", b"<img src=/p/0.jpg>", "text/html")]  # fmt: skip
    summary = collector.collect(brands_for(pages=pages, allow=(server.host,)), workspace)
    assert summary.pages == {"done": 1, "refused": 1}
    assert other_server.asked == []


def test_ctrl_c_in_the_middle_of_a_page_leaves_the_page_for_the_next_run(
    server, brands_for, workspace
):
    server.add_pictures(1)
    growing, over = threading.Event(), threading.Event()

    def never_answers(_handler):
        growing.set()
        over.wait(60)

    def interrupt():
        assert growing.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    server.answers["/more"] = never_answers
    page = server.add("/page", GROWING.encode(), "text/html")
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(InterruptedByUser):
        collector.collect(brands_for(pages=[page]), workspace)
    thread.join()
    over.set()
    server.answers["/more"] = sends(b'["/p/0.jpg"]', "application/json")
    summary = collector.collect(brands_for(pages=[page]), workspace)
    assert (summary.downloaded, summary.pages) == (1, {"done": 1})


GROWING = """<!doctype html><title>grows</title>
<div id=list></div><p id=end>&nbsp;</p>
<script>
let next = 0, busy = false;
new IntersectionObserver(async (seen) => {
  if (busy || next > 16 || !seen.some((each) => each.isIntersecting)) return;
  busy = true;
  const names = await (await fetch("/more?start=" + next)).json();
  next = names.length < 5 ? 99 : next + names.length;
  for (const name of names) {
    const img = document.createElement("img");
    img.src = name; img.style.cssText = "display:block;height:400px";
    document.getElementById("list").append(img);
  }
  busy = false;
}, { rootMargin: "50px" }).observe(document.getElementById("end"));
</script>"""
