"""The queue of downloads: many hosts in parallel, few requests per host, no blocked worker."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from collector.candidate import Candidate
from collector.net.outcome import Failure, Refusal, StoredPicture
from collector.net.politeness import HostGate
from collector.weburl import host_of


@dataclass
class DownloadJob:
    """A candidate while its addresses are tried; each take from the frontier makes one request.

    Parameters
    ----------
    url : str
        The address to ask next: a candidate address, or the target of a redirect.
    position : int
        Index of the candidate address that is being tried.
    hops : int
        Redirects followed from it.
    attempts : int
        Failed tries of it.
    best : StoredPicture, optional
        The largest picture so far.
    first_problem : Refusal or Failure, optional
        Why the first address without a picture has none.
    permission : dict
        What robots.txt and the like said about the addresses.
    notes : list of str
        What the addresses tried so far resulted in.
    """

    candidate: Candidate
    url: str
    position: int = 0
    hops: int = 0
    attempts: int = 0
    best: StoredPicture | None = None
    first_problem: Refusal | Failure | None = None
    with_cookies: bool = False
    permission: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def keep_larger(self, picture: StoredPicture) -> StoredPicture:
        """Keep the larger of `picture` and the best so far, remove the other; return it."""
        if self.best is not None and picture.area <= self.best.area:
            picture.discard()
            return self.best
        self.drop_best()
        self.best = picture
        return picture

    def drop_best(self) -> None:
        """Remove the best picture so far."""
        if self.best is not None:
            self.best.discard()
            self.best = None

    @property
    def host(self) -> str:
        """The host of the next request."""
        return host_of(self.url)


class Frontier:
    """Thread-safe; workers `take` jobs and `put` them back, the gate decides when.

    Parameters
    ----------
    gate : HostGate
        The run's politeness.
    on_disabled : callable
        Called with (job, reason) for every job of a host that has been disabled.
    clock : callable
        The gate's clock.
    """

    def __init__(
        self,
        gate: HostGate,
        *,
        on_disabled: Callable[[DownloadJob, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gate, self._on_disabled, self._clock = gate, on_disabled, clock
        self._queues: dict[str, deque[DownloadJob]] = {}
        self._due: list[tuple[float, int, str]] = []  # one entry per host that has work and room
        self._listed: set[str] = set()
        self._later: list[tuple[float, int, DownloadJob]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False

    def put(self, job: DownloadJob, *, delay: float = 0.0) -> None:
        """Queue a job that is not taken before `delay` seconds have passed."""
        self._gate.meet(job.host)  # may look an address up: not while others wait for the lock
        with self._changed:
            if delay > 0:
                at = self._clock() + delay
                heapq.heappush(self._later, (at, next(self._count), job))
            else:
                self._queues.setdefault(job.host, deque()).append(job)
                self._list(job.host)
            self._changed.notify()

    def take(self) -> DownloadJob | None:
        """Wait for a job of the host that is overdue the longest; None when stopped."""
        while True:
            disabled: list[tuple[DownloadJob, str]] = []
            with self._changed:
                if self._stopped:
                    return None
                job = self._next(disabled)
                if job is None and not disabled:
                    self._changed.wait(self._wait())
            for abandoned, reason in disabled:
                self._on_disabled(abandoned, reason)
            if job is not None:
                return job

    def done(self, host: str) -> None:
        """Note that a request to `host` has ended, after the gate was told."""
        with self._changed:
            self._list(host)
            self._changed.notify()

    def waiting(self) -> int:
        """Return the number of queued jobs."""
        with self._changed:
            return sum(map(len, self._queues.values())) + len(self._later)

    def stop(self) -> None:
        """Return no further job; what is queued stays queued in the ledger."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _next(self, disabled: list[tuple[DownloadJob, str]]) -> DownloadJob | None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            _, _, job = heapq.heappop(self._later)
            self._queues.setdefault(job.host, deque()).append(job)
            self._list(job.host)
        while self._due and self._due[0][0] <= now:
            _, _, host = heapq.heappop(self._due)
            self._listed.discard(host)
            queue = self._queues.get(host)
            if not queue:
                continue
            turn = self._gate.try_start(host)
            if turn.disabled:
                disabled.extend((job, turn.disabled) for job in queue)
                queue.clear()
                continue
            if not turn.granted:
                if turn.ready_at < math.inf:  # else `done` lists the host when a connection is free
                    self._list(host)
                continue
            job = queue.popleft()
            self._list(host)
            if self._due or self._later:
                self._changed.notify()  # another worker computes how long it may sleep
            return job
        return None

    def _list(self, host: str) -> None:
        if host in self._listed or not self._queues.get(host):
            return
        # A disabled host is due at once, so that its jobs are given up.
        ready = self._gate.ready_at(host)
        heapq.heappush(self._due, (ready or 0.0, next(self._count), host))
        self._listed.add(host)

    def _wait(self) -> float | None:
        times = [heap[0][0] for heap in (self._due, self._later) if heap]
        return max(0.0, min(times) - self._clock()) if times else None
