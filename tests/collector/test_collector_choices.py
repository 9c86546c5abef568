"""Pictures that are behind a choice: a dot, a swatch, a number, a section, a picture that opens."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]

COUNT = 6
SHOW = "const show = (n) => { h.src = `/p/PAGE-${n}.jpg`; };"
EACH = "document.querySelectorAll('[data-n]').forEach((each) => each.ACT = () => show(each.dataset.n));"
ADD = (
    "const add = (...all) => { h.insertAdjacentHTML('beforeend', all.map((n) => "
    "`<img width=300 src=/p/PAGE-${n}.jpg>`).join('')); };"
)
HERO = "<img id=h width=600 height=400 src=/p/PAGE-0.jpg>"


def all_of(text, *, start=0):
    return "".join(text.replace("N", str(n)) for n in range(start, COUNT))


def one_by_one(controls, act="onclick"):
    return f"{HERO}<div>{controls}</div><script>{SHOW}{EACH.replace('ACT', act)}</script>"


def dialog(controls):
    """Return a page whose gallery opens in a dialog, with the listeners set when it opens."""
    return (
        "<button id=b>View gallery</button><script>b.onclick = () => { document.body.insertAdjacentHTML('beforeend', "
        f"`<div role=dialog style='position:fixed;inset:0;background:#fff'><h2>Gallery</h2>{HERO}{controls}</div>`); "
        "const d = document.querySelector('[role=dialog]'), i = d.querySelector('img'); "
        "const go = (n) => { i.src = `/p/PAGE-${n}.jpg`; }; "
        "d.querySelectorAll('[data-n]').forEach((each) => each.onclick = () => go(each.dataset.n)); "
        "const s = d.querySelector('select'); if (s) s.onchange = () => go(s.value); b.onclick = null; }</script>"
    )


DOT = "<span class=dot data-n=N style='display:inline-block;width:12px;height:12px;cursor:pointer'></span>"
PAGES = {
    "dots": one_by_one(all_of(DOT)),
    "swatches": one_by_one(
        all_of("<button aria-label='Paint N' data-n=N style='width:30px;height:30px'></button>")
    ),
    "radio": one_by_one(all_of("<label><input type=radio name=c data-n=N>Red N</label>"), "onchange"),
    "select": f"{HERO}<select id=s aria-label=Colour>{all_of('<option value=N>Red N</option>')}</select>"
    f"<script>{SHOW} s.onchange = () => show(s.value)</script>",
    "numbers": f"<div id=h></div><nav class=pagination>{all_of('<a href=?p=N data-n=N>N</a>', start=1)}"
    f"</nav><script>{ADD} add(0); document.querySelectorAll('a').forEach((each) => each.onclick = "
    "(event) => { event.preventDefault(); h.innerHTML = ''; add(each.dataset.n); })</script>",
    "sections": "<div id=h></div>"
    + all_of("<p><button aria-expanded=false aria-controls=sN data-n=N>Part N</button></p>")
    + f"<script>{ADD} const show = (n) => add(n); {EACH.replace('ACT', 'onclick')}</script>",
    "plus": f"<div id=h></div><button id=b>+5</button><script>{ADD} add(0);"
    " b.onclick = () => add(1, 2, 3, 4, 5)</script>",
    "forward": f"{HERO}<button aria-label=Forward id=b><svg width=20 height=20></svg></button>"
    f"<script>{SHOW} let n = 0; b.onclick = () => show(n = Math.min(5, n + 1))</script>",
    # In a shadow root, without an element around them
    "shadow": "<div id=s></div><script>const root = s.attachShadow({mode: 'open'}); root.innerHTML = "
    "'<img width=600 height=400 src=/p/PAGE-0.jpg>' + [0, 1, 2, 3, 4, 5].map((n) => `<button class=dot "
    "style='width:20px;height:20px' aria-label=${n}></button>`).join(''); const h = root.querySelector('img');"
    f"{SHOW} root.querySelectorAll('button').forEach((each, n) => each.onclick = () => show(n))</script>",
    "opened": "<div id=h></div>"
    + all_of("<img width=300 height=200 src=/t/PAGE-N.jpg data-n=N>")
    + "<script>document.querySelectorAll('[data-n]').forEach((each) => each.addEventListener("
    "'click', () => { h.innerHTML = `<img src=/p/PAGE-${each.dataset.n}.jpg>`; }))</script>",
    # A dialog that a button opens, with tabs, swatches or a select inside
    "dialog-tabs": dialog(all_of("<button role=tab data-n=N>Part N</button>", start=1)),
    "dialog-swatches": dialog(
        "<div class=colours>"
        + all_of("<button aria-label='Paint N' data-n=N style='width:30px;height:30px'></button>", start=1)
        + "</div>"
    ),
    "dialog-select": dialog(
        f"<select aria-label=Colour>{all_of('<option value=N>Red N</option>')}</select>"
    ),
    # One listener for all of them, as Unite Gallery's tiles have it
    "delegated": "<div id=g class=gallery>"
    + all_of("<p><img width=300 height=200 src=/t/PAGE-N.jpg data-n=N style='cursor:pointer'></p>")
    + "</div><div id=h></div><script>g.addEventListener('click', (event) => { h.innerHTML = "
    "`<img src=/p/PAGE-${event.target.dataset.n}.jpg>`; })</script>",
}  # fmt: skip


def test_pictures_behind_a_choice_are_collected(server, brands_for, workspace):
    urls = {}
    for place, (name, html) in enumerate(PAGES.items()):
        server.add_pictures(COUNT, prefix=f"/p/{name}-", start=100 * place)
        if name in {"opened", "delegated"}:
            server.add_pictures(COUNT, prefix=f"/t/{name}-", start=100 * place + 50)
        html = f"<title>{name}</title>{html.replace('PAGE', name)}"
        urls[server.add(f"/{name}", html.encode(), "text/html")] = name
    limits = {"behaviour_seconds": 60}
    summary = collector.collect(brands_for(pages=list(urls), limits=limits), workspace)
    with workspace.catalog.read() as connection:
        seen = connection.execute(select(schema.sightings)).all()
    found = Counter(urls[row.page_url] for row in seen if "/p/" in row.url)
    assert found == dict.fromkeys(PAGES, COUNT)
    assert all(f"/{urls[row.page_url]}-" in row.url[9:] for row in seen)
    assert summary.partial == ()


@pytest.mark.parametrize(
    ("sign", "reason"),
    [
        ("<ul class=pager><li class=active>1<li><a href=?p=2>2</a></ul>", "goes on at"),
        ('<script type=application/ld+json>{"@type":"ImageGallery","numberOfItems":9}</script>',
         "announces 9"),
        ("<p>1 / 9</p>", "announces 9"),
        ("<button>+7</button>", '"+7" did not open'),
    ],
)  # fmt: skip
def test_what_a_page_says_to_be_missing_makes_it_partial(
    server, brands_for, workspace, sign, reason
):
    images = "".join(f"<img src={url} width=300>" for url in server.add_pictures(3))
    page = server.add("/a", (images + sign).encode(), "text/html")
    summary = collector.collect(brands_for(pages=[page]), workspace)
    assert reason in summary.partial[0]


def test_controls_that_do_something_else_are_left_alone(server, brands_for, workspace):
    images = "".join(f"<img src={url} width=300>" for url in server.add_pictures(3))
    buttons = "".join(
        f"<button class='{kind}' style='width:40px;height:40px' title='{kind} {n}'></button>"
        for kind in ("add-to-cart", "like", "share", "delete")
        for n in range(4)
    )
    rows = f"<li>{buttons}</li>" * 3
    script = (
        "<script>document.querySelectorAll('button').forEach((each) => each.onclick = () => "
        "fetch('/pressed'))</script>"
    )
    cards = "<main id=m>" + images.replace("<img", "<img style='cursor:pointer'") + "</main>"
    script += "<script>m.addEventListener('click', () => fetch('/pressed'))</script>"
    page = server.add("/a", f"{cards}<ul>{rows}</ul>{script}".encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    assert server.paths("/pressed") == []
