"""What the showroom's hosts were asked, when, and by whom: the witness of every politeness test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise


@dataclass(slots=True)
class Request:
    """One request as the server saw it.

    Attributes
    ----------
    host
        Name of the host (``"site"``, ``"cdn"``, ...), not its address.
    path, query
        As sent, percent-encoding kept; `query` without the question mark.
    started, finished
        Seconds on the monotonic clock; `finished` is None while the answer is being sent.
    wall
        Unix time of the start, for people.
    status
        HTTP status of the answer, None until it is known.
    """

    host: str
    method: str
    path: str
    query: str
    user_agent: str
    referer: str
    started: float
    wall: float
    status: int | None = None
    finished: float | None = None


class RequestLog:
    """Thread-safe record of requests; every reading method returns a snapshot."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []

    def add(self, request: Request) -> Request:
        """Record `request`, which the server goes on to complete, and return it."""
        with self._lock:
            self._requests.append(request)
        return request

    def clear(self) -> None:
        """Forget everything recorded so far."""
        with self._lock:
            self._requests.clear()

    def of(self, host: str | None = None, *, prefix: str = "", agent: str = "") -> list[Request]:
        """Return the requests in order of arrival.

        Parameters
        ----------
        host
            Name of a host; None: all hosts.
        prefix
            Keep only paths that begin with it.
        agent
            Keep only requests whose User-Agent contains it.
        """
        with self._lock:
            return [
                replace(r)
                for r in self._requests
                if (host is None or r.host == host)
                and r.path.startswith(prefix)
                and agent in r.user_agent
            ]

    def gaps(self, host: str, *, prefix: str = "", agent: str = "") -> list[float]:
        """Return the seconds between the starts of successive requests to `host`."""
        starts = sorted(r.started for r in self.of(host, prefix=prefix, agent=agent))
        return [later - earlier for earlier, later in pairwise(starts)]

    def peak(self, host: str | None = None, *, prefix: str = "", agent: str = "") -> int:
        """Return the largest number of requests that were open at the same time."""
        edges: list[tuple[float, int]] = []
        for request in self.of(host, prefix=prefix, agent=agent):
            edges.append((request.started, 1))
            edges.append((request.finished or float("inf"), -1))
        most = now = 0
        for _, change in sorted(edges):
            now += change
            most = max(most, now)
        return most

    def __iter__(self) -> Iterator[Request]:
        return iter(self.of())

    def __len__(self) -> int:
        with self._lock:
            return len(self._requests)
