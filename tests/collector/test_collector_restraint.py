"""Exploring a page neither leaves it nor consents, submits, books or votes."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]

SHOWN = 4
IMAGES = "".join(f"<img width=300 height=200 src=/p/PAGE-{n}.jpg>" for n in range(SHOWN))
SIZE = "style='width:30px;height:30px'"


def collect(server, brands_for, workspace, pages, *, pictures=SHOWN, seconds=40):
    """Return the summary, and how many of its own pictures each page gave."""
    urls = {}
    for place, (name, html) in enumerate(pages.items()):
        server.add_pictures(pictures, prefix=f"/p/{name}-", start=500 * place)
        html = (
            f"<!doctype html><meta charset=utf-8><title>{name}</title>{html.replace('PAGE', name)}"
        )
        urls[server.add(f"/{name}", html.encode(), "text/html; charset=utf-8")] = name
    brands = brands_for(pages=list(urls), limits={"behaviour_seconds": seconds})
    summary = collector.collect(brands, workspace)
    with workspace.catalog.read() as connection:
        seen = connection.execute(select(schema.sightings)).all()
    found = Counter(
        urls[row.page_url] for row in seen if f"/p/{urls.get(row.page_url)}-" in row.url
    )
    return summary, found


def swatches(script):
    buttons = "".join(
        f'<button aria-label="Paint {n}" {SIZE} onclick="{script}"></button>' for n in range(4)
    )
    return f"{IMAGES}<div class=colours>{buttons}</div>"


def listened(script):
    """Swatches whose listener can't be read by their attributes."""
    return swatches("1") + (
        "<script>document.querySelectorAll('button').forEach((each) => each.addEventListener("
        f"'click', () => {{ {script} }}))</script>"
    )


OPTIONS = "<option>Red<option>Blue<option>Green"
LEAVING = {
    "attribute": swatches("location.href='/else?a'"),
    "listener": listened("location.href='/else?l'"),
    "later": listened("setTimeout(() => location.assign('/else?t'), 100)"),
    "reload": listened("location.reload()"),
    "window": listened("window.open('/else?w')"),
    "download": listened("location.href='/file.bin'"),
    "select": f"{IMAGES}<form action=/else><select name=colour onchange='this.form.submit()'>{OPTIONS}</select></form>",
    "post": f"{IMAGES}<form method=post action=/else><select name=colour id=s>{OPTIONS}</select></form>"
    "<script>s.addEventListener('change', () => s.form.submit())</script>",
    "radio": f"{IMAGES}<form action=/else><fieldset><legend>Colour</legend>"
    + "".join(f"<label><input type=radio name=colour value={n}>Paint {n}</label>" for n in range(3))
    + "</fieldset></form><script>document.querySelectorAll('input').forEach((each) => "
    "each.onchange = () => each.form.submit())</script>",
    "card": f"{IMAGES}<script>document.querySelectorAll('img').forEach((each, n) => "
    "each.addEventListener('click', () => { location.href = '/else?card=' + n; }))</script>",
}  # fmt: skip


def test_no_press_leaves_the_page(server, brands_for, workspace):
    server.add("/else", IMAGES.replace("PAGE", "else").encode(), "text/html")
    server.add("/file.bin", b"x" * 1000, "application/octet-stream")
    summary, found = collect(server, brands_for, workspace, LEAVING)
    assert server.paths("/else") == []
    assert server.paths("/file.bin") == []
    assert found == dict.fromkeys(LEAVING, SHOWN)
    assert (summary.partial, summary.failed) == ((), 0)


# A canvas that turns while it is dragged, and whose click leads away by a link and by a script
DRAGGED = """<!doctype html><a href=/else?link><canvas id=c width=600 height=400></canvas></a><script>
const paint = c.getContext('2d'); let down = false, at = 0, n = 0;
const draw = () => { for (let k = 0; k < 60; k++) { paint.fillStyle = `hsl(${30 * n + 6 * k} 80% ${30 + k % 7 * 8}%)`; paint.fillRect(10 * k, 0, 10, 400); } };
c.onmousedown = (event) => { down = true; at = event.clientX; event.preventDefault(); };
onmousemove = (event) => { if (down && event.clientX - at > 20) { at = event.clientX; n = (n + 1) % 12; draw(); } };
onmouseup = () => { down = false; location.href = '/else?script'; };
draw();</script>"""


