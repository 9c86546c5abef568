"""Pictures that a page contains itself, as data:image/...;base64."""

from __future__ import annotations

import base64
import hashlib
import io

import pytest
from picture_server import picture
from PIL import Image
from sqlalchemy import select

import collector
from bodyshop_core.catalog import now, schema
from collector.sources.inline_pictures import decoded


def inline(data, kind="jpeg"):
    return f"data:image/{kind};base64," + base64.b64encode(data).decode()


def one_colour():
    out = io.BytesIO()
    Image.new("RGB", (600, 400), "silver").save(out, "PNG")
    return out.getvalue()


def rows(workspace):
    with workspace.catalog.read() as connection:
        return connection.execute(select(schema.sightings).order_by(schema.sightings.c.rank)).all()


ICON = f"<img src={inline(picture(90, (64, 64)))}>"
BLANK = f"<img src={inline(one_colour(), 'png')}>"
SVG = (
    b"<svg xmlns='http://www.w3.org/2000/svg' width='400' height='300'><path d='M0 0h9v9z'/></svg>"
)
DRAWING = f"<img src={inline(SVG, 'svg+xml')}>"
PREVIEW = f"<a href=/p/0.jpg><img src={inline(picture(91))}></a>"
LAZY = f"<img src={inline(picture(92))} data-src=/p/1.jpg>"
PATTERN = f"<div style='height:900px;background:url({inline(picture(93))})'></div>"
SHARED = f"<img src={inline(picture(94))}>" * 5
BROKEN = "<img src=data:image/jpeg;base64,%%% width=400 height=300>"


@pytest.mark.parametrize("ordinary", [0, 3], ids=["alone", "with others"])
@pytest.mark.usefixtures("chromium")
@pytest.mark.slow
def test_pictures_in_the_page_itself_are_collected(server, brands_for, workspace, ordinary):
    images = "".join(f"<img src={url} width=300>" for url in server.add_pictures(ordinary))
    own = [picture(n, (400, 300), kind) for n, kind in ((50, "JPEG"), (51, "PNG"), (52, "WEBP"))]
    body = (
        f"<title>Own</title>{images}<img alt=Side src={inline(own[0])}><img src={inline(own[0])}>"
        f"<div style='width:400px;height:300px;background:url({inline(own[1], 'png')}) 0/cover'>"
        f"</div><img src='{inline(own[2], 'webp').replace('=', '%3D')}'>"
    )
    page = server.add("/a", body.encode(), "text/html")
    summary = collector.collect(brands_for(pages=[page]), workspace)
    assert (summary.downloaded, summary.pages, summary.partial) == (3 + ordinary, {"done": 1}, ())
    found = [row for row in rows(workspace) if row.capture == "inline"]
    assert {row.sha256 for row in found} == {hashlib.sha256(each).hexdigest() for each in own}
    assert {(row.page_url, row.page_title, row.url.partition("#")[0]) for row in found} == {
        (page, "Own", page)
    }
    assert {row.alt for row in found} == {"Side", None}
    again = collector.collect(brands_for(pages=[page]), workspace, refresh=True)
    assert (again.downloaded, again.found, again.new) == (summary.downloaded, summary.found, 0)


@pytest.mark.usefixtures("chromium")
@pytest.mark.slow
def test_what_only_stands_for_a_picture_is_none(server, brands_for, workspace):
    server.add_pictures(2)
    body = ICON + BLANK + DRAWING + PREVIEW + LAZY + PATTERN + SHARED + BROKEN
    page = server.add("/a", body.encode(), "text/html")
    summary = collector.collect(brands_for(pages=[page]), workspace)
    assert {row.url for row in rows(workspace)} == {server.url(f"/p/{n}.jpg") for n in (0, 1)}
    assert (summary.found, summary.partial) == (2, ())


