"""Whatever a page, a server or an API sends: one task or one picture fails, never the run."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from picture_server import first, picture, redirects, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError
from collector.candidate import Find, Task, UrlCandidate, addressed
from collector.net.robots import Robots
from collector.net.small_response import SmallResponse
from collector.sources.pages import json_ld_images
from collector.weburl import is_web_address

BROKEN = ("http://[", "http://a.example:99999999/x.jpg", "http://", "//", "http://a.example:0/x")


@pytest.mark.parametrize("text", [*BROKEN, "javascript:alert(1)", "", "data:image/png,x", "\x00"])
def test_an_invalid_address_is_recognised(text):
    assert not is_web_address(text)


def test_invalid_addresses_are_removed_and_a_find_without_any_is_dropped():
    task = Task("urls", "list:x", "B", "M")
    good = UrlCandidate("src", "https://a.example/1.jpg")
    broken = (
        UrlCandidate("data_full", "http://["),
        UrlCandidate("src", "http://a.example:99999999/"),
    )
    finds = [Find(task.candidate((broken[0], good))), Find(task.candidate((broken[1],)))]
    assert [find.candidate.url_candidates for find in addressed(finds)] == [(good,)]


@pytest.mark.parametrize("target", [*BROKEN, "mailto:x@example.org", "http://exa mple/\t"])
def test_a_redirect_to_an_invalid_address_fails_one_picture(server, brands_for, workspace, target):
    server.answers["/r.jpg"] = redirects(target)
    urls = [server.url("/r.jpg"), *server.add_pictures(2)]
    summary = collector.collect(brands_for(urls), workspace)
    assert summary.downloaded == 2
    assert summary.refused + summary.failed == 1


@pytest.mark.parametrize("target", BROKEN)
def test_a_robots_txt_with_an_invalid_redirect_counts_as_unreachable(target):
    robots = Robots(lambda url: SmallResponse(302, "", {"location": target}))
    if target in {"http://", "//"}:  # joined to the page's own address these are relative
        return
    assert robots.judge("https://cars.example/a.jpg").reason == "robots_unreachable"


def test_of_an_invalid_list_the_valid_addresses_are_kept(server, brands_for, workspace, tmp_path):
    (url,) = server.add_pictures(1)
    file = tmp_path / "list.txt"
    file.write_text("\n".join(["# mine", *BROKEN, "ftp://a.example/x", url]))
    summary = collector.collect(brands_for(lists=[{"file": str(file)}]), workspace)
    assert (summary.found, summary.downloaded) == (1, 1)


def test_json_ld_that_is_invalid_or_nested_too_deep_is_skipped():
    deep = '{"@type":"Car","image":' * 500 + '"/deep.jpg"' + "}" * 500
    deeper = "[" * 200_000
    blocks = [deep, deeper, '{"image": ["http://[", "/a.jpg"]}']
    assert json_ld_images(blocks, "https://cars.example/") == [("https://cars.example/a.jpg", "")]


@pytest.mark.usefixtures("chromium")
def test_a_page_with_invalid_values_gives_its_pictures(server, brands_for, workspace):
    server.add_pictures(2)
    html = (
        "<title>x</title><link rel=image_src href='http://['>"
        '<script type=\'application/ld+json\'>{"image": "http://["}</script>'
        "<img src='/p/0.jpg' srcset='http://[ 2000w, http://a:99999999/b.jpg 900w' "
        "data-full='http://[/c.jpg'><a href='http://[/d.jpg'><img src='/p/1.jpg'></a>"
    )
    page = server.add("/page", html.encode(), "text/html")
    assert collector.collect(brands_for(pages=[page]), workspace).downloaded == 2


class ApiSource:
    """Asks one address for JSON."""

    needs_browser = False

    def __init__(self, endpoint):
        self.endpoint = endpoint

    def tasks(self, brand, model):
        yield Task("api", f"{self.endpoint}#{model.name}", brand.name, model.name, "whole", "x")

    def discover(self, task, tools):
        answer = tools.fetch_json(self.endpoint, {})
        yield [
            Find(task.candidate((UrlCandidate("api", each["url"]),))) for each in answer["pictures"]
        ]


def crawl(server, brands_for, workspace, answer):
    """Collect two listed pictures, and what an API with that answer names."""
    listed = server.add_pictures(2)
    server.answers["/api"] = answer
    return collector.collect(
        brands_for(listed), workspace, extra={"api": ApiSource(server.url("/api"))}
    )


def api_page(workspace):
    pages = schema.pages.c
    with workspace.catalog.read() as connection:
        return connection.execute(
            select(pages.state, pages.error_class, pages.error).where(pages.source == "api")
        ).one()


@pytest.mark.parametrize(
    ("body", "error_class"),
    [
        (b"[]", "source"),
        (b'{"pictures": 3}', "source"),
        (b"<html>no", "page"),
        (b"[" * 200_000, "page"),
    ],
)
def test_an_api_with_an_invalid_answer_fails_alone(
    server, brands_for, workspace, body, error_class
):
    with pytest.raises(NothingFoundError) as caught:
        crawl(server, brands_for, workspace, sends(body, "application/json"))
    assert caught.value.summary.downloaded == 2
    assert api_page(workspace)[:2] == ("failed", error_class)


def test_a_busy_api_is_asked_again_after_the_time_it_names(server, brands_for, workspace):
    good = server.add("/q/9.jpg", picture(9))
    busy = sends(b"slow down", status=429, headers={"Retry-After": "1"})
    fine = sends(json.dumps({"pictures": [{"url": good}]}).encode(), "application/json")
    summary = crawl(server, brands_for, workspace, first(1, busy, fine))
    assert summary.downloaded == 3
    before, after = [each.at for each in server.asked if each.path == "/api"]
    assert after - before >= 1


def test_an_api_that_stays_away_is_asked_three_times_and_fails_by_its_status(
    server, brands_for, workspace
):
    with pytest.raises(NothingFoundError):
        crawl(server, brands_for, workspace, sends(b"", status=502))
    assert Counter(each.path for each in server.asked)["/api"] == 3
    assert api_page(workspace)[:2] == ("failed", "http_502")