def test_dragging_a_canvas_does_not_leave_the_page(server, brands_for, workspace):
    server.add("/else", IMAGES.replace("PAGE", "else").encode(), "text/html")
    page = server.add("/turn", DRAGGED.encode(), "text/html")
    brands = brands_for(spinners=[page], limits={"behaviour_seconds": 60})
    summary = collector.collect(brands, workspace)
    assert server.paths("/else") == []
    assert summary.downloaded == 12
    with workspace.catalog.read() as connection:
        seen = connection.execute(select(schema.sightings)).all()
    assert {(row.page_url, row.capture, row.frames) for row in seen} == {(page, "canvas", 12)}


def press(what, say=""):
    return f"onclick=\"fetch('/pressed?{what}{say}')\""


def icons(*titles, kind="bar"):
    buttons = "".join(
        f"<button title='{each}' {SIZE} {press(each.replace(' ', '-'))}></button>"
        for each in titles
    )
    return f"<div class={kind}>{buttons}</div>"


def labels(*texts, kind="box", name="c"):
    each = "".join(
        f"<label><input type=radio name={name} onchange=\"fetch('/pressed?{text.split()[0]}')\">{text}</label>"
        for text in texts
    )
    return f"<div class={kind}>{each}</div>"


def numbers(name):
    return "".join(f"<button {press(name)}>{n}</button>" for n in range(11))


def switches(kind):
    return "".join(
        f"<button role={kind} aria-checked=false aria-label='{each}' {SIZE} {press(each)}></button>"
        for each in ("Marketing", "Statistics", "Social")
    )


ALONE = {
    "banner": "<div id=prefs style='position:fixed;bottom:0;left:0;right:0'>We use cookies"
    f"<ul class=colours>{switches('switch')}</ul><button>Save</button></div>",
    "switches": f"<div class=swatches>{switches('switch')}{switches('checkbox')}</div>",
    "consent": labels("Essential only", "Accept all cookies", "Everything", kind="choice"),
    "topic": f"<div class=swatches><p>Cookies</p>{icons('one', 'two', 'three')}</div>",
    "pay": labels("Lease", "Cash", "Finance"),
    "account": icons("Log out", "Trash", "Book now", "Pay"),
    "coloured": icons("Log out", "Trash", "Book now", "Pay", kind="swatches"),
    "styled": icons("One", "Two", "Three", kind="'MuiIconButton-colorPrimary text-color-2'"),
    "nps": f"<div class=survey><p>How likely are you to recommend us?</p><div>{numbers('nps')}</div></div>",
    "plain": f"<div><p>How likely?</p><div>{numbers('plain')}</div></div>",
    "calendar": f"<table class=calendar><tr><td>{numbers('day')}</td></tr></table>"
    f"<div class='date-picker gallery'>{numbers('day2')}</div>",
    "dialog": f"<div role=dialog><div class=swatches>{icons('one', 'two', 'three')}</div></div>",
    "vote": f"<button {press('vote')}>+1</button>",
    "dial": f"<button {press('dial')}>+2 Korea</button><p style='height:400px'></p><button {press('far')}>+49</button>",
    "form": f"<form><button type=button {press('form')}>+7</button></form>",
    "next": f"<div class=feedback-survey><button {press('next')} aria-label=Next>Next</button></div>",
}  # fmt: skip


def test_consent_accounts_votes_and_surveys_are_left_alone(server, brands_for, workspace):
    server.add("/pressed", b"ok", "text/plain")
    pages = {name: IMAGES + html for name, html in ALONE.items()}
    _, found = collect(server, brands_for, workspace, pages)
    assert server.paths("/pressed") == []
    assert found == dict.fromkeys(ALONE, SHOWN)


def shows(count, kind, titles=None, start=1):
    """Controls without text, of which each shows one more picture."""
    return (
        f"<div class={kind}>"
        + "".join(
            f"<button title='{titles[n - start] if titles else f'c{n}'}' {SIZE} "
            f"onclick=\"h.src='/p/PAGE-{n}.jpg'\"></button>"
            for n in range(start, start + count)
        )
        + "</div>"
    )


HERO = "<img id=h width=600 height=400 src=/p/PAGE-0.jpg>"
PAINTS = ["Signal Red", "Sprint Blue", "Signature Gold", "Design White", "Border Green", "Airbag", "Lime"]  # fmt: skip


