"""The host gate and the frontier, with a clock that the test controls."""

from __future__ import annotations

import math
import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.candidate import Candidate, UrlCandidate
from collector.crawl.frontier import DownloadJob, Frontier
from collector.errors import RunStoppedError, TurnLostError
from collector.net.deadline import Deadline, DeadlineThread
from collector.net.politeness import (
    BREAKER_BLOCKS,
    MAX_GAP_S,
    MAX_RETRY_AFTER_S,
    PUBLIC_MIN_INTERVAL_S,
    HostGate,
)
from collector.net.retry_after import parse_retry_after
from collector.weburl import canonical_host


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def gate(clock, interval=1.0, connections=2, private=False):
    return HostGate(interval, connections, is_private=lambda _: private, clock=clock)


def job(url: str) -> DownloadJob:
    return DownloadJob(Candidate((UrlCandidate("listed", url),), "urls", "", "B", "M"), url)


def test_requests_to_one_host_start_an_interval_apart(clock):
    host = gate(clock)
    assert host.try_start("a").granted
    assert 1 <= host.ready_at("a") - clock.now <= 1.02
    assert host.ready_at("b") <= clock.now


def test_the_gap_counts_from_the_moment_a_request_leaves(clock):
    host = gate(clock)
    assert host.try_start("a").granted
    clock.now += 0.4
    host.leaving()
    # Before it leaves: its thread may get no processor until the next turn would be given.
    assert 1 <= host.ready_at("a") - clock.now <= 1.02
    clock.now += 0.3
    host.left()
    assert 1 <= host.ready_at("a") - clock.now <= 1.02


