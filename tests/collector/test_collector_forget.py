"""What was erased does not come back by its address, its page, its host, or a redirect."""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import replace
from functools import partial

import pytest
from picture_server import picture, redirects, sends
from sqlalchemy import select

import collector
from bodyshop.forget import forget
from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError
from collector.candidate import Find, Task, UrlCandidate


def pictures(workspace):
    with workspace.catalog.read() as connection:
        return set(connection.execute(select(schema.images.c.sha256)).scalars())


def files(workspace):
    return {path.stem for path in workspace.blobs.root.rglob("*.*")}


def sha(seed):
    return hashlib.sha256(picture(seed)).hexdigest()


@pytest.mark.parametrize("named", ["sha256", "url", "tracked url", "host", "final url"])
def test_a_recrawl_does_not_bring_back_what_was_forgotten(
    server, other_server, brands_for, workspace, named
):
    kept = server.add_pictures(2)
    away = other_server.add("/p/real.jpg", picture(7))
    server.answers["/moved.jpg"] = redirects(away)
    direct = other_server.add("/p/direct.jpg", picture(8))
    urls = [*kept, server.url("/moved.jpg"), direct]
    brands = brands_for(urls)
    assert collector.collect(brands, workspace).downloaded == 4
    what, gone = {
        "sha256": (sha(8), {8}),
        "url": (direct, {8}),
        "tracked url": (f"{direct}?utm_source=mail#x", {8}),
        "host": (other_server.host, {7, 8}),
        "final url": (away, {7}),
    }[named]
    assert forget(workspace, what).pictures == len(gone)
    left = {sha(seed) for seed in {0, 1, 7, 8} - gone}
    assert pictures(workspace) == files(workspace) == left
    other_server.asked.clear()
    collector.collect(brands, workspace, refresh=True, retry_failed=True)
    assert pictures(workspace) == files(workspace) == left
    if named != "sha256":
        path = {"host": "/p/", "final url": "/p/real"}.get(named, "/p/direct")
        assert other_server.paths(path) == []


@pytest.mark.usefixtures("chromium")
def test_a_forgotten_page_gives_up_its_pictures_and_is_not_opened_again(
    server, other_server, brands_for, workspace
):
    inside = other_server.add("/p/inside.jpg", picture(5))
    page = server.add("/page", f"<img src={inside}>".encode(), "text/html")
    listed = server.add_pictures(1)
    brands = brands_for(listed, pages=[page])
    assert collector.collect(brands, workspace).downloaded == 2
    assert forget(workspace, page).pictures == 1
    server.asked.clear()
    collector.collect(brands, workspace, refresh=True)
    assert pictures(workspace) == {sha(0)}
    assert server.paths("/page") == []
    with workspace.catalog.read() as connection:
        told = connection.execute(
            select(schema.pages.c.state, schema.pages.c.error_class).where(
                schema.pages.c.source == "pages"
            )
        ).one()
    assert tuple(told) == ("refused", "forgotten")


class CanvasSource:
    """Finds one frame that comes with its bytes."""

    needs_browser = False

    def __init__(self, url, data):
        self.url, self.data = url, data

    def tasks(self, brand, model):
        yield Task("canvas", self.url, brand.name, model.name)

    def discover(self, task, tools):
        address = UrlCandidate("spin_canvas", f"{self.url}#frame=0")
        yield [Find(task.candidate((address,), frame=0), self.data)]


def test_captured_bytes_that_were_forgotten_do_not_come_back(server, brands_for, workspace):
    source = CanvasSource(server.url("/viewer"), picture(7))
    brands = brands_for(server.add_pictures(1))
    assert collector.collect(brands, workspace, extra={"canvas": source}).downloaded == 2
    assert forget(workspace, sha(7)).pictures == 1
    for _ in range(2):
        collector.collect(brands, workspace, refresh=True, extra={"canvas": source})
        assert pictures(workspace) == files(workspace) == {sha(0)}
    with workspace.catalog.read() as connection:
        query = select(schema.candidates.c.state, schema.candidates.c.error_class)
        told = connection.execute(query.where(schema.candidates.c.source == "canvas")).one()
    assert tuple(told) == ("refused", "forgotten")


def test_a_frame_that_is_captured_again_leaves_no_bytes_without_a_row(
    server, brands_for, workspace
):
    source = CanvasSource(server.url("/viewer"), picture(7))
    brands = brands_for(server.add_pictures(1))
    collector.collect(brands, workspace, extra={"canvas": source})
    source.data = picture(8)
    collector.collect(brands, workspace, refresh=True, extra={"canvas": source})
    assert pictures(workspace) == files(workspace) == {sha(0), sha(7)}


class TwoPages:
    """Finds the same picture on two pages; does something in between."""

    needs_browser = False
    first, second = "https://bad.example/cars", "https://good.example/cars"

    def __init__(self, url, between=None):
        self.url, self.between = url, between

    def tasks(self, brand, model):
        yield Task("two", self.first, brand.name, model.name)

    def discover(self, task, tools):
        first = task.candidate((UrlCandidate("src", self.url),))
        second = replace(first, page_url=self.second, query="another")
        if self.between is None:
            yield [Find(first), Find(second)]
        else:
            yield [Find(first)]
            self.between()
            yield [Find(second)]


def ends(workspace):
    """Return page -> state and digest, of what `TwoPages` has found."""
    table = schema.candidates
    query = select(table.c.details, table.c.state, table.c.sha256).where(table.c.source == "two")
    with workspace.catalog.read() as connection:
        return {
            row.details["page_url"]: (row.state, row.sha256) for row in connection.execute(query)
        }


def wait_for(workspace, page, state):
    until = time.monotonic() + 20
    while ends(workspace).get(page, ("",))[0] != state:
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("when", ["at the same time", "afterwards"])
def test_another_page_keeps_the_picture_whose_first_page_was_forgotten_meanwhile(
    server, brands_for, workspace, when
):
    def forget_then_send(handler):
        with contextlib.suppress(NothingFoundError):
            forget(workspace, TwoPages.first)
        sends(picture(7))(handler)

    server.answers["/p/x.jpg"] = forget_then_send
    later = partial(wait_for, workspace, TwoPages.first, "refused")
    source = TwoPages(server.url("/p/x.jpg"), later if when == "afterwards" else None)
    brands = brands_for(server.add_pictures(1))
    assert collector.collect(brands, workspace, extra={"two": source}).downloaded == 2
    assert pictures(workspace) == files(workspace) == {sha(0), sha(7)}
    assert ends(workspace) == {
        TwoPages.first: ("refused", None), TwoPages.second: ("done", sha(7)),
    }  # fmt: skip


def test_another_page_brings_the_picture_again_that_was_forgotten_with_its_first_page(
    server, brands_for, workspace
):
    def forget_first():
        wait_for(workspace, TwoPages.first, "done")
        assert forget(workspace, TwoPages.first).pictures == 1

    url = server.add("/p/x.jpg", picture(7))
    source = TwoPages(url, forget_first)
    brands = brands_for(server.add_pictures(1))
    collector.collect(brands, workspace, extra={"two": source})
    assert ends(workspace) == {TwoPages.second: ("done", sha(7))}
    assert pictures(workspace) == files(workspace) == {sha(0), sha(7)}


def test_forgetting_what_never_was_keeps_it_out(server, brands_for, workspace):
    url, other = server.add_pictures(2)
    with pytest.raises(NothingFoundError):
        forget(workspace, url)
    assert collector.collect(brands_for([url, other]), workspace).downloaded == 1
    assert server.paths() == ["/p/1.jpg"]