@pytest.mark.usefixtures("chromium")
@pytest.mark.slow
def test_a_picture_in_the_page_that_is_too_large_makes_it_partial(server, brands_for, workspace):
    url = server.add_pictures(1)[0]
    large = picture(50, (900, 600), "BMP")
    page = server.add(
        "/a", f"<img src={url}><img src={inline(large, 'bmp')}>".encode(), "text/html"
    )
    summary = collector.collect(brands_for(pages=[page], limits={"max_bytes": 100_000}), workspace)
    assert summary.downloaded == 1
    assert "1 pictures in the page itself (data:) are too large" in summary.partial[0]


@pytest.mark.parametrize(
    ("address", "data"),
    [
        ("data:image/png;base64,QUJD", b"ABC"),
        ("DATA:image/png;BASE64,QUI%3D", b"AB"),
        ("data:image/png;base64,QU I", b"AB"),
        ("data:image/png;base64,Q", None),
        ("data:image/png,ABC", None),
        ("data:text/html;base64,QUJD", None),
        ("http://a.example/1.jpg", None),
        (None, None),
        ({}, None),
    ],
)
def test_what_a_page_says_to_be_base64_is_checked(address, data):
    assert decoded(address) == data


@pytest.mark.usefixtures("chromium")
@pytest.mark.slow
def test_pictures_in_the_page_count_for_the_limit_of_their_model(server, brands_for, workspace):
    own = [picture(n, (400, 300)) for n in range(60, 66)]
    body = "".join(f"<img src={inline(each)}>" for each in own)
    page = server.add("/a", f"<title>t</title>{body}".encode(), "text/html")
    summary = collector.collect(brands_for(pages=[page], limits={"per_model": 4}), workspace)
    assert (summary.downloaded, summary.pages) == (4, {"partial": 1})
    assert "limits.per_model was reached: 2 pictures" in summary.partial[0]
    brands = brands_for(pages=[page], limits={"per_model": 9})
    summary = collector.collect(brands, workspace, retry_failed="partial")
    assert (summary.downloaded, summary.pages) == (6, {"done": 1})


@pytest.mark.usefixtures("chromium")
@pytest.mark.slow
def test_a_further_sighting_and_a_refusal_take_no_place_from_a_new_picture(
    server, brands_for, workspace
):
    def page(name, numbers):
        body = "".join(f"<img src={inline(picture(n, (400, 300)))}>" for n in (200, *numbers))
        return server.add(name, f"<title>t</title>{body}".encode(), "text/html")

    erased = hashlib.sha256(picture(200, (400, 300))).hexdigest()
    tombstone = {"kind": "sha256", "value": erased, "at": now()}
    workspace.catalog.upsert(schema.tombstones, [tombstone])
    pages = [page("/a", range(60, 64)), page("/b", range(60, 66)), page("/c", range(60, 67))]
    brands = brands_for(pages=pages[:2], limits={"per_model": 6})
    summary = collector.collect(brands, workspace)
    assert (summary.downloaded, summary.pages) == (6, {"done": 2})
    brands = brands_for(pages=pages, limits={"per_model": 6})
    summary = collector.collect(brands, workspace)
    assert (summary.downloaded, summary.pages) == (6, {"done": 2, "partial": 1})
    assert "limits.per_model was reached: 1 pictures" in summary.partial[0]
    assert len(list((workspace.root / "blobs").rglob("*.jpg"))) == 6
    assert list(workspace.root.rglob("*.part")) == []


@pytest.mark.usefixtures("chromium")
@pytest.mark.slow
def test_a_picture_that_was_downloaded_takes_no_second_place_when_a_page_contains_it(
    server, brands_for, workspace
):
    urls = server.add_pictures(3)
    body = "".join(f"<img src={inline(picture(n))}>" for n in range(3))
    page = server.add("/a", f"<title>t</title>{body}".encode(), "text/html")
    brands = brands_for(urls, pages=[page], limits={"per_model": 3})
    summary = collector.collect(brands, workspace)
    assert (summary.downloaded, summary.partial) == (3, ())
