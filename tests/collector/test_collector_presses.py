"""Elements of no kind that answer to a press, in every way in which a script can listen."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]

COUNT = 6
HERO = "<img id=m src=/p/PAGE-0.jpg width=600 height=400 draggable=false>"
SHOW = "let n = 0; const show = (at) => { m.src = `/p/PAGE-${at}.jpg`; }, next = () => { if (n < 5) show(n += 1); };"
TWO = "<div id=l><img src=/p/PAGE-0.jpg width=200><img src=/p/PAGE-1.jpg width=200></div>"
ADD = "let k = 2; const add = () => { for (let i = 0; i < 2 && k < 6; i++) l.insertAdjacentHTML('beforeend', `<img src=/p/PAGE-${k++}.jpg width=200>`); if (k >= 6) b.remove(); };"
THUMBS = "".join(f"<img src=/t/PAGE-{n}.jpg data-n={n} width=80>" for n in range(COUNT))
SIZE = "style='width:40px;height:40px;display:inline-block'"


def page(body, script, tools=SHOW):
    return f"<!doctype html><meta charset=utf-8><h1>Fjell</h1><div class=stage>{body}</div><p>About the car.</p><script>{tools}{script}</script>"


ONE_BY_ONE = {
    "property": page(f"{HERO}<div id=b title=Next {SIZE}></div>", "b.onclick = next;"),
    "pointer-property": page(f"{HERO}<div id=b aria-label=Next {SIZE}></div>", "b.onpointerdown = next;"),
    "mouse-property": page(f"{HERO}<div id=b aria-label=Next {SIZE}></div>", "b.onmousedown = next;"),
    "sign": page(f"{HERO}<span id=b {SIZE}>&gt;</span>", "b.onclick = next;"),
    "sign-mouse": page(f"{HERO}<span id=b {SIZE}>›</span>", "b.addEventListener('mouseup', next);"),
    "signs": page(f"{HERO}<input type=button value='>>' id=b>", "b.onclick = next;"),
    "of-the-document": page(f"{HERO}<span data-act=n>Next photo »</span>", "document.addEventListener('click', (event) => { if (event.target.closest('[data-act=n]')) next(); });"),
    "of-the-body": page(f"{TWO}<p id=b>Mehr anzeigen</p>", "document.body.onclick = (event) => { if (event.target === b) add(); };", ADD),
    "icon": page(f"{HERO}<i class='ico arrow' id=b {SIZE}></i>", "b.onclick = next;"),
    "svg": page(f"{HERO}<svg id=b class=icon-arrow-right width=30 height=30><path d='M0 0L20 10L0 20'/></svg>", "b.addEventListener('click', next);"),
    "edge": page(f"<div style='position:relative;width:600px'>{HERO}<div id=b style='position:absolute;right:5px;top:180px;width:40px;height:40px'><svg width=20 height=20></svg></div></div>", "b.onclick = () => {}; document.addEventListener('click', (event) => { if (event.target.closest('#b')) next(); });"),
    "more": page(f"{TWO}<div id=b>Load more</div>", "b.onclick = add;", ADD),
    "more-icon": page(f"{TWO}<div id=b class=load-more {SIZE}><svg width=20 height=20></svg></div>", "b.onclick = add;", ADD),
    "gallery": page("<img src=/p/PAGE-0.jpg width=300><p><span id=b style='cursor:pointer'>Alle Fotos</span></p><dialog id=d></dialog>", "b.onclick = () => { d.innerHTML = [1, 2, 3, 4, 5].map((n) => `<img src=/p/PAGE-${n}.jpg width=200>`).join(''); d.showModal(); };", ""),
    "more-than-shown": page("<div id=b style='position:relative;width:300px'><img src=/p/PAGE-0.jpg width=300 height=200><span style='position:absolute;inset:0'>+5</span></div><div id=g></div>", "b.onclick = () => { g.innerHTML = [1, 2, 3, 4, 5].map((n) => `<img src=/p/PAGE-${n}.jpg width=200>`).join(''); };", ""),
    "picture": page(f"<div class=gallery>{HERO}</div>", "m.style.cursor = 'pointer'; m.onmousedown = next;"),
    "thumbnails": page(f"{HERO}<div>{THUMBS}</div>", "document.querySelectorAll('[data-n]').forEach((each) => { each.onmousedown = () => show(each.dataset.n); });"),
    "thumbnails-of-a-list": page(f"{HERO}<div id=t>{THUMBS}</div>", "t.addEventListener('click', (event) => show(event.target.dataset.n));"),
    "backgrounds": page(f"{HERO}<div class=thumbs>" + "".join(f"<div class=thumb style='display:inline-block;width:80px;height:60px;background:url(/t/PAGE-{n}.jpg)'></div>" for n in range(COUNT)) + "</div>", "document.querySelectorAll('.thumb').forEach((each, n) => { each.onclick = () => show(n); });"),
    "dots": page(f"{HERO}<div class=dots>" + "<span class=dot style='display:inline-block;width:14px;height:14px'></span>" * COUNT + "</div>", "document.querySelectorAll('.dot').forEach((each, n) => { each.onmousedown = () => show(n); });"),
    "sides": page("<div class=tabs><span>Exterior</span> <span>Interior</span> <span>Boot</span></div><div id=g><img src=/p/PAGE-0.jpg width=300><img src=/p/PAGE-1.jpg width=300></div>", "document.querySelectorAll('.tabs span').forEach((each, n) => { each.onclick = () => { g.innerHTML = [0, 1].map((k) => `<img src=/p/PAGE-${2 * n + k}.jpg width=300>`).join(''); }; });", ""),
    "sides-of-a-hash": page("<nav class=tabs><a href='#0'>Exterior</a> <a href='#2'>Interior</a> <a href='#4'>Details</a></nav><section id=g></section>", "const draw = () => { const at = +location.hash.slice(1); g.innerHTML = [0, 1].map((k) => `<img src=/p/PAGE-${at + k}.jpg width=300>`).join(''); }; onhashchange = draw; draw();", ""),
    "wide": page(f"<div id=w>{HERO}<div id=b>Next</div></div>", "b.onclick = () => {}; w.addEventListener('click', (event) => { if (event.target === b) next(); });"),
    "spots": page(f"<div style='position:relative;width:600px'>{HERO}" + "".join(f"<span class=hotspot style='position:absolute;left:{80 * n}px;top:100px;width:20px;height:20px'></span>" for n in range(1, COUNT)) + "</div><div id=d></div>", "document.querySelectorAll('.hotspot').forEach((each, n) => { each.onclick = () => { d.innerHTML = `<img src=/p/PAGE-${n + 1}.jpg width=400>`; }; });"),
    "dots-of-a-list": page(f"<div class=slider>{HERO}<ol>" + "".join(f"<li data-to={n} style='display:inline-block;width:12px;height:12px'></li>" for n in range(COUNT)) + "</ol></div>", "document.querySelector('ol').onclick = (event) => { if (event.target.dataset.to) show(event.target.dataset.to); };"),
    "headings": page("".join(f"<h3>{side}</h3><div hidden></div>" for side in ("Exterior", "Interior", "Boot")), "document.querySelectorAll('h3').forEach((each, n) => { each.onclick = () => { const under = each.nextElementSibling; under.hidden = !under.hidden; under.innerHTML = [0, 1].map((k) => `<img src=/p/PAGE-${2 * n + k}.jpg width=300>`).join(''); }; });", ""),
    "consent": page("<div id=c class=cookie-layer style='position:fixed;bottom:0;width:100%'><p>This site uses cookies for analytics and ads.</p><span>Accept</span> <span id=n>Decline</span></div><main id=a></main>", "n.onclick = () => { c.remove(); a.innerHTML = [0, 1, 2, 3, 4, 5].map((k) => `<img src=/p/PAGE-${k}.jpg width=300>`).join(''); };", ""),
    "key": page(f"<div id=w tabindex=0>{HERO}</div>", "w.onkeydown = (event) => { if (event.key === 'ArrowRight') next(); };"),
}  # fmt: skip

LATE = {
    "click": page(f"{HERO}<button id=b>Next</button>", "b.onclick = () => setTimeout(next, 1100);"),
    "more": page(f"{TWO}<button id=b>Load more</button>", "b.onclick = () => setTimeout(add, 1200);", ADD),
    "window": page("<div id=l></div>", "let k = 0, busy = false; const add = () => { for (let i = 0; i < 2 && k < 6; i++) l.insertAdjacentHTML('beforeend', `<p><img src=/p/PAGE-${k++}.jpg width=640 height=480></p>`); }; add(); window.onscroll = () => { if (!busy && innerHeight + scrollY > document.body.scrollHeight - 300) { busy = true; setTimeout(() => { add(); busy = false; }, 500); } };", ""),
    "box": page("<div id=l style='height:300px;overflow:auto;width:500px'><img src=/p/PAGE-0.jpg width=480><img src=/p/PAGE-1.jpg width=480></div>", "let k = 2, busy = false; l.onscroll = () => { if (!busy && k < 6 && l.scrollTop + l.clientHeight > l.scrollHeight - 50) { busy = true; setTimeout(() => { l.insertAdjacentHTML('beforeend', `<img src=/p/PAGE-${k++}.jpg width=480>`); busy = false; }, 700); } };", ""),
}  # fmt: skip

ALL = "".join(f"<img src=/p/PAGE-{n}.jpg width=200>" for n in range(COUNT))
CARDS = "".join(
    f"<div class=card data-k={n} style='cursor:pointer;display:inline-block'><img src=/t/PAGE-{n}.jpg width=150><span>View more</span></div>"
    for n in range(3)
)
OTHER = "const other = (k) => { document.querySelector('.stage').innerHTML = `<img src=/other-${k}.jpg width=500 height=400>`; };"
LEFT_ALONE = {
    "routes": page(ALL + CARDS, "document.querySelectorAll('.card').forEach((each) => { each.onclick = () => { history.pushState({}, '', `/car${each.dataset.k}`); other(each.dataset.k); }; });", OTHER),
    "routes-of-pictures": page(ALL + CARDS.replace("<span>View more</span>", ""), "document.querySelectorAll('.card').forEach((each) => { each.onclick = () => { history.pushState({}, '', `/car${each.dataset.k}`); other(each.dataset.k); }; });", OTHER),
    "icons": page(f"<div style='position:relative;width:600px'>{HERO}<i class=heart style='position:absolute;right:5px;top:190px;width:30px;height:30px'></i><i class=ico-cart style='position:absolute;right:5px;top:230px;width:30px;height:30px'></i></div>{ALL}", "document.querySelectorAll('i').forEach((each) => { each.onclick = () => { other(1); }; });", OTHER),
    "words": page(f"{ALL}<div class=b>Buy now</div><div class=b>Next day delivery</div><div class=b>Book a test drive</div>", "document.querySelectorAll('.b').forEach((each) => { each.onclick = () => { other(1); }; });", OTHER),
}  # fmt: skip

AT = "style='position:absolute;right:5px;top:190px;width:30px;height:30px'"
ICONS = {
    "class": f"<button class=b {AT}><i class='fa fa-heart'></i></button>",
    "label": f"<button class=b {AT}><svg aria-label=Like width=20 height=20></svg></button>",
    "sprite": f"<button class=b {AT}><svg width=20 height=20><use href='#icon-bookmark'></use></svg></button>",
    "test-id": f"<button data-testid=favorite-button class=b {AT}><svg width=20 height=20></svg></button>",
    "column": "".join(f"<button class=b {AT.replace('190', str(150 + 40 * n))}><svg width=20 height=20></svg></button>" for n in range(3)),
    "stars": "".join(f"<img class=b src=/t/PAGE-{n}.jpg alt='{n} stars' width=24 height=24>" for n in range(5)),
    "share": "".join(f"<img class=b src=/t/PAGE-{n}.jpg alt='{name}' width=48 height=48>" for n, name in enumerate(("Facebook", "Pinterest", "WhatsApp"))),
    "ways": "<span class=b>Back</span> <span class=b>Top</span>",
}  # fmt: skip
ICON_PAGES = {
    name: page(f"<div style='position:relative;width:600px'>{HERO}{icons}</div>{ALL}", "document.querySelectorAll('.b').forEach((each) => { each.addEventListener('click', () => fetch('/pressed?PAGE')); });", "")
    for name, icons in ICONS.items()
}  # fmt: skip


def collected(server, brands_for, workspace, pages, *, seconds=60):
    urls = {}
    for place, (name, html) in enumerate(pages.items()):
        server.add_pictures(COUNT, prefix=f"/p/{name}-", start=100 * place)
        server.add_pictures(COUNT, prefix=f"/t/{name}-", start=100 * place + 50)
        urls[server.add(f"/{name}", html.replace("PAGE", name).encode(), "text/html")] = name
    limits = {"behaviour_seconds": seconds}
    summary = collector.collect(brands_for(pages=list(urls), limits=limits), workspace)
    with workspace.catalog.read() as connection:
        seen = connection.execute(select(schema.sightings)).all()
    found = Counter(urls[row.page_url.split("#")[0]] for row in seen if "/p/" in row.url)
    return summary, found


@pytest.mark.parametrize("pages", [ONE_BY_ONE, LATE], ids=["answering", "answering late"])
def test_what_answers_to_a_press_is_pressed(server, brands_for, workspace, pages):
    summary, found = collected(server, brands_for, workspace, pages)
    assert found == dict.fromkeys(pages, COUNT)
    assert (summary.partial, summary.failed) == ((), 0)


def test_cards_of_other_cars_and_other_matters_are_left_alone(server, brands_for, workspace):
    summary, found = collected(server, brands_for, workspace, LEFT_ALONE)
    assert found == dict.fromkeys(LEFT_ALONE, COUNT)
    assert server.paths("/other") == server.paths("/car") == []
    assert summary.failed == 0


def test_icons_that_like_rate_or_share_are_left_alone(server, brands_for, workspace):
    summary, found = collected(server, brands_for, workspace, ICON_PAGES)
    assert server.paths("/pressed") == []
    assert found == dict.fromkeys(ICON_PAGES, COUNT)
    assert (summary.partial, summary.failed) == ((), 0)


MANY = "".join(
    f"<div><p>Car {n}<b>of</b><i>many</i></p><button class=i{n} style='width:30px;height:30px'></button></div>"
    for n in range(600)
)


def test_many_buttons_without_words_do_not_take_the_time_of_a_page(server, brands_for, workspace):
    html = f"{HERO}<div id=b class=next {SIZE}></div>{MANY}"
    pages = {"many": page(html, "b.onclick = next;")}
    summary, found = collected(server, brands_for, workspace, pages, seconds=30)
    assert (found, summary.partial) == ({"many": COUNT}, ())


def test_labels_of_several_other_cars_do_not_make_a_page_partial(server, brands_for, workspace):
    cards = CARDS
    for number in (7, 8, 9):
        cards = cards.replace("View more", f"+{number}", 1)
    leads = "document.querySelectorAll('.card').forEach((each) => { each.onclick = () => { history.pushState({}, '', `/car${each.dataset.k}`); other(each.dataset.k); }; });"
    album = "<div id=b style='cursor:pointer'>Alle Fotos</div>"
    routed = "b.onclick = () => { history.pushState({}, '', '/all'); };"
    pages = {"cards": page(ALL + cards, leads, OTHER), "album": page(ALL + album, routed)}
    summary, found = collected(server, brands_for, workspace, pages)
    assert found == dict.fromkeys(pages, COUNT)
    assert len(summary.partial) == 1
    assert '/album: "Alle Fotos" would have led to another page' in summary.partial[0]


def test_a_clock_shows_pictures_of_the_page_while_a_card_of_another_car_is_pressed(
    server, brands_for, workspace
):
    leads = "document.querySelectorAll('.card').forEach((each) => { each.onclick = () => { try { history.pushState({}, '', `/car${each.dataset.k}`); } catch {} c.src = '/p/PAGE-5.jpg'; }; });"
    turn = "const turn = () => { m.src = `/p/PAGE-${n = (n + 1) % 5}.jpg`; };"
    clocks = {"interval": "setInterval(turn, 1000);", "chain": "(function on() { turn(); setTimeout(on, 1000); })();"}  # fmt: skip
    body = f"{HERO}{CARDS}<img id=c src=/t/PAGE-0.jpg width=300>"
    pages = {name: page(body, f"{turn}{clock}{leads}") for name, clock in clocks.items()}
    summary, found = collected(server, brands_for, workspace, pages)
    assert found == dict.fromkeys(pages, 5)  # not what the card showed
    assert (summary.partial, summary.failed) == ((), 0)
