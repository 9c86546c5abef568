"""Lists that load late: a list that is still loading is not complete."""

from __future__ import annotations

import json
import time

import pytest
from picture_server import picture, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from collector.browser import Browser
from collector.net.address import AddressGuard
from showroom import serve

pytestmark = pytest.mark.usefixtures("chromium")

SECONDS = 1.6
"""Longer than every wait that the recipe and our scripts would otherwise take for the end."""


def delay(site, prefix, seconds):
    """Let the image search take its time before it answers paths below `prefix`."""
    apps = site._server._apps
    port = site.hosts.search.rpartition(":")[2]
    name, app = apps[port]

    def late(environ, start):
        if environ["PATH_INFO"].startswith(prefix):
            time.sleep(seconds)
        return app(environ, start)

    apps[port] = (name, late)


def found(workspace):
    with workspace.catalog.read() as connection:
        return connection.execute(select(schema.sightings.c.url)).scalars().all()


@pytest.mark.slow
def test_a_query_whose_results_come_late_is_complete(drawn, workspace):
    with serve(drawn) as site:
        delay(site, "/api/search", SECONDS)
        brands = collector.parse_brands(site.brands_yaml(spinners=False))
        model = brands.brands[0].models[0]
        model = model.model_copy(update={"pages": (), "queries": model.queries[:1]})
        one = brands.brands[0].model_copy(update={"models": (model,)})
        logged = []
        progress = Logging(logged)
        summary = collector.collect(
            brands.model_copy(update={"brands": (one,)}), workspace, progress=progress
        )
        wanted = [p for p in site.truth.pictures if p.query == model.queries[0].text]
    assert len(wanted) == 64
    assert (summary.downloaded, len(found(workspace))) == (64, 64)
    assert not any("trying again" in line for line in logged)


@pytest.mark.slow
def test_a_page_that_grows_late_is_scrolled_to_its_end(server, brands_for, workspace):
    count, batch = 30, 10
    server.add_pictures(count)

    def more(handler):
        start = int(handler.path.partition("start=")[2])
        time.sleep(SECONDS)
        names = [f"/p/{n}.jpg" for n in range(start, min(count, start + batch))]
        sends(json.dumps(names).encode(), "application/json")(handler)

    server.answers["/more"] = more
    page = server.add("/page", GROWING.encode(), "text/html")
    summary = collector.collect(brands_for(pages=[page]), workspace)
    assert summary.downloaded == count


