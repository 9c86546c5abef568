"""What makes a page partial, and what only looks like it."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

import base64

import pytest
from picture_server import picture
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
FOUR = "".join(f"<img width=300 height=200 src=/p/PAGE-{n}.jpg>" for n in range(4))
MORE = "".join(f"<img hidden width=300 src=/p/PAGE-{n}.jpg>" for n in range(4, 11))
BEACON = "<script>let k = 0; document.addEventListener('click', () => { new Image().src = '/px.gif?c=' + k++; }, true)</script>"
TURN = "<img id=h width=600 height=400 src=/p/PAGE-0.jpg><script>let n = 0; setInterval(() => { h.src = '/p/PAGE-0.jpg?' + (n = Math.min(40, n + 1)); }, 900)</script>"
HEART = "<script>setInterval(() => { new Image().src = '/px.gif?t=' + Date.now(); }, 1500)</script>"
ADD = "<button onclick=\"for (let n = 2; n < 9; n++) document.body.insertAdjacentHTML('beforeend', '<img width=300 src=/p/PAGE-' + n + '.jpg>')\">Load more</button>"

CARD = "<div style='position:relative;display:inline-block'><img width=300 height=200 src=/p/PAGE-0.jpg><b style='position:absolute;left:10px;top:10px'>1/18</b></div>"
OVER = "<div style='position:relative;width:300px'><img width=300 height=200 src=/p/PAGE-0.jpg><span style='position:absolute;left:10px;top:10px'>"

COMPLETE = {
    "pixel": "<img width=1 height=1 src=/gone.gif?a>",
    "hidden": "<img style='display:none' src=/gone.gif?b>",
    "noscript": "<noscript><img height=1 width=1 style='display:none' src=/gone?c></noscript>",
    "dead-host": "<img width=1 height=1 src=http://127.0.0.1:9/px.gif>",
    "icon": "<img width=16 height=16 alt='' src=/gone.png>",
    "icon-by-style": "<style>.i{width:24px;height:24px}</style><img class=i src=/gone.png?d>",
    "seven-there": f"<button>+7</button><div>{MORE}</div>",
    "dial-code": "<div style='margin-top:300px'><button>+49</button></div>",
    "colours": "<button>+3 colours</button>",
    "country": "<button>+2 Korea</button>",
    "page-root": "<div class=pageRoot><a href=/cars/911>911</a></div>",
    "comments": "<div class=comments-pagination><a href=?cpage=2>2</a></div>",
    "next-post": "<nav class=post-pagination><a href=/other>Next</a></nav>",
    "next-rel": "<nav class=post-navigation><a rel=next href=/other>Next</a></nav>",
    "next-article": "<link rel=next href=/2024/other-post><p><a rel=next href=/other/article>Next</a>",
    "next-itself": "<link rel=next href='https://HOST/next-itself'>",
    "next-site": "<link rel=next href='http://elsewhere.example/next-site?p=2'>",
    "bad-href": "<ul class=pager><li class=active>1<li><a href='http://'>2</a></ul>",
    "svg-link": "<ul class=pager><svg><a href='?p=2'><text>2</text></a></svg></ul>",
    "scale": "<p style='margin-top:300px'>1/18</p>",
    "reviews": "<div class=review-count>1 of 20</div><p aria-label='4 of 5 stars'>x</p>",
    "model-car": "<p>1/18</p>",
    "scale-word": "<p class=scale>1 / 18</p>",
    "cards": f"{CARD}{CARD}{CARD}",
    "score": "<div class=gallery><p>9/10</p></div>",
    "rated": "<div class=slider><b class=score>3 / 10</b></div>",
    "race": "<div class=photos><p>911/964</p></div>",
    "split": "<div class=slider><p>50/50 split</p></div>",
    "always": "<div class=gallery><p>24/7</p></div>",
    "day": "<div class=gallery><time>1/18</time><p class=date>1 / 28</p></div>",
    "off": "<div class=image-card><p class=discount>1/2 off</p></div>",
    "account": "<div class=account><p>3/12</p></div>",
    "calling-code": "<button>+49</button>",
    "calling-code-2": "<div><button>+1</button><input type=tel></div><div><button>+7</button><p>495 123-45-67</p></div>",
    "model-number": "<h2>Porsche 911 photos</h2><h2>Audi A8 Bilder</h2><h2>Mazda 6 images</h2>",
    "model-title": "<h1>Peugeot 208</h1><button>208 photos</button>",
    "model-title-2": "<title>Peugeot 208 – 4 HD pictures</title><button>208 photos</button>",
    "year": "<button>1999 photos</button>",
    "crumbs": '<script type=application/ld+json>{"@graph":[{"@type":"BreadcrumbList","numberOfItems":9},{"@type":"ImageGallery"}]}</script>',
}  # fmt: skip

PARTIAL = {
    "second": ("<ul class=pager><li class=active>1<li><a href='?p=2'>2</a></ul>", "goes on at"),
    "path": ("<div class=styles_imagePager__x><a href=/path/page/2>2</a></div>", "goes on at"),
    "beacon": (f"{BEACON}<ul class=pager><li class=active>1<li><a href='?p=2'>2</a><li><a href='?p=3'>3</a></ul>", "goes on at"),
    "turning": (f"{TURN}<a rel=next href='?p=2'>Next</a>", "goes on at"),
    "next-link": ("<link rel=next href='?page=2'>", "goes on at"),
    "next-path": ("<p><a rel=next href=/next-path/page/2>more</a></p>", "goes on at"),
    "next-scheme": ("<link rel=next href='https://HOST/next-scheme?page=2'>", "goes on at"),
    "next-word": ("<link rel=next href=/next-word/strona/2>", "goes on at"),
    "next-cars": ("<link rel=next href=/next-cars-strana-2.html>", "goes on at"),
    "seven": ("<button>+7</button>", '"+7" did not open'),
    "seven-photos": ("<button>+7 photos</button>", '"+7 photos" did not open'),
    "counter": ("<p>1 / 9</p>", "announces 9"),
    "counter-over": (f"{OVER}1/9</span></div>", "announces 9"),
    "counter-class": ("<div class=photo-counter><b>4/9</b></div>", "announces 9"),
    "counter-gallery": ("<div class=gallery><p>1/9</p></div>", "announces 9"),
    "counter-live": ("<p aria-live=polite>4 of 9</p>", "announces 9"),
    "counter-label": ("<div class=carousel><p aria-label='Go to slide 2 of 9'>x</p></div>", "announces 9"),
    "counter-words": ("<p>Bild 4 von 9</p>", "announces 9"),
    "number": ("<h2>Hyundai Sonata (9 photos)</h2>", "announces 9"),
    "number-dash": ("<h2>Porsche 911 – 9 photos</h2>", "announces 9"),
    "number-word": ("<p>See all 9 photos</p>", "announces 9"),
    "number-our": ("<button>Our 24 photos</button>", "announces 24"),
    "number-titled": ("<title>BMW M3: 24 HD pictures</title><p>24 pictures</p>", "announces 24"),
    "forty-nine-over": (f"{OVER}<button>+49</button></span></div>", '"+49" did not open'),
    "gallery": ('<script type=application/ld+json>{"@graph":[{"@type":"BreadcrumbList","numberOfItems":3},{"@type":"ImageGallery","numberOfItems":9}]}</script>', "announces 9"),
    "number-hd": ("<title>Peugeot 208: 6 HD pictures</title>", "announces 6"),
    "lost": ("<img src=/gone.jpg>", "1 http_404"),
    "lost-hidden": ("<img style='display:none' src=/gone.jpg?e>", "1 http_404"),
    "lost-large": ("<a href=/gone.jpg?f><img width=40 height=40 src=/gone.jpg?g></a>", "1 http_404"),
}  # fmt: skip


def states_of(pages, server, brands_for, workspace, **limits):
    urls = {}
    server.add("/px.gif", PIXEL, "image/gif", headers={"Cache-Control": "no-store"})
    for place, (name, html) in enumerate(pages.items()):
        server.add_pictures(11, prefix=f"/p/{name}-", start=100 * place)
        html = html.replace("PAGE", name).replace("HOST", server.url("/").split("/")[2])
        html = f"<!doctype html>{'' if '<title>' in html else f'<title>{name}</title>'}{html}"
        urls[server.add(f"/{name}", html.encode(), "text/html")] = name
    collector.collect(brands_for(pages=list(urls), limits=limits), workspace)
    with workspace.catalog.read() as connection:
        rows = connection.execute(select(schema.pages)).all()
        seen = connection.execute(select(schema.sightings.c.page_url)).scalars().all()
    found = {name: [urls[each] for each in seen].count(name) for name in pages}
    return {urls[row.url]: (row.state, row.error) for row in rows}, found


def test_what_is_no_picture_that_is_missing_leaves_a_page_done(server, brands_for, workspace):
    pages = {name: FOUR + html for name, html in COMPLETE.items()}
    states, found = states_of(pages, server, brands_for, workspace)
    assert {name: state for name, state in states.items() if state[0] != "done"} == {}
    assert {name: count for name, count in found.items() if count != 4} == {"seven-there": 11}


def test_what_is_missing_makes_a_page_partial_whatever_else_loads(server, brands_for, workspace):
    pages = {name: FOUR + html for name, (html, _) in PARTIAL.items()}
    states, _ = states_of(pages, server, brands_for, workspace)
    wrong = {
        name: states[name]
        for name, (_, reason) in PARTIAL.items()
        if states[name][0] != "partial" or reason not in states[name][1]
    }
    assert wrong == {}


def test_a_beacon_on_a_page_with_few_pictures_does_not_use_up_the_time(
    server, brands_for, workspace
):
    two = FOUR[: FOUR.index("<img", FOUR.index("-1.jpg"))]
    states, found = states_of({"heart": two + HEART + ADD}, server, brands_for, workspace)
    assert (states["heart"], found["heart"]) == (("done", None), 9)


def test_a_picture_that_failed_is_missing_on_every_page_that_shows_it(
    server, brands_for, workspace
):
    pages = [
        server.add(f"/{n}", f"<img src={url}><img src=/gone.jpg>".encode(), "text/html")
        for n, url in enumerate(server.add_pictures(3))
    ]
    brands = brands_for(pages=pages)
    assert collector.collect(brands, workspace).pages == {"partial": 3}
    server.add("/gone.jpg", picture(77))
    summary = collector.collect(brands, workspace, retry_failed="partial")
    assert (summary.pages, summary.downloaded) == ({"done": 3}, 4)
