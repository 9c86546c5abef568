"""The queue of downloads: wide across hosts, narrow per host, no worker held by a resting one."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from collector.candidate import Candidate
from collector.net.address import host_of
from collector.net.download import Failure, Refusal, StoredPicture
from collector.net.politeness import HostGate


@dataclass
class DownloadJob:
    """A candidate while its addresses are tried; each take from the frontier makes one request.

    Parameters
    ----------
    url : str
        The address to ask next: a url_candidate, or where a redirect led.
    url_candidate : int
        Index into the candidate's url_candidates.
    hops : int
        Redirects followed from that url_candidate.
    attempts : int
        Failed tries of that address.
    best : StoredPicture, optional
        The largest picture so far.
    worst : Refusal or Failure, optional
        Why the first url_candidate that did not work did not.
    notes : list of str
        What the url_candidates tried so far came to.
    """

    candidate: Candidate
    url: str
    url_candidate: int = 0
    hops: int = 0
    attempts: int = 0
    best: StoredPicture | None = None
    best_name: str = ""
    worst: Refusal | Failure | None = None
    with_cookies: bool = False
    permission: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        """The host that is asked next."""
        return host_of(self.url)


class Frontier:
    """Thread-safe; workers `take` and `put` back, the gate says when.

    Parameters
    ----------
    gate : HostGate
        The run's politeness.
    on_broken : callable
        Called with (job, reason) for every job of a host that is left alone.
    clock : callable
        The gate's clock.
    """

    def __init__(
        self,
        gate: HostGate,
        *,
        on_broken: Callable[[DownloadJob, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gate, self._on_broken, self._clock = gate, on_broken, clock
        self._queues: dict[str, deque[DownloadJob]] = {}
        self._due: list[tuple[float, int, str]] = []  # one entry per host that has work and room
        self._listed: set[str] = set()
        self._later: list[tuple[float, int, DownloadJob]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False

    def put(self, job: DownloadJob, *, delay: float = 0.0) -> None:
        """Queue a job, not to be taken before `delay` seconds are over."""
        with self._changed:
            if delay > 0:
                at = self._clock() + delay
                heapq.heappush(self._later, (at, next(self._count), job))
            else:
                self._queues.setdefault(job.host, deque()).append(job)
                self._list(job.host)
            self._changed.notify()

    def take(self) -> DownloadJob | None:
        """Return the job of the host that is longest overdue; waits; None when stopped."""
        while True:
            broken: list[tuple[DownloadJob, str]] = []
            with self._changed:
                if self._stopped:
                    return None
                job = self._next(broken)
                if job is None and not broken:
                    self._changed.wait(self._wait())
            for abandoned, reason in broken:
                self._on_broken(abandoned, reason)
            if job is not None:
                return job

    def done(self, host: str) -> None:
        """Tell that a request to `host` ended, after the gate was told: it may be taken again."""
        with self._changed:
            self._list(host)
            self._changed.notify()

    def waiting(self) -> int:
        """Return the number of queued jobs."""
        with self._changed:
            return sum(map(len, self._queues.values())) + len(self._later)

    def stop(self) -> None:
        """Hand out nothing more; what is queued stays in the ledger."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _next(self, broken: list[tuple[DownloadJob, str]]) -> DownloadJob | None:
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
            ready = self._gate.ready_at(host)
            if ready is None:
                reason = self._gate.broken(host) or ""
                broken.extend((job, reason) for job in queue)
                queue.clear()
                continue
            if not self._gate.has_room(host):
                continue  # `done` lists the host again
            if ready > now:
                self._list(host)
                continue
            job = queue.popleft()
            self._gate.start(host)
            self._list(host)
            if self._due or self._later:
                self._changed.notify()  # the next worker works out how long it may sleep
            return job
        return None

    def _list(self, host: str) -> None:
        if host in self._listed or not self._queues.get(host):
            return
        # A host that is left alone is listed as due at once, so that its jobs are let go.
        ready = self._gate.ready_at(host)
        heapq.heappush(self._due, (ready or 0.0, next(self._count), host))
        self._listed.add(host)

    def _wait(self) -> float | None:
        times = [heap[0][0] for heap in (self._due, self._later) if heap]
        return max(0.0, min(times) - self._clock()) if times else None
