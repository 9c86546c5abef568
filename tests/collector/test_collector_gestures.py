"""Pictures that come by the pointer, a key, a swipe or a slider of numbers, without a button for them."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

from collections import Counter

import pytest
from picture_server import picture
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]

COUNT = 6
HERO = "<img id=m src=/p/PAGE-0.jpg width=600 height=400 draggable=false>"
SHOW = "const show = (n) => { m.src = `/p/PAGE-${n}.jpg`; }; let n = 0, next = () => { if (n < 5) show(n += 1); };"
THUMBS = "".join(f"<li><img data-n={n} src=/t/PAGE-{n}.jpg width=80>" for n in range(COUNT))


def page(body, script):
    return f"{body}<script>{SHOW}{script}</script>"


PAGES = {
    "over": page(
        f"{HERO}<ul>{THUMBS}</ul>",
        "document.querySelectorAll('[data-n]').forEach((each) => each.addEventListener('mouseenter', () => show(each.dataset.n)));",
    ),
    "over-attribute": page(
        HERO
        + "".join(
            f"<a onmouseover='show({n})'><img src=/t/PAGE-{n}.jpg width=80></a>" for n in range(COUNT)
        ),
        "",
    ),
    "views": page(
        f"{HERO}<select id=s>"
        + "".join(
            f"<option value={n}>{text}"
            for n, text in enumerate(("Front", "Rear", "Left", "Right", "Seats", "Boot"))
        )
        + "</select>",
        "s.onchange = () => show(s.value);",
    ),
    "swipe": page(
        f"<div id=c class=carousel style='width:600px'>{HERO}</div>",
        "let x = null; c.onpointerdown = (event) => { x = event.clientX; };"
        "onpointerup = (event) => { if (x !== null && event.clientX - x < -40) next(); x = null; };",
    ),
    "key": page(HERO, "addEventListener('keydown', (event) => { if (event.key === 'ArrowRight') next(); });"),
    "click": page(f"<div class=gallery>{HERO}</div>", "m.style.cursor = 'pointer'; m.onclick = next;"),
    "numbers": page(f"{HERO}<input id=r type=range min=0 max=5 value=0>", "r.oninput = () => show(r.value);"),
}  # fmt: skip


def collect(server, brands_for, workspace, pages):
    urls = {}
    for place, (name, html) in enumerate(pages.items()):
        server.add_pictures(COUNT, prefix=f"/p/{name}-", start=100 * place)
        server.add_pictures(COUNT, prefix=f"/t/{name}-", start=100 * place + 50)
        html = f"<!doctype html><title>{name}</title>{html.replace('PAGE', name)}"
        urls[server.add(f"/{name}", html.encode(), "text/html")] = name
    brands = brands_for(pages=list(urls), limits={"behaviour_seconds": 60})
    summary = collector.collect(brands, workspace)
    with workspace.catalog.read() as connection:
        seen = connection.execute(select(schema.sightings)).all()
    return summary, Counter(urls[row.page_url.split("?")[0]] for row in seen if "/p/" in row.url)


def test_pictures_that_a_gesture_shows_are_collected(server, brands_for, workspace):
    summary, found = collect(server, brands_for, workspace, PAGES)
    assert found == dict.fromkeys(PAGES, COUNT)
    assert (summary.partial, summary.failed) == ((), 0)


def moves(*steps):
    """Give a page whose arrow key leads to the pages of other models."""
    steps = "".join(steps).replace("ADDRESS", "history.pushState({}, '', '/other-model-' + n);")
    return page(
        f"<h1>Model A</h1>{HERO}",
        f"addEventListener('keydown', (event) => {{ if (event.key !== 'ArrowRight' || n === 5) return; n += 1; {steps} }});",
    )


MODELS = {
    "address-first": moves("ADDRESS", "show(n);"),
    "picture-first": moves("show(n);", "ADDRESS"),
    "by-location": moves("show(n);", "location.href = '/other-model-' + n;"),
    "after-a-while": moves("const to = n; setTimeout(() => { const n = to; ADDRESS show(n); }, 300);"),
    "query": moves("history.replaceState({}, '', '?model=' + n);", "show(n);"),
}  # fmt: skip
OWN = {"hash": moves("history.replaceState({}, '', '#' + n);", "show(n);")}


def test_a_key_that_leads_to_other_models_brings_none_of_their_pictures(
    server, brands_for, workspace
):
    _, found = collect(server, brands_for, workspace, MODELS | OWN)
    assert found == dict.fromkeys(MODELS, 1) | dict.fromkeys(OWN, COUNT)


def test_a_bad_address_that_comes_with_another_address_does_not_lose_the_page(
    server, brands_for, workspace
):
    bad = "document.body.insertAdjacentHTML('beforeend', '<img src=\"http://[bad\">');"
    summary, found = collect(
        server, brands_for, workspace, {"bad": moves(bad, "show(n);", "ADDRESS")}
    )
    assert (found, summary.failed, summary.pages.get("failed", 0)) == ({"bad": 1}, 0, 0)


TOLD = "fetch('/told?' + event.type)"
ALONE = {
    "menu": f"{HERO}<nav>" + f"<img width=80 src=/t/PAGE-0.jpg onmouseover=\"{TOLD}\">" * 4 + "</nav>",
    "credit": f"{HERO}<div class=financing><input type=range max=9 oninput=\"{TOLD}\"></div>",
    "form": f"{HERO}<form><input type=range max=9 oninput=\"{TOLD}\"></form>",
    "far": f"{HERO}<div style='height:900px'></div><input type=range max=9 oninput=\"{TOLD}\">",
    "damage": f"{HERO}<form><select name=damage onchange=\"{TOLD}\"><option>Front<option>Rear<option>Left</select></form>",
    "price": f"{HERO}<div class=filter><label>Max price</label><input type=range max=9 oninput=\"{TOLD}\"></div>",
    "rate": f"{HERO}<div class=monthly-rate><input type=range max=9 oninput=\"{TOLD}\"></div>",
    "bid": f"{HERO}<label>Offer your price</label><input type=range max=9 oninput=\"{TOLD}\">",
    "mileage": f"{HERO}<label for=r>Mileage</label><p><input id=r type=range max=9 oninput=\"{TOLD}\"></p>",
    "year": f"{HERO}<input type=range name=minYear max=9 oninput=\"{TOLD}\">",
    "plain": f"<div>{HERO}</div><script>document.querySelector('div').onpointerdown = (event) => {TOLD}</script>",
    "country": f"{HERO}<select id=country onchange=\"{TOLD}\"><option>Korea<option>Japan<option>Spain</select>",
}  # fmt: skip


def test_gestures_are_left_out_where_nothing_says_gallery(server, brands_for, workspace):
    _, found = collect(server, brands_for, workspace, ALONE)
    assert server.paths("/told") == []
    assert found == dict.fromkeys(ALONE, 1)


# Each picture has an address of its own.
LINKS = "".join(
    f"<a href='?photo={n}'><img src=/t/PAGE-{n}.jpg width=120 height=80></a>" for n in range(COUNT)
)
KEY = "addEventListener('keydown', (event) => { if (event.key !== 'ArrowRight' || n === 5) return; n += 1; STEP });"
DIALOG = (
    "<button onclick='d.showModal()'>View gallery</button><dialog id=d>" + HERO + "</dialog>"
)  # fmt: skip


def turned(step, body=HERO):
    return page(body, KEY.replace("STEP", step))


ADDRESSED = {
    "query": turned("history.pushState({}, '', '?photo=' + n); show(n);"),
    "query-of-images": turned("show(n); history.replaceState({}, '', '?image_id=' + n);"),
    "path": turned("history.pushState({}, '', '/path/photos/' + n); show(n);"),
    "button": page(f"{HERO}<button class=next>Next</button>", "document.querySelector('.next').onclick = () => { next(); history.pushState({}, '', '?slide=' + n); };"),
    "links": page(f"{HERO}{LINKS}", "document.querySelectorAll('a').forEach((a, k) => { a.onclick = (event) => { event.preventDefault(); history.pushState({}, '', a.href); show(k); }; });"),
    "dialog": turned("history.pushState({}, '', '?photo=' + n); show(n);", DIALOG),
    "dialog-encoded": turned("history.pushState({}, '', '?make=Alfa%20Romeo&ids=5,6&photo=' + n); show(n);", DIALOG + "<script>history.replaceState({}, '', '?make=Alfa%20Romeo&ids=5,6')</script>"),
}  # fmt: skip
AWAY = {
    "dialog-key": turned("history.pushState({}, '', '/other-model-' + n); show(n);", DIALOG),
    "dialog-key-late": turned("show(n); history.pushState({}, '', '/other-model-' + n);", DIALOG),
}  # fmt: skip
LARGE = "<img src=/large.jpg width=600 height=400>"
SERVED = {"links": f"{LARGE}{LINKS}", "next": f"{HERO}<a href='?photo=1' class=next>Next</a>"}

# The bytes of another model's picture, in an element, a style and a canvas
FETCHED = "fetch(`/p/PAGE-${n}.jpg`).then((got) => got.blob())"
PAINTED = {
    "element": turned(f"{FETCHED}.then((blob) => {{ const file = new FileReader(); file.onload = () => {{ m.src = file.result; }}; file.readAsDataURL(blob); }}); history.pushState({{}}, '', '/other-model-' + n);"),
    "style": turned(f"{FETCHED}.then((blob) => {{ const file = new FileReader(); file.onload = () => {{ b.style.backgroundImage = `url(${{file.result}})`; }}; file.readAsDataURL(blob); }}); history.pushState({{}}, '', '/other-model-' + n);", f"{HERO}<div id=b style='width:300px;height:200px'></div>"),
    "canvas": turned(f"{FETCHED}.then(createImageBitmap).then((map) => c.getContext('2d').drawImage(map, 0, 0)); history.pushState({{}}, '', '/other-model-' + n);", f"{HERO}<canvas id=c width=600 height=400></canvas>"),
}  # fmt: skip


def test_pictures_with_an_address_of_their_own_are_of_the_page(server, brands_for, workspace):
    summary, found = collect(server, brands_for, workspace, ADDRESSED)
    assert found == dict.fromkeys(ADDRESSED, COUNT)
    assert (summary.partial, summary.failed) == ((), 0)


def test_the_arrow_key_in_a_dialog_does_not_bring_another_page(server, brands_for, workspace):
    _, found = collect(server, brands_for, workspace, AWAY)
    assert found == dict.fromkeys(AWAY, 1)


def test_pictures_at_addresses_that_the_server_answers_make_a_page_partial(
    server, brands_for, workspace
):
    server.add("/large.jpg", picture(900, (1600, 1200)))
    summary, _ = collect(server, brands_for, workspace, SERVED)
    assert len(summary.partial) == len(SERVED)
    assert all("photo=" in str(each) for each in summary.partial)


def test_what_another_page_has_painted_is_left_out(server, brands_for, workspace):
    _, found = collect(server, brands_for, workspace, PAINTED)
    with workspace.catalog.read() as connection:
        seen = connection.execute(select(schema.sightings.c.capture)).scalars().all()
    assert found == dict.fromkeys(PAINTED, 1)
    assert "inline" not in seen


# The arrow key in a dialog leads to addresses that may be of its pictures, or of other cars.
UNSURE = {
    "item": turned("history.pushState({}, '', '?item=' + n); show(n);", DIALOG),
    "index": turned("history.pushState({}, '', '?index=' + n); show(n);", DIALOG),
    "media": turned("history.pushState({}, '', '?media=' + n); show(n);", DIALOG),
    "gallery": turned("history.pushState({}, '', '/gallery/gallery/' + n); show(n);", DIALOG),
    "name": turned("history.pushState({}, '', '?photo=front-' + n); show(n);", DIALOG),
}  # fmt: skip
GALLERIES = {
    name: turned(f"history.pushState({{}}, '', '?{name}=' + n); show(n);")
    for name in ("gallery", "gallery_id", "lightbox")
}
INDEXED = {"gallery_index": turned("history.pushState({}, '', '?gallery_index=' + n); show(n);")}
CARS = "<h2>Other cars</h2>" + "".join(f"<p><a href='?KEY={n}'>Another car {n}</a>" for n in range(3))  # fmt: skip
TEXTS = {name: HERO + CARS.replace("KEY", name) for name in ("gallery", "gallery_id", "image")}


def test_a_page_is_partial_where_the_arrow_key_in_a_dialog_leaves_it(server, brands_for, workspace):
    summary, found = collect(server, brands_for, workspace, UNSURE)
    assert found == dict.fromkeys(UNSURE, 1)
    assert len(summary.partial) == len(UNSURE)
    assert all("the arrow key in an opened gallery led to" in str(each) for each in summary.partial)


def test_the_number_of_a_gallery_is_not_that_of_a_picture(server, brands_for, workspace):
    _, found = collect(server, brands_for, workspace, GALLERIES | INDEXED)
    assert found == dict.fromkeys(GALLERIES, 1) | dict.fromkeys(INDEXED, COUNT)


def test_links_of_words_to_other_cars_leave_a_page_done(server, brands_for, workspace):
    summary, found = collect(server, brands_for, workspace, TEXTS)
    assert (found, summary.partial) == (dict.fromkeys(TEXTS, 1), ())


KOREAN = ["%C7%F6%B4%EB", "%B8%A3%B3%EB", "%B1%E2%BE%C6", "%B4%EB%BF%EC"]  # makes, in EUC-KR


def test_addresses_in_the_encoding_of_a_page_are_of_other_models(server, brands_for, workspace):
    server.add_pictures(6, prefix="/p/korean-")
    turn = "if (event.key === 'ArrowRight' && n < 3) { n += 1; history.pushState({}, '', '?car=' + cars[n]); m.src = `/p/korean-${n}.jpg`; }"
    html = f"<!doctype html><img id=m src=/p/korean-0.jpg width=600 height=400><script>let n = 0; const cars = {KOREAN}; onkeydown = (event) => {{ {turn} }};</script>"
    url = server.add("/list", html.encode(), "text/html") + f"?car={KOREAN[0]}"
    collector.collect(brands_for(pages=[url], limits={"behaviour_seconds": 30}), workspace)
    assert server.paths("/p/korean-") == ["/p/korean-0.jpg"]
