"""New hosts: their rules are read while no worker waits."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from itertools import pairwise

from picture_server import PictureServer, picture, redirects, sends

import collector
from collector.net.robots import Robots
from collector.net.small_response import SmallResponse

INTERVAL = 1.5


def test_one_worker_reads_the_rules_of_many_hosts_in_parallel(brands_for, workspace):
    with ExitStack() as stack:
        servers = [stack.enter_context(closing(PictureServer())) for _ in range(6)]
        urls = [each.add("/p/0.jpg", picture(n)) for n, each in enumerate(servers)]
        limits = {"per_host_interval": INTERVAL}
        summary = collector.collect(brands_for(urls, limits=limits), workspace, workers=1)
        for each in servers:
            paths = [asked.path for asked in each.asked]
            assert paths == ["/robots.txt", "/.well-known/tdmrep.json", "/p/0.jpg"]
            gaps = [b.at - a.at for a, b in pairwise(each.asked)]
            assert min(gaps) > 0.8 * INTERVAL  # the server's clock, on a busy machine
        asked = [[each.asked[n].at for each in servers] for n in range(3)]
    assert summary.downloaded == 6
    # A worker that waited for its host's next turn would finish one host before it asked another.
    assert max(asked[0]) < min(asked[1])


def test_rules_on_another_host_are_followed_at_its_pace(
    server, other_server, brands_for, workspace
):
    server.answers["/robots.txt"] = redirects(other_server.url("/robots.txt"), 301)
    other_server.add("/robots.txt", b"User-agent: *\nDisallow: /p/1", "text/plain")
    urls = [*server.add_pictures(3), *other_server.add_pictures(2, start=10)]
    limits = {"per_host_interval": 0.2}
    summary = collector.collect(brands_for(urls, limits=limits), workspace, workers=2)
    assert (summary.downloaded, summary.refused_by) == (3, {"robots": 2})
    for each in (server, other_server):
        # The whole way, not each gap: a busy machine delivers one request late, the next in time.
        at = sorted(request.at for request in each.asked)
        assert at[-1] - at[0] > 0.2 * (len(at) - 1) - 0.1


def test_a_slow_robots_txt_is_asked_once_by_pages_and_pictures_together(
    server, brands_for, workspace, chromium
):
    def slow(handler):
        time.sleep(0.5)
        sends(b"User-agent: *\nAllow: /", "text/plain")(handler)

    server.answers["/robots.txt"] = slow
    urls = server.add_pictures(4)
    page = server.add("/page", b"<img src=/p/0.jpg>", "text/html")
    summary = collector.collect(brands_for(urls, pages=[page]), workspace)
    assert summary.downloaded == 4
    own = [each for each in server.asked if each.headers["user-agent"].startswith("bodyshop/")]
    assert [each.path for each in own].count("/robots.txt") == 1


def test_rules_that_one_thread_reads_are_not_asked_for_by_another():
    asked, go = [], threading.Event()

    def fetch(url):
        asked.append(url)
        go.wait(5)
        return SmallResponse(404)

    robots = Robots(fetch)
    reader = threading.Thread(target=robots.judge, args=("https://a.example/1.jpg",))
    reader.start()
    while not asked:
        time.sleep(0.01)
    assert robots.advance("https://a.example/2.jpg", fetch) is False
    go.set()
    reader.join()
    assert asked == ["https://a.example/robots.txt", "https://a.example/.well-known/tdmrep.json"]
    assert robots.known("https://a.example/2.jpg")
