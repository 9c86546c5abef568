"""The rules of a host: robots.txt with its content signals, and reservations of rights.

Every layer has a verdict of its own; all of them are kept with the sighting, whatever the outcome.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urljoin

from collector.net.permission import AGENT_TOKEN, NO_USE, Permission, permission_of
from collector.net.small_response import SmallResponse
from collector.weburl import host_of, is_web_address, origin_of, parts_of

ROBOTS_MAX_BYTES = 500 * 1024  # RFC 9309, 2.5
ROBOTS_MAX_REDIRECTS = 5  # RFC 9309, 2.3.1.2


T = TypeVar("T")
Fetch = Callable[[str], SmallResponse]
"""Requests a small text without redirects; status None: unreachable."""

Steps = Generator[str, SmallResponse, T]
"""Yields addresses, receives the responses, returns the result."""


@dataclass
class _Site:
    state: str  # parsed | absent | unreachable | forbidden
    robots: Any = None
    signals: str = ""
    reserved: tuple[str, ...] = ()
    crawl_delay: float | None = None


@dataclass
class _Reading:
    """Rules that are being read: the remaining steps, and the next address."""

    steps: Steps[_Site]
    address: str


class Robots:
    """The robots.txt and tdmrep.json of every host of a run, each requested once.

    Parameters
    ----------
    fetch : callable
        Requests one address through the address guard and the host gate.
    on_known : callable, optional
        Called with (host, crawl delay or None) when a host's robots.txt is known.
    reserved : callable, optional
        Makes a context for a host while one thread reads all of its rules: no other thread needs
        to ask this host anything meanwhile.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        on_known: Callable[[str, float | None], None] | None = None,
        reserved: Callable[[str], AbstractContextManager[None]] = lambda _host: nullcontext(),
    ) -> None:
        self._fetch, self._on_known, self._reserved = fetch, on_known, reserved
        self._readings: dict[str, _Reading] = {}
        self._sites: dict[str, _Site] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def judge(self, url: str, *, override: bool = False) -> Permission:
        """Return whether `url` may be requested; an `override` is recorded in the permission."""
        site = self._site(url)
        layers: dict[str, Any] = {"host": host_of(url), "robots": "absent"}
        reason = ""
        if site.state == "forbidden":
            layers["robots"], reason = "not asked", "forbidden_address"
        elif site.state == "unreachable":
            layers["robots"], reason = "unreachable", "robots_unreachable"
        elif site.state == "parsed":
            allowed = bool(site.robots.can_fetch(url, AGENT_TOKEN))
            layers["robots"] = "allowed" if allowed else "disallowed"
            reason = "" if allowed else "robots"
        if site.signals:
            layers["content_signal"] = site.signals
            if NO_USE.search(site.signals):
                reason = reason or "content_signal"
        if any(_covers(pattern, parts_of(url).path or "/") for pattern in site.reserved):
            layers["tdmrep"] = "reserved"
            reason = reason or "reserved"
        return permission_of(reason, layers, override)

    def known(self, url: str) -> bool:
        """Return whether the rules of the host are known."""
        return origin_of(url) in self._sites

    def next_address(self, url: str) -> str:
        """Return the address that has to be requested next for the rules of the host of `url`."""
        origin = origin_of(url)
        reading = self._readings.get(origin)
        return reading.address if reading is not None else f"{origin}/robots.txt"

    def advance(self, url: str, fetch: Fetch) -> bool:
        """Make the next request for the rules of the host.

        Returns
        -------
        bool
            False if another thread does it: nothing was requested.
        """
        origin = origin_of(url)
        lock = self._lock_of(origin)
        if not lock.acquire(blocking=False):
            return False
        try:
            self._step(origin, fetch)
        finally:
            lock.release()
        return True

    def _site(self, url: str) -> _Site:
        """Return the rules; read them in the calling thread if they are not known yet."""
        origin = origin_of(url)
        with self._lock_of(origin):
            if origin not in self._sites:
                with self._reserved(host_of(origin)):
                    while origin not in self._sites:
                        self._step(origin, self._fetch)
            return self._sites[origin]

    def _step(self, origin: str, fetch: Fetch) -> None:
        if origin in self._sites:
            return
        reading = self._readings.get(origin)
        if reading is None:
            steps = _rules_of(origin)
            reading = self._readings[origin] = _Reading(steps, next(steps))
        try:
            reading.address = reading.steps.send(fetch(reading.address))
        except StopIteration as end:
            del self._readings[origin]
            self._sites[origin] = end.value
            if self._on_known is not None:
                self._on_known(host_of(origin), end.value.crawl_delay)

    def _lock_of(self, origin: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(origin, threading.Lock())


def _rules_of(origin: str) -> Steps[_Site]:
    from protego import Protego

    answer = yield from _follow(f"{origin}/robots.txt")
    status = answer.status
    if answer.forbidden:
        return _Site("forbidden")
    # RFC 9309, 2.3.1: 4xx means no rules, unreachable and 5xx mean a complete disallow. A 429 says
    # nothing about rules, so it counts as unreachable.
    if status is None or status >= 500 or status == 429:
        return _Site("unreachable")
    site = _Site("absent")
    if 200 <= status < 300:
        rules = Protego.parse(answer.text)
        delay = rules.crawl_delay(AGENT_TOKEN)
        site = _Site(
            "parsed",
            rules,
            signals=content_signals(answer.text),
            crawl_delay=float(delay) if delay else None,
        )
    site.reserved = yield from _reservations(origin)
    return site


def _reservations(origin: str) -> Steps[tuple[str, ...]]:
    """Read the W3C TDM Reservation Protocol's file: paths whose rights are reserved."""
    answer = yield from _follow(f"{origin}/.well-known/tdmrep.json")
    if answer.status != 200:
        return ()
    try:
        entries = json.loads(answer.text)
    except (ValueError, RecursionError):
        return ()
    return tuple(
        str(entry.get("location", "/"))
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and str(entry.get("tdm-reservation")) == "1"
    )


def _follow(url: str) -> Steps[SmallResponse]:
    answer = yield url
    for _ in range(ROBOTS_MAX_REDIRECTS):
        target = answer.headers.get("location")
        if answer.status not in {301, 302, 303, 307, 308} or not target:
            return answer
        try:
            url = urljoin(url, target)
        except ValueError:
            url = ""
        if not is_web_address(url):
            return SmallResponse(None, f"a redirect to {target[:80]!r}, which is not an address")
        answer = yield url
    # RFC 9309, 2.3.1.2: after five redirects it may be treated as absent.
    return SmallResponse(404) if (answer.status or 0) in range(300, 400) else answer


def content_signals(robots: str) -> str:
    """Return the ``Content-Signal`` and ``Content-Usage`` of a robots.txt for this agent.

    The lines are in user-agent groups; a group that names this agent replaces that of ``*``.
    """
    groups: dict[str, list[str]] = {}
    agents: list[str] = []
    in_rules = True
    for line in robots.splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            agents = [value.lower()] if in_rules else [*agents, value.lower()]
            in_rules = False
            continue
        in_rules = True
        if key in {"content-signal", "content-usage"}:
            for agent in agents or ["*"]:
                groups.setdefault(agent, []).append(value)
    return "; ".join(groups.get(AGENT_TOKEN, groups.get("*", [])))


def _covers(pattern: str, path: str) -> bool:
    """Match a tdmrep location (``/``, ``/path/*``) the way robots.txt patterns match."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\$", "$")
    return re.match(expression, path) is not None
