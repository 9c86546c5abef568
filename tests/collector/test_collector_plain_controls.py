"""Controls that are built without the elements meant for them, and handlers that look twice at a click."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

import pytest
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]

COUNT = 6
HERO = "<img id=m src=/p/PAGE-0.jpg width=600 height=400 draggable=false>"
SHOW = "let n = 0; const next = () => { if (n < 5) m.src = `/p/PAGE-${n += 1}.jpg`; };"


def page(body, script):
    return f"<!doctype html>{body}<script>{SHOW}{script}</script>"


PAGES = {
    # a <div> with a title, that answers to the pointer only
    "titled": page(f"{HERO}<div id=b title='Next page' style='width:35px;height:35px'></div>", "let down = false; b.addEventListener('pointerdown', (event) => { down = event.isTrusted; }); b.addEventListener('pointerup', () => { if (down) next(); down = false; });"),
    # a handler that leaves a click alone which was answered before
    "once": page(f"<div>{HERO}</div><a id=b href='?step=1' class=next>Next</a>", "b.addEventListener('click', (event) => { if (event.defaultPrevented) return; event.preventDefault(); next(); });"),
    # the browser is told by an answer, and what hears all clicks leaves such a one alone
    "answer": page(f"{HERO}<a class=next href='?view=2' onclick='next(); return false'>Next</a>", "document.addEventListener('click', (event) => { if (!event.defaultPrevented) m.src = '/other.jpg'; });"),
    "value": page(f"{HERO}<a class=next href='?view=2' onclick='next(); event.returnValue = false'>Next</a>", "document.addEventListener('click', (event) => { if (event.returnValue) m.src = '/other.jpg'; });"),
    # the page calls the handler itself, without a click
    "called": page(f"{HERO}<a id=b class=next href='?view=2' onclick='ready(); return false'>Next</a>", "const ready = () => { if (n === 0 && window.event && window.event.type === 'click') next(); }; addEventListener('keydown', (event) => { if (event.key === 'ArrowRight') { b.onclick(); next(); } });"),
    # items of a list have numbers as their values
    "values": page(f"{HERO}<ul class=dots>" + "".join(f"<li class=dot role=button tabindex=0 value={n} style='width:12px;height:12px'></li>" for n in range(COUNT)) + "</ul>", "document.querySelectorAll('li').forEach((each) => { each.onclick = () => { m.src = `/p/PAGE-${each.value}.jpg`; }; });"),
    # the picture moves for a while, and does not answer meanwhile
    "moving": page(f"<div id=c class=flicking-viewport style='width:600px'>{HERO}</div>", "let x = null, busy = false, late = 0; c.onpointerdown = (event) => { x = event.clientX; }; onpointerup = (event) => { if (busy) { busy = false; return; } if (x !== null && event.clientX - x < -40) { next(); busy = n % 2 === 0; } x = null; };"),
}  # fmt: skip


def test_controls_without_the_elements_meant_for_them_are_used(server, brands_for, workspace):
    urls = {}
    for place, (name, html) in enumerate(PAGES.items()):
        server.add_pictures(COUNT, prefix=f"/p/{name}-", start=100 * place)
        urls[server.add(f"/{name}", html.replace("PAGE", name).encode(), "text/html")] = name
    summary = collector.collect(
        brands_for(pages=list(urls), limits={"behaviour_seconds": 60}), workspace
    )
    with workspace.catalog.read() as connection:
        seen = connection.execute(select(schema.sightings)).all()
    count = dict.fromkeys(PAGES, 0)
    for row in seen:
        count[urls[row.page_url]] += 1
    assert count == dict.fromkeys(PAGES, COUNT)
    assert (summary.partial, summary.failed) == ((), 0)


CARD = f"""<div>{HERO}</div><div id=card><img id=c src=/p/PAGE-1.jpg width=300 height=200>
<button class=next id=b style="width:20px;height:20px">&rsaquo;</button></div>"""
OTHER_CAR = """b.addEventListener('click', (event) => { event.stopPropagation(); c.src = '/p/PAGE-2.jpg'; });
card.onclick = () => { history.pushState({}, '', '/othercar'); m.src = '/p/PAGE-5.jpg'; };"""


def test_a_card_of_another_car_is_not_pressed_after_its_own_arrow_was(
    server, brands_for, workspace
):
    server.add_pictures(COUNT, prefix="/p/card-")
    html = page(CARD, OTHER_CAR).replace("PAGE", "card")
    url = server.add("/card", html.encode(), "text/html")
    collector.collect(brands_for(pages=[url], limits={"behaviour_seconds": 30}), workspace)
    assert server.paths("/p/card-5") == []
