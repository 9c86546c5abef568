"""When a host may be asked again: the politeness every request of the collector obeys.

Nothing here sleeps or opens a connection; the scheduler asks *when*, and holds no worker until
then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_GAP_S = 60.0
"""Longest gap that slowness or 429 alone can bring about (Scrapy's AUTOTHROTTLE_MAX_DELAY)."""

MAX_RETRY_AFTER_S = 900.0
"""A longer Retry-After is shortened to this and said in the log."""

SPREAD = 1.01
"""A hundredth more than asked for: what delays one request must not bring the next too close."""

FIRST_PENALTY_S = 1.0
BREAKER_BLOCKS = 5
"""So many 429/503/challenge answers with no good one between: the host is left alone."""

PUBLIC_MIN_INTERVAL_S = 0.25
"""No host outside ``allow_hosts`` is asked more often than this, whatever brands.yaml says."""


@dataclass
class HostState:
    """What is known of one host; times in seconds on the gate's clock."""

    interval: float
    connections: int
    gap: float
    next_start: float = 0.0
    cooling_until: float = 0.0
    open: int = 0
    blocks: int = 0
    broken: str | None = None
    introduced: bool = False


class HostGate:
    """The politeness of a run.

    Parameters
    ----------
    interval : float
        Configured seconds between the starts of two requests to one host.
    connections : int
        Requests to one host that may be open at once.
    is_private : callable
        Tells for a host whether it is listed in ``allow_hosts``; only such hosts may be asked with
        no gap at all.
    clock : callable
        Monotonic seconds.
    log : callable
        Told when a host is left alone, and when it asks for more patience than there is.
    """

    def __init__(
        self,
        interval: float,
        connections: int,
        *,
        is_private: Callable[[str], bool] = lambda _host: False,
        log: Callable[[str], None] = lambda _text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval, self._connections = interval, connections
        self._is_private, self._clock, self._log = is_private, clock, log
        self._hosts: dict[str, HostState] = {}
        self._lock = threading.RLock()

    def ready_at(self, host: str) -> float | None:
        """Return when the next request to `host` may start; None when it is left alone."""
        with self._lock:
            state = self._state(host)
            return None if state.broken else max(state.next_start, state.cooling_until)

    def has_room(self, host: str) -> bool:
        """Say whether another connection may be opened; until robots.txt is known there is one."""
        with self._lock:
            state = self._state(host)
            return state.open < (state.connections if state.introduced else 1)

    def broken(self, host: str) -> str | None:
        """Return why the host is left alone for the rest of the run, or None."""
        with self._lock:
            return self._state(host).broken

    def start(self, host: str) -> None:
        """Note that a worker takes up a request to `host`."""
        with self._lock:
            state = self._state(host)
            state.open += 1
            state.next_start = self._clock() + SPREAD * state.gap

    @contextmanager
    def reserved(self, host: str) -> Iterator[None]:
        """Take up a connection to `host` for the block, without a request of its own."""
        with self._lock:
            self._state(host).open += 1
        try:
            yield
        finally:
            with self._lock:
                self._state(host).open -= 1

    def sending(self, host: str) -> None:
        """Note that a request leaves in this moment: the gap to the next counts from here."""
        with self._lock:
            state = self._state(host)
            state.next_start = max(state.next_start, self._clock() + SPREAD * state.gap)

    def finish(
        self,
        host: str,
        *,
        status: int | None,
        latency: float | None = None,
        retry_after: float | None = None,
        challenge: bool = False,
        held: bool = True,
    ) -> None:
        """Note how a request ended and adapt.

        Parameters
        ----------
        host : str
            As `start`.
        status : int or None
            HTTP status; None when there was no answer.
        latency : float, optional
            Seconds until the first byte. The gap moves towards latency / connections, and only good
            answers may shorten it (Scrapy's AutoThrottle).
        retry_after : float, optional
            Seconds, from the header.
        challenge : bool
            The answer was a captcha or the like.
        held : bool
            The request was announced with `start`.
        """
        with self._lock:
            state = self._state(host)
            was_broken = state.broken
            if held:
                state.open -= 1
            if challenge:
                state.broken = "it answered with a challenge page"
            elif status in {429, 503}:
                self._slow_down(state, retry_after)
            elif status is not None and status < 400:
                state.blocks = 0
                self._adapt(state, latency)
            newly_broken = None if was_broken else state.broken
        if newly_broken:
            self._log(f"{host} is left alone for the rest of this run: {newly_broken}")
        elif retry_after is not None and retry_after > MAX_RETRY_AFTER_S:
            self._log(
                f"{host} asks to wait {retry_after:.0f} s; it is asked again in "
                f"{MAX_RETRY_AFTER_S:.0f} s"
            )

    def introduce(self, host: str, *, crawl_delay: float | None = None) -> None:
        """Note what robots.txt asks for; from now on the host may have its other connections."""
        with self._lock:
            state = self._state(host)
            state.introduced = True
            if crawl_delay is not None and crawl_delay > state.interval:
                state.interval = crawl_delay
                state.gap = max(state.gap, crawl_delay)
                state.next_start = max(state.next_start, self._clock() + crawl_delay)

    def interval(self, host: str) -> float:
        """Return the seconds now kept between two requests to `host`."""
        with self._lock:
            return self._state(host).gap

    def _state(self, host: str) -> HostState:
        state = self._hosts.get(host)
        if state is None:
            floor = 0.0 if self._is_private(host) else PUBLIC_MIN_INTERVAL_S
            interval = max(self._interval, floor)
            state = self._hosts[host] = HostState(interval, self._connections, interval)
        return state

    def _adapt(self, state: HostState, latency: float | None) -> None:
        if latency is None or state.interval == 0:
            # Politeness is off for the user's own host; a penalty still wears away.
            state.gap = state.interval if state.gap < 0.05 else state.gap / 2
            return
        target = latency / state.connections
        state.gap = min(max(target, (state.gap + target) / 2, state.interval), _most(state))

    def _slow_down(self, state: HostState, retry_after: float | None) -> None:
        state.blocks += 1
        state.gap = min(max(2 * state.gap, FIRST_PENALTY_S), _most(state))
        wait = state.gap if retry_after is None else min(retry_after, MAX_RETRY_AFTER_S)
        state.cooling_until = max(state.cooling_until, self._clock() + wait)
        if state.blocks >= BREAKER_BLOCKS:
            state.broken = f"it refused {state.blocks} requests in a row"


def parse_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Return the seconds a ``Retry-After`` asks for (RFC 9110, 10.2.3), or None.

    Parameters
    ----------
    value : str or None
        Seconds, or an HTTP date.
    now : datetime, optional
        Time zone aware; the present by default.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def _most(state: HostState) -> float:
    return max(MAX_GAP_S, state.interval)