class Waits(threading.Event):
    """An event whose `wait` moves a clock on, and tells for how long."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock, self.slept = clock, list[float]()

    def wait(self, timeout: float | None = None) -> bool:
        self.slept.append(timeout)
        self.clock.now += timeout
        return self.is_set()


def test_a_request_that_leaves_too_late_waits_for_a_turn_of_its_own(clock):
    """Its name or its connection took longer than the gap: somebody else was next."""
    waits = Waits(clock)
    host = HostGate(1.0, 2, clock=clock, stopping=waits)
    assert host.try_start("a").granted
    clock.now += 1.5
    other = threading.Thread(target=lambda: host.try_start("a", slot=False))
    other.start()
    other.join()
    clock.now += 0.2
    host.leaving()
    assert waits.slept == [pytest.approx(0.81)]
    assert host.ready_at("a") - clock.now == pytest.approx(1.01)


@pytest.mark.parametrize("late", [0.3, 2.0])  # within the gap, and after it
def test_a_request_does_not_leave_while_its_host_rests(clock, late):
    waits = Waits(clock)
    host = HostGate(1.0, 2, clock=clock, stopping=waits)
    for name, answer in {
        "told": {"status": 429, "retry_after": 60.0},
        "closed": {"status": 403, "challenge": True},
    }.items():
        assert host.try_start(name).granted
        clock.now += late
        host.finish(name, slot=False, **answer)
        with pytest.raises(TurnLostError):
            host.leaving()
    assert waits.slept == []
    host.finish("told", status=None)
    assert not host.try_start("told").granted
    clock.now += 61
    assert host.try_start("told").granted
    host.leaving()


def test_a_request_that_is_told_to_wait_for_a_moment_leaves_after_it(clock):
    waits = Waits(clock)
    host = HostGate(1.0, 2, clock=clock, stopping=waits)
    assert host.try_start("a").granted
    clock.now += 0.2
    host.finish("a", status=503, retry_after=3.0, slot=False)
    host.leaving()
    assert waits.slept == [pytest.approx(3.0)]


def test_a_stopped_run_ends_the_wait_of_a_request_that_is_about_to_leave(clock):
    waits = Waits(clock)
    host = HostGate(1.0, 2, clock=clock, stopping=waits)
    assert host.try_start("a").granted
    host.finish("a", status=503, retry_after=3.0, slot=False)
    waits.set()
    with pytest.raises(RunStoppedError):
        host.leaving()


def test_no_request_waits_for_its_turn_beyond_its_deadline(clock):
    waits = Waits(clock)
    host = HostGate(1.0, 2, clock=clock, stopping=waits)
    assert host.try_start("a").granted
    host.finish("a", status=503, retry_after=3.0, slot=False)
    with DeadlineThread() as threads, Deadline(threads, 2.0), pytest.raises(TurnLostError):
        host.leaving()
    assert waits.slept == []


def test_crawl_delay_of_robots_txt_raises_the_gap_and_never_lowers_it(clock):
    host = gate(clock)
    host.introduce("a", crawl_delay=5)
    host.introduce("b", crawl_delay=0.1)
    assert host.interval("a") == 5
    assert host.interval("b") == 1


def test_429_doubles_the_gap_and_success_reduces_it_to_the_interval_again(clock):
    host = gate(clock)
    host.finish("a", status=429, slot=False)
    host.finish("a", status=503, slot=False)
    assert host.interval("a") == 4
    for _ in range(20):
        host.finish("a", status=200, latency=0.01, slot=False)
    assert host.interval("a") == 1


def test_retry_after_is_honoured_and_bounded_and_logged(clock):
    said: list[str] = []
    host = HostGate(1.0, 2, clock=clock, log=said.append)
    host.finish("a", status=429, retry_after=30, slot=False)
    assert host.ready_at("a") == clock.now + 30
    assert said == []
    host.finish("b", status=503, retry_after=86_400, slot=False)
    assert host.ready_at("b") == clock.now + MAX_RETRY_AFTER_S
    assert said == ["b asked to wait 86400 s; the next request follows after 900 s"]


def test_a_slow_host_is_asked_less_often_and_errors_never_speed_it_up(clock):
    host = gate(clock, connections=1)
    for _ in range(10):
        host.finish("a", status=200, latency=8, slot=False)
    slow = host.interval("a")
    assert slow == pytest.approx(8, rel=0.1)
    host.finish("a", status=404, latency=0.01, slot=False)
    assert host.interval("a") == slow


def test_the_breaker_opens_after_refusals_in_a_row_and_not_before(clock):
    host = gate(clock)
    for _ in range(BREAKER_BLOCKS - 1):
        host.finish("a", status=429, slot=False)
    host.finish("a", status=200, latency=0.1, slot=False)
    host.finish("a", status=429, slot=False)
    assert host.disabled("a") == ""
    for _ in range(BREAKER_BLOCKS):
        host.finish("a", status=429, slot=False)
    assert "in a row" in host.disabled("a")
    assert host.ready_at("a") is None


def test_a_challenge_page_ends_the_host_at_once(clock):
    said: list[str] = []
    host = HostGate(1.0, 2, clock=clock, log=said.append)
    for _ in range(2):
        host.finish("a", status=200, challenge=True, slot=False)
    assert host.ready_at("a") is None
    assert said == ["a is disabled for this run: it answered with a challenge page"]


def test_no_gap_is_only_for_allowed_hosts(clock):
    assert gate(clock, interval=0, private=True).interval("a") == 0
    assert gate(clock, interval=0).interval("a") == PUBLIC_MIN_INTERVAL_S


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cars.example.", "cars.example"),
        ("cars.example.:8080", "cars.example:8080"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("[2001:db8:0:0::1]:81", "[2001:db8::1]:81"),
        ("[2001:0db8::1]", "[2001:db8::1]"),
    ],
)
def test_two_spellings_of_a_host_are_one_host(clock, one, other):
    host = gate(clock)
    assert host.try_start(one).granted
    assert not host.try_start(other, slot=False).granted


@given(st.text(max_size=80))
def test_the_canonical_form_of_any_text_is_its_own(host):
    assert canonical_host(canonical_host(host)) == canonical_host(host)


def test_hosts_of_one_address_share_the_gap_and_the_connections(clock):
    shared = {"a.example": "192.0.2.1", "b.example": "192.0.2.1", "c.example": "192.0.2.2"}
    host = HostGate(1.0, 1, clock=clock, group=shared.__getitem__)
    assert host.try_start("a.example").granted
    assert host.try_start("c.example").granted
    clock.now += 2
    turn = host.try_start("b.example")  # the one connection is in use by another name
    assert not turn.granted and turn.ready_at - clock.now < 1
    host.finish("a.example", status=200, latency=0.1)
    assert host.try_start("b.example").granted
    assert host.ready_at("a.example") > clock.now


def test_a_job_waits_for_a_connection_that_another_name_of_its_host_occupies(clock):
    host = HostGate(0.0, 1, is_private=lambda _: True, clock=clock, group=lambda _: "192.0.2.1")
    frontier = Frontier(host, on_disabled=lambda *_: None, clock=clock)
    frontier.put(job("http://a.example/0"))
    frontier.put(job("http://b.example/0"))
    first = frontier.take()
    assert frontier._next([]) is None
    host.finish(first.host, status=200)
    frontier.done(first.host)
    clock.now += 1
    assert {first.host, frontier.take().host} == {"a.example", "b.example"}


@given(st.lists(st.sampled_from([200, 200, 404, 429, 503, None]), max_size=60))
def test_whatever_happens_the_gap_stays_between_interval_and_the_cap(statuses):
    host = gate(Clock(), interval=0.5)
    for status in statuses:
        host.finish("a", status=status, latency=0.2, slot=False)
        assert 0.5 <= host.interval("a") <= MAX_GAP_S


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Fri, 01 Jan 2027 00:01:00 GMT", 60),
        ("Thu, 31 Dec 2026 00:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        (None, None),
    ],
)
def test_both_forms_of_retry_after_are_read(value, seconds):
    now = datetime(2027, 1, 1, tzinfo=UTC)
    assert parse_retry_after(value, now=now) == seconds


def test_a_resting_host_holds_no_worker(clock):
    host = gate(clock)
    frontier = Frontier(host, on_disabled=lambda *_: None, clock=clock)
    for name in ("a", "b"):
        host.introduce(f"{name}.example")
    for n in range(3):
        frontier.put(job(f"http://a.example/{n}"))
    frontier.put(job("http://b.example/0"))
    assert frontier.take().url == "http://a.example/0"
    assert frontier.take().url == "http://b.example/0"  # a rests: the worker goes on to b


def test_an_unknown_host_gets_one_connection_until_its_rules_are_known(clock):
    host = gate(clock, interval=0, private=True)
    frontier = Frontier(host, on_disabled=lambda *_: None, clock=clock)
    for n in range(3):
        frontier.put(job(f"http://a.example/{n}"))
    frontier.take()
    assert host.try_start("a.example").ready_at == math.inf
    host.introduce("a.example")
    frontier.done("a.example")
    frontier.take()
    assert host.try_start("a.example").ready_at == math.inf  # two connections are the limit


def test_a_delayed_job_waits_for_its_time(clock):
    host = gate(clock, interval=0, private=True)
    host.introduce("a.example")
    frontier = Frontier(host, on_disabled=lambda *_: None, clock=clock)
    frontier.put(job("http://a.example/later"), delay=10)
    frontier.put(job("http://a.example/now"))
    assert frontier.take().url.endswith("now")
    clock.now += 11
    assert frontier.take().url.endswith("later")


def test_the_jobs_of_a_disabled_host_are_given_up_with_the_reason(clock):
    host = gate(clock, interval=0, private=True)
    host.introduce("b.example")
    gone = []
    frontier = Frontier(host, on_disabled=lambda job, why: gone.append((job.url, why)), clock=clock)
    frontier.put(job("http://a.example/0"))
    host.finish("a.example", status=403, challenge=True, slot=False)
    frontier.put(job("http://b.example/0"))
    assert frontier.take().url == "http://b.example/0"
    assert gone == [("http://a.example/0", "it answered with a challenge page")]


def test_a_stopped_frontier_hands_out_nothing(clock):
    frontier = Frontier(gate(clock), on_disabled=lambda *_: None, clock=clock)
    frontier.put(job("http://a.example/0"))
    frontier.stop()
    assert frontier.take() is None
