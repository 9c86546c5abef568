"""When a host may be asked again: the politeness rules that every request of the collector obeys.

`HostGate` never sleeps and never opens a connection: the scheduler asks it *when*, and keeps no
worker waiting until then. `wait_for_turn` is for the threads that have nothing else to do.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from collector.errors import HostDisabledError, RunStoppedError, TurnLostError
from collector.net.deadline import Deadline
from collector.net.host_states import HostState, HostStates, LocalHostStates
from collector.weburl import canonical_host

MAX_GAP_S = 60.0
"""Largest gap that slow answers or 429 alone can cause (Scrapy's AUTOTHROTTLE_MAX_DELAY)."""

MAX_RETRY_AFTER_S = 900.0
"""A longer Retry-After is shortened to this, and the log says so."""

SPREAD = 1.01
"""One percent more than required: a delay of one request must not bring the next too close."""

FIRST_PENALTY_S = 1.0
BREAKER_BLOCKS = 5
"""After this number of 429/503 answers in a row the host is disabled for this run."""

PUBLIC_MIN_INTERVAL_S = 0.25
"""No host outside ``allow_hosts`` is asked more often than this, whatever brands.yaml says."""

BUSY_SECONDS = 0.05
"""When to look again for a connection that others occupy."""

LONGEST_WAIT_S = 5.0
"""With an open connection a thread waits no longer than this; then its request is queued again.

Longer than most gaps: else a host that connects slowly would never get its request.
"""

POLL_SECONDS = 1.0
"""A thread that waits for its turn checks this often whether the host has been disabled."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The answer of `HostGate.try_start`.

    Parameters
    ----------
    granted : bool
        The request may be sent now; the gap to the next one has begun.
    ready_at : float
        When to ask again, on the gate's clock; infinite while every connection is in use.
    disabled : str
        Why the host is disabled for this run, or empty.
    """

    granted: bool
    ready_at: float = math.inf
    disabled: str = ""


@dataclass(frozen=True, slots=True)
class _Granted:
    """A turn that a thread got and has not used: when, and when it allowed the next one."""

    host: str = ""
    at: float = 0.0
    gap: float = 0.0
    next_start: float = 0.0


_NO_TURN = _Granted()


class HostGate:
    """The politeness of a run; thread-safe.

    Parameters
    ----------
    interval : float
        Configured seconds between the starts of two requests to one host.
    connections : int
        Requests to one host that may be open at once.
    is_private : callable
        Returns whether a host is listed in ``allow_hosts``; only such hosts may be asked without
        any gap.
    clock : callable
        Monotonic seconds.
    log : callable
        Called when a host is disabled, and when it asks to wait longer than the limit.
    states : HostStates, optional
        Where the state of the hosts is kept; by default in this process, on `clock`.
    group : callable, optional
        Returns what a host counts as: hosts with one address may be one. It may take a while.
    stopping : threading.Event, optional
        Set when the run is being stopped: ends the wait of a request that is about to leave.
    """

    def __init__(
        self,
        interval: float,
        connections: int,
        *,
        is_private: Callable[[str], bool] = lambda _host: False,
        log: Callable[[str], None] = lambda _text: None,
        clock: Callable[[], float] = time.monotonic,
        states: HostStates | None = None,
        group: Callable[[str], str] | None = None,
        stopping: threading.Event | None = None,
    ) -> None:
        self._interval, self._connections = interval, connections
        self._is_private, self._clock, self._log = is_private, clock, log
        self._states = states or LocalHostStates(clock)
        self._group, self._stopping = group, stopping or threading.Event()
        self._names: dict[str, str] = {}
        self._introduced: set[str] = set()
        self._granted = threading.local()  # the `_Granted` of each thread

    @property
    def now(self) -> float:
        """The time on the gate's clock, in seconds."""
        return self._clock()

    def meet(self, host: str) -> None:
        """Find out what a host counts as; until then the first question about it does."""
        self._name(host)

    def try_start(self, host: str, *, slot: bool = True) -> Turn:
        """Start a request to `host` if it may start now, in one atomic step for all who ask.

        Parameters
        ----------
        host : str
            From `collector.weburl.host_of`.
        slot : bool
            Occupy one of the host's connections until `finish`. False for requests that are not
            counted: a page in a browser, a robots.txt, an API.

        Returns
        -------
        Turn
            Granted at most once per gap and host, whichever threads ask.
        """
        with self._opened(host) as (state, now):
            if state.disabled:
                return Turn(False, disabled=state.disabled)
            if slot and not self._has_room(host, state):
                if not state.elsewhere and self._group is None:
                    return Turn(False)
                # Whoever ends a request tells nobody here: ask again.
                state.busy_until = now + BUSY_SECONDS
                return Turn(False, self._states.here(max(state.ready, state.busy_until)))
            if state.ready > now:
                return Turn(False, self._states.here(state.ready))
            if slot:
                state.open += 1
            state.next_start = now + SPREAD * state.gap
            self._note_turn(host, state)
            return Turn(True, self._states.here(now))

    def ready_at(self, host: str) -> float | None:
        """Return when the next request to `host` may start; None when the host is disabled.

        Only an estimate for sorting: somebody else may be faster. `try_start` decides.
        """
        state = self._states.seen(self._names.get(host, host))
        if state is None:
            return 0.0
        if state.disabled:
            return None
        return self._states.here(max(state.ready, state.busy_until))

    def disabled(self, host: str) -> str:
        """Return why the host is disabled for this run, or an empty text."""
        with self._opened(host) as (state, _):
            return state.disabled

    @contextmanager
    def reserved(self, host: str) -> Iterator[None]:
        """Occupy a connection to `host` while the block runs, without a request of its own."""
        with self._opened(host) as (state, _):
            state.open += 1
        try:
            yield
        finally:
            with self._opened(host) as (state, _):
                state.open -= 1

    def leaving(self) -> None:
        """Let the gap of this thread's last turn begin now, or wait for a new turn.

        Between the turn and this moment lie a name's address, a connection, perhaps a busy
        machine: another may have had the next turn since.

        Raises
        ------
        TurnLostError
            The host is disabled, or it would be a long wait: the request must not leave.
        RunStoppedError
            The run was stopped during the wait.
        """
        turn = self._last_turn()
        host = turn.host
        if not host or not (self._is_late(turn) or self._rests(host)):
            return
        deadline = Deadline.current()
        longest = LONGEST_WAIT_S if deadline is None else min(LONGEST_WAIT_S, deadline.seconds_left)
        until = self._clock() + longest
        self._granted.turn = _NO_TURN
        while True:
            with self._opened(host) as (state, now):
                latest = state.next_start == turn.next_start  # nobody had a turn since
                wait = (state.cooling_until if latest else state.ready) - now
                disabled = state.disabled
                if not disabled and wait <= 0:
                    state.next_start = now + SPREAD * state.gap
                    self._note_turn(host, state)
                    return
            if disabled or self._clock() + wait > until:
                raise TurnLostError(f"{host} must not be asked now: {disabled or 'it rests'}")
            if self._stopping.wait(wait):
                raise RunStoppedError(f"the run was stopped while a request waited for {host}")

    def _rests(self, host: str) -> bool:
        """Return whether a host was disabled, or asked for a pause, as far as is known here."""
        state = self._states.seen(self._name(host))
        return state is not None and (
            bool(state.disabled) or self._states.here(state.cooling_until) > self._clock()
        )

    def left(self) -> None:
        """Note that the request of this thread's last turn has left: the gap begins here.

        What `SPREAD` allows for is not noted: shared states cost more than that takes.
        """
        turn = self._last_turn()
        if turn.host and self._is_late(turn):
            with self._opened(turn.host) as (state, now):
                state.next_start = max(state.next_start, now + SPREAD * state.gap)
        self._granted.turn = _NO_TURN

    def _is_late(self, turn: _Granted) -> bool:
        return self._clock() - turn.at > (SPREAD - 1) * turn.gap

    def _note_turn(self, host: str, state: HostState) -> None:
        self._granted.turn = _Granted(host, self._clock(), state.gap, state.next_start)

    def _last_turn(self) -> _Granted:
        turn: _Granted = getattr(self._granted, "turn", _NO_TURN)
        return turn

    def finish(
        self,
        host: str,
        *,
        status: int | None,
        latency: float | None = None,
        retry_after: float | None = None,
        challenge: bool = False,
        slot: bool = True,
    ) -> None:
        """Note how a request ended, and adapt the gap.

        Parameters
        ----------
        host : str
            As for `try_start`.
        status : int or None
            HTTP status; None when there was no answer.
        latency : float, optional
            Seconds until the first byte. The gap moves towards latency / connections, and only good
            answers may shorten it (Scrapy's AutoThrottle).
        retry_after : float, optional
            Seconds, from the header.
        challenge : bool
            The answer was a captcha or the like.
        slot : bool
            As for `try_start`.
        """
        with self._opened(host) as (state, now):
            was_disabled = state.disabled
            if slot:
                state.open -= 1
            if challenge:
                state.disabled = "it answered with a challenge page"
            elif status in {429, 503}:
                _slow_down(state, now, retry_after)
            elif status is not None and status < 400:
                state.blocks = 0
                _adapt(state, latency)
            newly_disabled = "" if was_disabled else state.disabled
        if newly_disabled:
            self._log(f"{host} is disabled for this run: {newly_disabled}")
        elif retry_after is not None and retry_after > MAX_RETRY_AFTER_S:
            self._log(
                f"{host} asked to wait {retry_after:.0f} s; the next request follows after "
                f"{MAX_RETRY_AFTER_S:.0f} s"
            )

    def introduce(self, host: str, *, crawl_delay: float | None = None) -> None:
        """Note the host's Crawl-delay; from now on all of its connections may be used."""
        self._introduced.add(host)
        with self._opened(host) as (state, now):
            if crawl_delay is not None and crawl_delay > state.interval:
                state.interval = crawl_delay
                state.gap = max(state.gap, crawl_delay)
                state.next_start = max(state.next_start, now + crawl_delay)

    def interval(self, host: str) -> float:
        """Return the present gap between two requests to `host`, in seconds."""
        with self._opened(host) as (state, _):
            return state.gap

    def _has_room(self, host: str, state: HostState) -> bool:
        """Return whether a connection is free: one until this process knows the host's rules."""
        if host not in self._introduced and state.open:
            return False
        return state.open + state.elsewhere < state.connections

    def _opened(self, host: str) -> AbstractContextManager[tuple[HostState, float]]:
        return self._states.opened(self._name(host), lambda: self._fresh(host))

    def _fresh(self, host: str) -> HostState:
        floor = 0.0 if self._is_private(host) else PUBLIC_MIN_INTERVAL_S
        interval = max(self._interval, floor)
        return HostState(interval, self._connections, interval)

    def _name(self, host: str) -> str:
        """Return the name under which a host's state is kept."""
        name = self._names.get(host)
        if name is None:
            canonical = name = canonical_host(host)
            if self._group is not None:
                name = self._states.agreed(canonical, self._group(host))
            if canonical != host:  # whoever reads the states finds them by every spelling
                self._states.agreed(host, name)
            self._names[host] = name
        return name


def _adapt(state: HostState, latency: float | None) -> None:
    if latency is None or state.interval == 0:
        # The user's own host has no interval; a penalty still decreases.
        state.gap = state.interval if state.gap < 0.05 else state.gap / 2
        return
    target = latency / state.connections
    state.gap = min(max(target, (state.gap + target) / 2, state.interval), _most(state))


def _slow_down(state: HostState, now: float, retry_after: float | None) -> None:
    state.blocks += 1
    state.gap = min(max(2 * state.gap, FIRST_PENALTY_S), _most(state))
    wait = state.gap if retry_after is None else min(retry_after, MAX_RETRY_AFTER_S)
    state.cooling_until = max(state.cooling_until, now + wait)
    if state.blocks >= BREAKER_BLOCKS:
        state.disabled = f"it refused {state.blocks} requests in a row"


def wait_for_turn(gate: HostGate, host: str, stopping: threading.Event) -> None:
    """Wait until `host` may be asked, and start the request (with no connection occupied).

    Raises
    ------
    HostDisabledError
        The host is disabled for this run.
    RunStoppedError
        `stopping` was set; the wait ends at once.
    """
    while not stopping.is_set():
        turn = gate.try_start(host, slot=False)
        if turn.granted:
            return
        if turn.disabled:
            raise HostDisabledError(f"{host} is disabled for this run: {turn.disabled}")
        stopping.wait(min(max(turn.ready_at - gate.now, 0.0), POLL_SECONDS))
    raise RunStoppedError(f"the run was stopped while it waited for {host}")


def _most(state: HostState) -> float:
    return max(MAX_GAP_S, state.interval)
