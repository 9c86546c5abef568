"""Viewers whose server takes seconds for each picture: the next click would end the loading of the last."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

import time

import pytest
from picture_server import picture, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from collector.browser import Browser
from collector.browser.session import GRACE_SECONDS
from collector.net.address import AddressGuard

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]

COUNT = 4
HERO = "<img id=m src=/p/0.jpg width=600 height=400 draggable=false>"
NEXT = f"let n = 0; const next = () => {{ if (n < {COUNT - 1}) m.src = `/p/${{n += 1}}.jpg`; }};"
VIEWERS = {
    "click": (f"{HERO}<button id=b class=next>Next</button>", "b.onclick = next;"),
    "pointer": (f"{HERO}<div id=b title='Next page' style='width:35px;height:35px'></div>", "let down = false; b.addEventListener('pointerdown', (event) => { down = event.isTrusted; }); b.addEventListener('pointerup', () => { if (down) next(); down = false; });"),
    "shadow": ("<div id=host></div>", f"const root = host.attachShadow({{ mode: 'open' }}); root.innerHTML = `{HERO}<button id=b class=next>Next</button>`; const m = root.getElementById('m'); root.getElementById('b').onclick = next;"),
    "key": (f"<div class=gallery>{HERO}</div>", "onkeydown = (event) => { if (event.key === 'ArrowRight') next(); };"),
}  # fmt: skip


def collect(server, brands_for, workspace, viewer, seconds):
    def late(number):
        def answer(handler):
            time.sleep(seconds)
            sends(picture(number))(handler)

        return answer

    for number in range(COUNT):
        server.answers[f"/p/{number}.jpg"] = late(number)
    body, script = VIEWERS[viewer]
    page = f"<!doctype html>{body}<script>{NEXT}{script}</script>"
    url = server.add("/page", page.encode(), "text/html")
    summary = collector.collect(
        brands_for(pages=[url], limits={"behaviour_seconds": 90}), workspace
    )
    with workspace.catalog.read() as connection:
        return len(connection.execute(select(schema.sightings)).all()), summary.partial


@pytest.mark.parametrize("viewer", VIEWERS)
def test_each_picture_of_a_slow_server_has_the_time_to_come(server, brands_for, workspace, viewer):
    assert collect(server, brands_for, workspace, viewer, 1.6) == (COUNT, ())


LAZY = "".join(
    f"<img loading=lazy src=/p/{n}.jpg width=600 height=400 style='flex:none'>" for n in range(8)
)
BOX = f"""<button id=g>View gallery</button><div id=box></div><script>
g.onclick = () => {{ if (box.firstChild) return;
  box.innerHTML = `<div role=dialog style="position:fixed;inset:0;background:#fff"><div style="width:600px;overflow:hidden"><div id=track style="display:flex;width:4800px">{LAZY}</div></div><button id=b class=next>Next</button></div>`;
  let at = 0; b.onclick = () => {{ if (at < 7) at += 1; track.style.transform = `translateX(${{-600 * at}}px)`; }}; }};
</script>"""


def test_lazy_slides_that_their_box_cuts_off_are_not_waited_for_in_vain(
    server, brands_for, workspace
):
    server.add_pictures(8)
    url = server.add("/page", f"<!doctype html>{BOX}".encode(), "text/html")
    summary = collector.collect(
        brands_for(pages=[url], limits={"behaviour_seconds": 60}), workspace
    )
    assert summary.partial == ()
    with workspace.catalog.read() as connection:
        assert len(connection.execute(select(schema.sightings)).all()) == 8


def test_a_click_that_answers_late_does_not_outlast_a_hanging_page(server):
    def late(seconds):
        def answer(handler):
            time.sleep(seconds)
            sends(picture(1))(handler)

        return answer

    server.answers |= {"/p/0.jpg": late(0), "/more": late(4.5), "/p/1.jpg": late(15)}
    script = "b.onclick = async () => { await fetch('/more'); m.src = '/p/1.jpg'; };"
    page = f"<!doctype html>{HERO}<button id=b class=next>Next</button><script>{script}</script>"
    url = server.add("/page", page.encode(), "text/html")
    with Browser(AddressGuard([server.host]), "t", behaviour_seconds=60) as browser:
        browser.open(url)
        begun = time.monotonic()
        explored = browser.await_("T.explore(given[0])", {"seconds": 0.4})
        taken = time.monotonic() - begun
    assert "took more than 5 s" in str(explored["limits"])
    assert 4.5 < taken < GRACE_SECONDS


def test_pictures_that_are_not_waited_for_to_their_end_make_a_page_partial(
    server, brands_for, workspace
):
    _, partial = collect(server, brands_for, workspace, "click", 7)
    assert "took more than 5 s" in str(partial[0])