def test_words_within_names_of_colours_do_not_hide_them(server, brands_for, workspace):
    pages = {
        "paints": HERO + shows(len(PAINTS), "swatches", PAINTS),
        "named": HERO + shows(3, "x", ["Paint order", "Ice Red", "Sea Blue"]),
        "camel": HERO + shows(4, "colorSwatchList"),
        "styled": HERO + shows(4, "'print:hidden order-2 carouselDots'"),
    }
    summary, found = collect(server, brands_for, workspace, pages, pictures=9)
    assert found == {"paints": 8, "named": 3, "camel": 5, "styled": 5}
    assert summary.partial == ()


def test_choices_that_were_not_tried_make_a_page_partial(server, brands_for, workspace):
    def idle(n):
        return "".join(f"<button class=dot {SIZE} title='g{n}'></button>" for _ in range(3))

    pages = {
        "groups": HERO + "".join(f"<div>{idle(n)}</div>" for n in range(9)) + shows(4, "dots"),
        "long": HERO + shows(120, "swatches"),
        # The last swatch of each row brings another row.
        "chain": HERO + "<div id=c></div><script>let n = 0; const more = () => {"
        f"const row = document.createElement('div'); row.className = 'swatches'; row.innerHTML = `<button title=paint {SIZE}></button>`.repeat(3);"
        "[...row.children].forEach((each, k) => { each.onclick = () => { h.src = `/p/PAGE-${n += 1}.jpg`; if (k === 2) more(); }; });"
        "c.append(row); }; more()</script>",
    }  # fmt: skip
    summary, found = collect(server, brands_for, workspace, pages, pictures=121, seconds=90)
    assert (found["groups"], found["long"]) == (5, 121)
    assert len(summary.partial) == 1
    assert "/chain" in summary.partial[0]
    assert "4 looks" in summary.partial[0]


STAGE = (
    "<div class=stage style='width:600px'><img id=h width=600 height=400 src=/p/PAGE-0.jpg></div>"
)
TURNS = "<script>let n = 0; const show = (to) => { n = (to + 12) % 12; h.src = `/p/PAGE-${n}.jpg`; }</script>"
VIEWERS = {
    "slider": f"<div class=viewer>{STAGE}<input type=range min=0 max=11 oninput='show(+value)'></div>",
    "button": f"<div class=viewer>{STAGE}<button class=btn-left onclick='show(n - 1)'>&lt;</button>"
    "<button aria-label='Rotate right' onclick='show(n + 1)'><svg width=9 height=9></svg></button></div>",
    "word": f"{STAGE}<button onclick='show(n + 1)'>Next</button>",
}
OTHERS = {
    "shop": f"{STAGE}<button {press('shop')}>Return to shop</button><button class=float-right {press('right')}>Contact</button>",
    "copy": f"{STAGE}<button class=bright {press('bright')}></button><button title=Copyright {press('copy')}></button>",
    "lead": f"{STAGE}<form action=/pressed><input name=mail><button>Next</button></form>",
    "outside": f"{STAGE}<form id=f action=/pressed></form><button form=f>Next</button>",
    "link": f"{STAGE}<a class=arrow-right href=/pressed?link>&gt;</a><button onclick=\"location='/pressed?go'\">Next</button>",
    "script": f"{STAGE}<button id=b>Next</button><script>b.addEventListener('click', () => {{ location.href = '/pressed?script'; }})</script>",
    "price": f"{STAGE}<label>Price <input type=range oninput=\"fetch('/pressed?price')\"></label>",
    "around": f"<a href=/pressed?around>{STAGE}</a>",
    "far": f"{STAGE}<p style='height:400px'></p><input type=range oninput=\"fetch('/pressed?far')\">",
}  # fmt: skip


def test_only_a_control_of_the_viewer_turns_it(server, brands_for, workspace):
    server.add("/pressed", b"ok", "text/plain")
    urls = {}
    for place, (name, html) in enumerate((VIEWERS | OTHERS).items()):
        server.add_pictures(12, prefix=f"/p/{name}-", start=500 * place)
        html = f"<title>{name}</title>{TURNS}{html}".replace("PAGE", name)
        urls[server.add(f"/{name}", html.encode(), "text/html")] = name
    brands = brands_for(spinners=list(urls), limits={"behaviour_seconds": 20})
    with pytest.raises(collector.IncompleteCollectError):  # the others have no frames
        collector.collect(brands, workspace)
    assert server.paths("/pressed") == []
    with workspace.catalog.read() as connection:
        seen = connection.execute(select(schema.sightings)).all()
    frames = Counter(urls[row.page_url] for row in seen)
    assert {name: frames[name] for name in VIEWERS} == dict.fromkeys(VIEWERS, 12)
