"""Pictures that a host gives to browsers only wait for their page, once."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from picture_server import picture
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.errors import InterruptedByUser, NothingFoundError
from collector.browser import Browser, LocalLauncher
from collector.candidate import Candidate, Find, Task, UrlCandidate
from collector.crawl import discovery
from collector.crawl.context import INCOMING, CrawlContext
from collector.crawl.discovery import DiscoveryPool
from collector.crawl.downloads import Fetcher
from collector.crawl.reopening import Reopening
from collector.errors import ChallengeError
from collector.ledger.journal import Journal
from collector.ledger.record import DownloadRecord

PAGE = Task("pages", "http://cars.example/page", "Norden", "Fjell")
CHALLENGE = ChallengeError("http://cars.example/viewer shows a captcha")
LIST = Task("lists", "http://cars.example/list", "Norden", "Fjell")


def failed(name: str, error_class: str = "http_403") -> DownloadRecord:
    url = UrlCandidate("src", f"http://cars.example/{name}.jpg")
    candidate: Candidate = PAGE.candidate((url,))
    return DownloadRecord(candidate, "failed", error_class=error_class)


def test_a_page_is_opened_once_for_all_its_pictures_and_each_is_put_off_once():
    first, second = failed("a"), failed("b")
    again = Reopening([PAGE], {each.candidate.key: PAGE.key for each in (first, second)})
    assert again.puts_off(first)
    assert again.due() == [PAGE]
    assert again.puts_off(second)
    assert again.due() == []
    assert again.found(PAGE, [Find(first.candidate)]) == [first.candidate]
    assert not again.puts_off(first)
    assert again.left(PAGE) == [second]
    assert again.left(PAGE) == []


def test_other_failures_and_pictures_of_no_page_are_final():
    gone, listed, new = failed("a", "http_404"), failed("b"), failed("c")
    again = Reopening([PAGE], {gone.candidate.key: PAGE.key, listed.candidate.key: LIST.key})
    assert not any(again.puts_off(each) for each in (gone, listed, new))
    assert again.due() == []


class ViewerSource:
    """Pages whose pictures a test gives; a browser would open them."""

    needs_browser = True

    def __init__(self, names):
        self.names, self.server, self.error, self.opened = names, None, None, 0

    def tasks(self, brand, model):
        yield Task("viewer", self.server.url("/viewer"), brand.name, model.name)

    def discover(self, task, tools):
        self.opened += 1
        if isinstance(self.error, KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            while not tools.stopping():
                time.sleep(0.01)
        elif self.error is not None:
            raise self.error
        urls = [self.server.url(f"/p/{name}.jpg") for name in self.names]
        yield [Find(task.candidate((UrlCandidate("src", url),))) for url in urls]


class Told:
    """What a pool reports of its tasks."""

    def __init__(self):
        self.closed_keys, self.errors, self.changed = [], [], threading.Condition()

    def found(self, task, finds):
        pass

    def closed(self, result):
        with self.changed:
            self.closed_keys.append(result.task.key)
            self.changed.notify_all()

    def settled(self, record):
        pass

    def crashed(self, error):
        self.errors.append(error)


def test_a_page_that_is_added_while_the_last_browser_quits_is_opened(
    server, brands_for, workspace, monkeypatch
):
    """Its thread is still alive, but takes nothing any more."""
    quitting, may_quit = threading.Event(), threading.Event()

    class SlowToQuit(Browser):
        def __exit__(self, *error):
            quitting.set()
            may_quit.wait(20)
            super().__exit__(*error)

    monkeypatch.setattr(discovery, "Browser", SlowToQuit)
    source, told = ViewerSource(["a"]), Told()
    source.server = server
    tasks = [Task("viewer", server.url(f"/{name}"), "Norden", "Fjell") for name in "abc"]
    journal = Journal(workspace.root / INCOMING)
    context = CrawlContext.open(brands_for(server.add_pictures(1)), workspace, journal)
    with (
        Fetcher(context, told, workers=1) as fetcher,
        DiscoveryPool(
            context, tasks[:1], {"viewer": source}, fetcher, told, last_found={},
            launcher=LocalLauncher(places=1),
        ) as pool,
    ):  # fmt: skip
        try:
            for count, task in enumerate(tasks[1:], 2):  # the second time a thread of `add` quits
                assert quitting.wait(10)
                quitting.clear()
                pool.add(task)
                with told.changed:
                    assert told.changed.wait_for(lambda: len(told.closed_keys) == count, 10)  # noqa: B023
            assert pool.finished
        finally:
            may_quit.set()
    assert (told.closed_keys, told.errors) == ([task.key for task in tasks], [])


@pytest.mark.usefixtures("chromium")
@pytest.mark.parametrize(
    ("second", "ends_with", "failed"),
    [
        (CHALLENGE, NothingFoundError, ["http_403"]),
        (KeyboardInterrupt(), InterruptedByUser, []),  # its pictures are left to the next run
        pytest.param(None, NothingFoundError, ["http_403"], marks=pytest.mark.slow, id="less"),
    ],
)
def test_a_finished_page_that_fails_when_it_is_opened_again_stays_finished(
    server, brands_for, workspace, second, ends_with, failed
):
    server.add_pictures(8)
    server.add("/p/browsers.jpg", picture(99), status=403)
    source = ViewerSource([*range(8), "browsers"])
    source.server = server
    brands, extra = brands_for(), {"viewer": source}
    assert collector.collect(brands, workspace, extra=extra).downloaded == 8
    source.names, source.error = ["browsers"], second
    with pytest.raises(ends_with):
        collector.collect(brands, workspace, extra=extra, retry_failed=True)
    assert source.opened == 2
    page, candidate = schema.pages.c, schema.candidates.c
    with workspace.catalog.read() as connection:
        told = connection.execute(select(page.state, page.found, page.error_class)).all()
        assert list(map(tuple, told)) == [("done", 9, None)]
        query = select(candidate.error_class).where(candidate.state == "failed")
        assert connection.execute(query).scalars().all() == failed
