"""A host is not asked again for what the browser has received."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from picture_server import picture, redirects, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from collector.crawl.held_pictures import MAX_HELD, HeldPicture, HeldPictures
from collector.net.download import DownloadLimits
from collector.net.outcome import Redirect, StoredPicture

LIMITS = DownloadLimits(max_bytes=1 << 20, min_side=100, seconds=5)
URL = "http://cars.example/1.jpg"


def taken(held: HeldPictures, folder: Path, url: str, candidate: str):
    return held.take(url, folder, LIMITS, candidate=candidate, url_candidate="src", override=False)


def test_bytes_are_kept_until_each_picture_that_names_them_has_used_them(tmp_path):
    held = HeldPictures()
    assert held.hold(HeldPicture(URL, 200, {}, picture(1)), {"a", "b"})
    assert isinstance(taken(held, tmp_path, URL, "a"), StoredPicture)
    assert isinstance(taken(held, tmp_path, URL, "b"), StoredPicture)
    assert taken(held, tmp_path, URL, "b") is None


def test_bytes_of_settled_pictures_make_room(tmp_path):
    held = HeldPictures()
    large = picture(1) + bytes(MAX_HELD - (1 << 20))
    assert held.hold(HeldPicture(URL, 200, {}, large), {"a", "b"})
    assert not held.hold(HeldPicture(f"{URL}?2", 200, {}, large), {"c"})
    held.let_go("a")
    assert not held.hold(HeldPicture(f"{URL}?2", 200, {}, large), {"c"})
    held.let_go("b")
    assert held.hold(HeldPicture(f"{URL}?2", 200, {}, large), {"c"})


def test_a_redirect_of_the_browser_is_followed_as_one(tmp_path):
    held = HeldPictures()
    last = "http://cdn.example/1.jpg"
    held.hold(HeldPicture(last, 200, {}, picture(1), asked=(URL, f"{URL}?x")), {"a"})
    first, second = (taken(held, tmp_path, each, "a") for each in (URL, f"{URL}?x"))
    assert isinstance(first, Redirect)
    assert isinstance(second, Redirect)
    assert (first.url, second.url) == (f"{URL}?x", last)
    assert isinstance(taken(held, tmp_path, last, "a"), StoredPicture)


@pytest.mark.parametrize(
    ("last", "asked"),
    [
        (URL, (URL, "http://cars.example/login")),
        (f"{URL}?utm_source=1", (URL,)),
        (URL, (f"{URL}?utm_source=1", "http://cars.example/login", f"{URL}?utm_source=2")),
    ],
    ids=["login", "mark", "both"],
)
def test_a_redirect_to_an_address_of_the_same_key_gives_the_bytes_and_the_room_back(
    tmp_path, last, asked
):
    held = HeldPictures()
    large = picture(1) + bytes(MAX_HELD - (1 << 20))
    for _ in range(3):
        assert held.hold(HeldPicture(last, 200, {}, large, asked), {"a", "b"})
        got = taken(held, tmp_path, asked[0], "a")
        assert not isinstance(got, Redirect)
        held.let_go("a")
        held.let_go("b")


def test_bytes_replace_a_redirect_from_the_same_address(tmp_path):
    held = HeldPictures()
    other = "http://cdn.example/1.jpg"
    assert held.hold(HeldPicture(other, 200, {}, picture(1), asked=(URL,)), {"a", "b"})
    assert held.hold(HeldPicture(URL, 200, {}, picture(2)), {"a"})
    assert isinstance(taken(held, tmp_path, URL, "a"), StoredPicture)


def test_what_is_no_picture_is_not_kept(tmp_path):
    held = HeldPictures()
    assert held.hold(HeldPicture(URL, 200, {}, b"<html>wait</html>"), {"a"})
    assert taken(held, tmp_path, URL, "a") is None


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_each_address_that_a_page_loads_is_asked_once(server, brands_for, workspace):
    many = server.add_pictures(6)
    body = "<a href=/p/0.jpg>" + "".join(f"<img width=300 src={url}>" for url in many) + "</a>"
    for n in range(3):
        server.add(f"/octet/{n}", picture(50 + n), "application/octet-stream")
        server.add(f"/end/{n}.jpg", picture(60 + n))
        server.answers[f"/hop/{n}.jpg"] = redirects(f"/end/{n}.jpg")
        server.add(f"/thumb/{n}.jpg", picture(70 + n, (60, 45)))
        server.add(f"/slide/{n}.jpg", picture(70 + n, (600, 450)))
        body += f"<img width=300 src=/octet/{n}><img width=300 src=/hop/{n}.jpg>"
        body += f"<ul><li data-thumb=/thumb/{n}.jpg><img width=300 src=/slide/{n}.jpg></ul>"
    page = server.add("/page", f"<!doctype html>{body}".encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    asked = Counter(each.path for each in server.asked)
    assert {path: count for path, count in asked.items() if count > 1} == {}
    assert server.paths("/thumb/") == []
    with workspace.catalog.read() as connection:
        assert len(connection.execute(select(schema.images)).all()) == 15


LARGER = {
    "on-the-picture": "<img data-preview=/big/{}.jpg src=/small/{}.jpg>",
    "on-its-link": "<a data-preview-image=/big/{}.jpg><img src=/small/{}.jpg></a>",
    "beside-an-icon": "<div data-preview-image=/big/{}.jpg style='height:150px'><img src=/icon.jpg width=16></div>",
    "named-thumb": "<div data-thumb=/big/{}.jpg style='height:150px'><img src=/icon.jpg width=16></div>",
    "thumb-of-a-thumb": "<img data-thumb-src=/big/{}.jpg src=/small/{}.jpg>",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_a_preview_that_may_be_larger_or_alone_is_requested(server, brands_for, workspace):
    server.add("/icon.jpg", picture(99, (16, 16)))
    body = ""
    for place, (name, html) in enumerate(LARGER.items()):
        for n in range(3):
            server.add(f"/big/{name}-{n}.jpg", picture(10 * place + n, (800, 600)))
            server.add(f"/small/{name}-{n}.jpg", picture(10 * place + n, (120, 90)))
            body += html.replace("{}", f"{name}-{n}")
    page = server.add("/page", f"<!doctype html>{body}".encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    with workspace.catalog.read() as connection:
        rows = connection.execute(select(schema.images)).all()
    assert [row.width for row in rows] == [800] * 3 * len(LARGER)


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_of_the_sizes_that_a_link_lists_only_the_largest_is_asked_for(
    server, brands_for, workspace
):
    body = ""
    for n in range(3):
        for width in (250, 600, 1200):
            server.add(f"/{width}/{n}.jpg", picture(n, (width, width * 2 // 3)))
        body += f"<a href=/600/{n}.jpg data-at-600=/600/{n}.jpg data-at-1920=/1200/{n}.jpg><img src=/250/{n}.jpg></a>"
    page = server.add("/page", f"<!doctype html>{body}".encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    assert server.paths("/600/") == []
    with workspace.catalog.read() as connection:
        rows = connection.execute(select(schema.images)).all()
    assert [row.width for row in rows] == [1200] * 3


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
@pytest.mark.parametrize("leads_to", ["picture", "page", "nothing", "hop", "failure"])
def test_an_address_that_several_pictures_name_is_asked_once(
    server, brands_for, workspace, leads_to
):
    many = server.add_pictures(10)
    server.add("/big", picture(99, (900, 700)))
    server.add("/html", b"<p>a shop", "text/html")
    server.answers["/hop"] = redirects("/big")
    server.answers["/failing"] = sends(b"", "text/plain", status=500)
    paths = {"picture": "/big", "page": "/html", "hop": "/hop", "failure": "/failing"}
    link = paths.get(leads_to, "/missing")
    body = f"<a href={link}>" + "".join(f"<img width=300 src={url}>" for url in many) + "</a>"
    # The file has no picture's name: the attribute says that it is one.
    body = body.replace("<img ", f"<img data-full={link} ")
    page = server.add("/page", f"<!doctype html>{body}".encode(), "text/html")
    limits = {"per_host_connections": 4, "attempts": 2, "retry_seconds": 0.1}
    summary = collector.collect(brands_for(pages=[page], limits=limits), workspace)
    assert summary.downloaded == 10
    times = 2 if leads_to == "failure" else 1
    assert len(server.paths(link)) == times
    assert len(server.paths("/big")) == (leads_to in {"picture", "hop"})
    assert list(workspace.root.rglob("*.part")) == []


def test_pictures_that_redirect_to_one_address_ask_it_once(server, brands_for, workspace):
    server.add("/soon.jpg", picture(5))
    urls = []
    for n in range(8):
        server.answers[f"/old/{n}.jpg"] = redirects("/soon.jpg")
        urls.append(server.url(f"/old/{n}.jpg"))
    collector.collect(brands_for(urls), workspace)
    assert len(server.paths("/soon.jpg")) == 1
    with workspace.catalog.read() as connection:
        assert len(connection.execute(select(schema.images)).all()) == 1
        assert len(connection.execute(select(schema.sightings)).all()) >= 8