@pytest.mark.slow
def test_a_loader_that_looks_at_the_page_now_and_then_misses_nothing(server, brands_for, workspace):
    server.add_pictures(12)
    divs = "".join(f"<div class=lazyload data-n={n} style=height:400px></div>" for n in range(12))
    loader = """<script>setInterval(() => {
      for (const each of document.querySelectorAll(".lazyload")) {
        const box = each.getBoundingClientRect();
        if (box.bottom < 0 || box.top > innerHeight) continue;
        each.className = "lazyloaded";
        each.style.backgroundImage = `url(/p/${each.dataset.n}.jpg)`;
      }
    }, 300)</script>"""
    page = server.add("/a", (divs + loader).encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    assert len(found(workspace)) == 12


@pytest.mark.slow
def test_a_request_that_never_ends_does_not_hold_a_page_for_ever(server, brands_for, workspace):
    def endless(handler):
        time.sleep(30)

    server.answers["/beacon"] = endless
    server.add("/p/0.jpg", picture(0))
    page = server.add("/page", b"<img src=/p/0.jpg><script>fetch('/beacon')</script>", "text/html")
    summary = collector.collect(brands_for(pages=[page]), workspace)
    assert summary.downloaded == 1
    assert summary.seconds < 25  # the request takes 30


@pytest.mark.slow
def test_a_background_that_fails_is_asked_for_once_and_a_slow_one_is_measured_later(server):
    def late(handler):
        time.sleep(4)  # `measure` waits for 2
        sends(picture(0, (640, 480)))(handler)

    server.answers["/p/late.jpg"] = late
    page = server.add("/page", BACKGROUND.encode(), "text/html")
    backgrounds = "T.collect(100).then((all) => all.items.map((each) => each.shown))"
    with Browser(AddressGuard([server.host]), "bodyshop-test", load_seconds=20) as browser:
        browser.open(page)
        assert browser.await_(backgrounds) == [None]
        asked = len(server.paths("/p/gone.jpg"))
        assert [browser.await_(backgrounds) for _ in range(3)] == [[None]] * 3
        assert len(server.paths("/p/gone.jpg")) == asked
        browser.run("hero.style.backgroundImage = 'url(/p/late.jpg)'")
        assert browser.await_(backgrounds) == [None]
        browser.await_("T.sleep(3000)")
        assert browser.await_(backgrounds) == [[640, 480]]


TEXTS = """(() => {
  const text = T.text;
  let read = 0;
  T.text = (value) => { read += (value || "").length; return text(value); };
  T.announced();
  T.text = text;
  return read;
})()"""


@pytest.mark.slow
def test_a_long_text_in_many_boxes_is_not_read_for_each_of_them(server):
    """Only short texts are compared with those of the boxes inside."""
    body = f"<!doctype html>{'<div>' * 40}{'<p>words</p>' * 20}{'some words ' * 50_000}"
    page = server.add("/page", body.encode(), "text/html")
    with Browser(AddressGuard([server.host]), "bodyshop-test", load_seconds=20) as browser:
        browser.open(page)
        assert browser.await_(TEXTS) < 2 * len(body)


class Logging:
    """A progress that keeps its lines."""

    def __init__(self, lines):
        self.log = lines.append

    def task(self, name, total=None):
        from contextlib import nullcontext

        return nullcontext(lambda n=1, note="": None)


BACKGROUND = """<!doctype html><title>background</title>
<div id=hero style="background-image: url(/p/gone.jpg); width: 640px; height: 480px"></div>"""

GROWING = """<!doctype html><title>grows</title>
<div id=list></div><p id=end>&nbsp;</p>
<script>
let next = 0, busy = false;
new IntersectionObserver(async (seen) => {
  if (busy || next > 20 || !seen.some((each) => each.isIntersecting)) return;
  busy = true;
  const names = await (await fetch("/more?start=" + next)).json();
  next += names.length;
  for (const name of names) {
    const img = document.createElement("img");
    img.src = name; img.style.cssText = "display:block;height:400px";
    document.getElementById("list").append(img);
  }
  busy = false;
}, { rootMargin: "50px" }).observe(document.getElementById("end"));
</script>"""


def test_a_list_that_takes_out_what_was_scrolled_past_loses_nothing(server, brands_for, workspace):
    count = 24
    for n in range(count):
        server.add(f"/full/{n}.jpg", picture(n, (640, 480)))
        server.add(f"/thumb/{n}.jpg", picture(n, (160, 120)))
    page = server.add("/page", WINDOWED.replace("COUNT", str(count)).encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    full = {url for url in found(workspace) if "/full/" in url}
    assert len(full) == count
    with workspace.catalog.read() as connection:
        texts = connection.execute(select(schema.sightings.c.alt)).scalars().all()
    assert {f"car {n}" for n in range(count)} <= set(texts)


WINDOWED = """<!doctype html><title>windowed</title>
<div id=list style="position:relative"></div>
<script>
const list = document.getElementById("list"), high = 400;
list.style.height = COUNT * high + "px";
function draw() {
  const first = Math.floor(scrollY / high), last = Math.min(COUNT - 1, first + 3);
  list.textContent = "";
  for (let n = first; n <= last; n += 1) {
    const link = document.createElement("a");
    link.href = "/full/" + n + ".jpg";
    link.style.cssText = "position:absolute;top:" + n * high + "px";
    link.innerHTML = "<img src=/thumb/" + n + ".jpg alt='car " + n + "'>";
    list.append(link);
  }
}
addEventListener("scroll", draw);
draw();
</script>"""
