"""One request per gap and host, whichever threads ask; and no wait outlives the run."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time

import pytest
from picture_server import sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.errors import InterruptedByUser
from bodyshop_core.workspace import Workspace
from collector.candidate import Candidate, Task, UrlCandidate
from collector.crawl.frontier import DownloadJob, Frontier
from collector.errors import HostDisabledError, RunStoppedError
from collector.net.politeness import HostGate, wait_for_turn

THREADS, ROUNDS = 8, 40


@pytest.fixture
def eager_threads():
    """Switch threads as often as possible, so that a gap between two steps is found."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*actions):
    """Run the actions in threads that start at the same moment."""
    barrier = threading.Barrier(len(actions))

    def run(action):
        barrier.wait()
        action()

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("eager_threads")
def test_of_many_threads_exactly_one_gets_the_turn_of_a_host():
    clock = [0.0]
    gate = HostGate(1.0, 2, clock=lambda: clock[0])
    turns = []

    def ask():
        turns.append(gate.try_start("a", slot=False))

    for _ in range(ROUNDS):
        turns.clear()
        together(*[ask] * THREADS)
        assert [turn.granted for turn in turns].count(True) == 1
        assert {turn.ready_at - clock[0] > 0 for turn in turns if not turn.granted} == {True}
        clock[0] += 1.5


@pytest.mark.usefixtures("eager_threads")
def test_browser_threads_and_download_workers_share_the_turns_of_a_host():
    clock = [0.0]
    gate = HostGate(1.0, 2, clock=lambda: clock[0])
    gate.introduce("a.example")
    frontier = Frontier(gate, on_disabled=lambda *_: None, clock=lambda: clock[0])
    url = "http://a.example/1.jpg"
    candidate = Candidate((UrlCandidate("listed", url),), "urls", "", "B", "M")
    started = []

    def browser():
        if gate.try_start("a.example", slot=False).granted:
            started.append("page")

    def worker():
        if (job := frontier.take()) is not None:
            started.append("download")
            gate.finish(job.host, status=None)
            frontier.done(job.host)

    for number in range(ROUNDS):
        frontier.put(DownloadJob(candidate, url))
        waiting = threading.Thread(target=worker)
        waiting.start()
        together(browser, browser, browser)
        # A worker that did not get this turn waits for the next one.
        deadline = time.monotonic() + 10
        while not started and time.monotonic() < deadline:
            time.sleep(0.001)
        assert len(started) == 1, f"round {number}: {started}"
        clock[0] += 1.5
        if started == ["page"]:
            frontier.done("a.example")
            waiting.join(10)
            assert started == ["page", "download"]
            clock[0] += 1.5
        waiting.join(10)
        assert not waiting.is_alive()
        started.clear()


def test_the_wait_for_a_host_ends_at_once_when_the_run_stops():
    gate, stopping, ended = HostGate(1.0, 2), threading.Event(), []
    gate.finish("a", status=429, retry_after=600, slot=False)

    def wait():
        with pytest.raises(RunStoppedError):
            wait_for_turn(gate, "a", stopping)
        ended.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    stopped = time.monotonic()
    stopping.set()
    thread.join(30)
    assert len(ended) == 1
    assert ended[0] - stopped < 0.5


def test_the_wait_for_a_host_ends_when_the_host_is_disabled():
    gate = HostGate(1.0, 2)
    gate.finish("a", status=429, retry_after=600, slot=False)
    caught = []

    def wait():
        with pytest.raises(HostDisabledError) as error:
            wait_for_turn(gate, "a", threading.Event())
        caught.append(error.value)

    thread = threading.Thread(target=wait)
    thread.start()
    gate.finish("a", status=200, challenge=True, slot=False)
    thread.join(30)
    assert [error.error_class for error in caught] == ["host_disabled"]
    assert "challenge page" in caught[0].message


def test_a_request_whose_connection_takes_long_heeds_what_its_host_says_meanwhile(
    server, brands_for, tmp_path, monkeypatch
):
    """Two turns were given; the answer to the first forbids the second to leave."""
    rest, leaving, count = 6, HostGate.leaving, itertools.count(1)
    connecting, answered = threading.Event(), threading.Event()
    urls = server.add_pictures(2)
    brings = dict(server.answers)
    refusal = sends(b"", "text/plain", status=429, headers={"Retry-After": str(rest)})

    def refuse(handler):
        connecting.wait(15)
        for n in range(2):
            server.answers[f"/p/{n}.jpg"] = brings[f"/p/{n}.jpg"]
        refusal(handler)
        answered.set()

    for n in range(2):
        server.answers[f"/p/{n}.jpg"] = refuse

    def connected_late(self):
        if next(count) == 4:  # after robots.txt, tdmrep.json and the first picture
            connecting.set()
            answered.wait(15)
            time.sleep(0.3)
        leaving(self)

    monkeypatch.setattr(HostGate, "leaving", connected_late)
    brands = brands_for(urls, limits={"per_host_interval": 0.2, "request_seconds": 20})
    summary = collector.collect(brands, Workspace.open(tmp_path / "w"))
    assert summary.downloaded == 2
    assert connecting.is_set()
    assert answered.is_set()
    times = sorted(each.at for each in server.asked if each.path.startswith("/p/"))
    assert len(times) == 3
    assert times[1] - times[0] > rest - 0.1


class PatientSource:
    """An API that asks to wait for minutes."""

    needs_browser = False

    def __init__(self, url):
        self.url = url

    def tasks(self, brand, model):
        yield Task("patient", self.url, brand.name, model.name)

    def discover(self, task, tools):
        while True:
            assert tools.fetch(self.url, None, False).status == 429
            yield []


def test_ctrl_c_does_not_wait_for_a_retry_after(server, brands_for, workspace):
    first = threading.Event()

    def busy(handler):
        sends(b"{}", status=429, headers={"Retry-After": "600"})(handler)
        first.set()

    server.answers["/api"] = busy

    def interrupt():
        first.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    extra = {"patient": PatientSource(server.url("/api"))}
    with pytest.raises(InterruptedByUser):
        collector.collect(brands_for(lists=[]), workspace, extra=extra)
    ended = time.monotonic()
    thread.join()
    assert len(server.paths("/api")) == 1
    assert ended - server.asked[-1].at < 20
    with workspace.catalog.read() as connection:
        states = connection.execute(select(schema.pages.c.state)).scalars().all()
    assert states == ["queued"]
