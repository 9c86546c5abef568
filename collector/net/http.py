"""`requests` sessions that only reach judged addresses and never outlive their deadline."""

from __future__ import annotations

import heapq
import itertools
import re
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ssl import CertificateError
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ClosedPoolError,
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from collector.net.address import AddressGuard, origin_of
from collector.net.api_keys import NO_KEYS, Keys

CONNECT_SECONDS = 10.0
READ_SECONDS = 20.0


def user_agent(contact: str) -> str:
    """Return the honest User-Agent: what this is, which version, and whom to write to."""
    from bodyshop_core import __version__

    return f"bodyshop/{__version__} (+{contact})"


def guarded_session(
    guard: AddressGuard, agent: str, *, keys: Keys = NO_KEYS, pool_hosts: int = 16,
    pool_size: int = 4,
) -> GuardedSession:  # fmt: skip
    """Return a session for one thread.

    It asks for unencoded bytes, follows no redirect by itself, ignores proxies of the environment
    (a proxy would resolve names again, past the guard) and retries nothing: waiting is the
    scheduler's business.
    """
    session = GuardedSession(
        keys, {"User-Agent": agent, "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}
    )
    session.trust_env = False
    session.headers.clear()
    adapter = GuardedAdapter(guard, pool_connections=pool_hosts, pool_maxsize=pool_size)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class GuardedSession(requests.Session):
    """A session that knows what to send with every request, and which keys to whom."""

    def __init__(self, keys: Keys, always: dict[str, str]) -> None:
        super().__init__()
        self.keys, self.always = keys, always


@dataclass(slots=True)
class StreamedResponse:
    """An answer with its body unread; leave the block to give its connection back.

    Parameters
    ----------
    headers : dict
        Names in lower case; several of one name are one, separated by commas.
    raw : urllib3.BaseHTTPResponse
        The body.
    """

    status: int
    reason: str
    headers: dict[str, str]
    raw: BaseHTTPResponse

    def __enter__(self) -> StreamedResponse:
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()  # of a body read to its end nothing is closed: its connection goes on
        self.raw.release_conn()


def ask(
    session: GuardedSession,
    url: str,
    headers: Mapping[str, str],
    seconds: float,
    params: Mapping[str, Any] | None = None,
) -> StreamedResponse:
    """Send one GET, follow nothing, and return the answer with its body unread.

    The request goes straight to the session's adapter: what `requests.Session.get` does besides
    (cookies of the answer, proxies and netrc of the environment, hooks, redirects) is not wanted
    here and is half of the cost of a small request.

    Parameters
    ----------
    session : GuardedSession
        From `guarded_session`; its keys are filled in here, and hidden in the answer's headers.
    headers : Mapping
        In addition to the session's.
    seconds : float
        Upper bound of the time to connect and of the time between two parts of the answer.
    params : Mapping, optional
        Query parameters to add.

    Raises
    ------
    requests.RequestException
        No answer came.
    ForbiddenAddressError
        The guard refused the address.
    """
    keys = session.keys
    every: dict[str, Any] = {**session.always, **headers}
    target = url
    if keys:
        target = keys.filled(url)
        every |= keys.headers(url)
    adapter = session.get_adapter(url)
    assert isinstance(adapter, GuardedAdapter)
    reply = adapter.get(plain_url(target, params), every, _timeout(seconds))
    if keys:  # a redirect or an error may repeat what it was asked with
        reply.reason = keys.hide(reply.reason)
        reply.headers = {name: keys.hide(value) for name, value in reply.headers.items()}
    return reply


def plain_url(url: str, params: Mapping[str, Any] | None = None) -> str:
    """Return the address as it goes over the wire: `requests`' own spelling of it.

    Most addresses are spelled like that already, which a pattern tells 30 times faster.
    """
    if not params and _PLAIN.fullmatch(url):
        return url
    request = requests.PreparedRequest()
    request.prepare_url(url, params)
    return str(request.url)


@lru_cache
def _timeout(seconds: float) -> Timeout:
    return Timeout(min(CONNECT_SECONDS, seconds), min(READ_SECONDS, seconds))


_PLAIN = re.compile(
    r"https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?"
    r"(?:/(?:[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)?)+(?:\?[A-Za-z0-9_.~=&-]+)?"
)


class Deadline:
    """Ends a thread's request at a fixed time by shutting its socket, whatever it waits for.

    Use as a context manager, once, in the thread that makes the request.

    A timeout of `requests` starts anew with every byte; a server that sends one a second is never
    late for it.
    """

    _threads = threading.local()

    def __init__(self, watch: DeadlineThread, seconds: float) -> None:
        self._watch = watch
        self._at = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self.expired = False
        self._over = False

    @classmethod
    def current(cls) -> Deadline | None:
        """Return the deadline of the calling thread's request."""
        return getattr(cls._threads, "deadline", None)

    def __enter__(self) -> Deadline:
        Deadline._threads.deadline = self
        self._watch.add(self._at, self)
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._sockets.clear()
        Deadline._threads.deadline = None

    def guard(self, connection: socket.socket) -> None:
        """Shut this socket too when time is up."""
        self._sockets.append(connection)

    def expire(self) -> None:
        """End the request, unless it is over; the watch calls it when time is up."""
        if self._over:
            return
        self.expired = True
        for connection in list(self._sockets):
            # The request may have closed it in this very moment: then there is nothing to end.
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class DeadlineThread:
    """One thread that keeps everybody's deadlines; use as a context manager."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Deadline]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)

    def __enter__(self) -> DeadlineThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def add(self, at: float, deadline: Deadline) -> None:
        """Have `deadline` expire at `at` on the monotonic clock."""
        with self._changed:
            heapq.heappush(self._heap, (at, next(self._count), deadline))
            if self._heap[0][2] is deadline:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                if not self._heap:
                    self._changed.wait()
                    continue
                wait = self._heap[0][0] - time.monotonic()
                if wait > 0:
                    self._changed.wait(wait)
                    continue
                _, _, deadline = heapq.heappop(self._heap)
            deadline.expire()


class _Guarded:
    """What both kinds of connection add: connect through the guard, tell the deadline."""

    guard: AddressGuard
    host: str
    port: int
    timeout: Any
    sock: socket.socket | None
    _dns_host: str

    def _new_conn(self) -> socket.socket:
        timeout = self.timeout if isinstance(self.timeout, int | float) else CONNECT_SECONDS
        try:
            connection = self.guard.connect(self._dns_host, self.port, timeout)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"{self.host} did not answer in {timeout} s") from error
        except OSError as error:
            raise NewConnectionError(self, f"{self.host}: {error}") from error  # type: ignore[arg-type]
        if (deadline := Deadline.current()) is not None:
            deadline.guard(connection)
        return connection

    def request(self, *args: Any, **options: Any) -> None:
        super().request(*args, **options)  # type: ignore[misc]
        if (deadline := Deadline.current()) is not None and self.sock is not None:
            deadline.guard(self.sock)


class GuardedAdapter(HTTPAdapter):
    """Goes through the guard, knows no proxies, keeps no cookies."""

    def __init__(self, guard: AddressGuard, **options: Any) -> None:
        self._guard = guard
        self._pools: dict[str, HTTPConnectionPool] = {}
        super().__init__(**options)

    def get(self, url: str, headers: dict[str, Any], timeout: Timeout) -> StreamedResponse:
        """Ask once; of `HTTPAdapter.send` this is what a GET that follows nothing needs."""
        try:
            answer = self._pool(url).urlopen(
                "GET", url[url.index("/", 8) :], None, headers, self.max_retries, redirect=False,
                assert_same_host=False, timeout=timeout, preload_content=False,
                decode_content=False,
            )  # fmt: skip
        except MaxRetryError as error:
            if isinstance(error.reason, SSLError):
                raise requests.exceptions.SSLError(error) from error
            if isinstance(error.reason, ConnectTimeoutError) and not isinstance(
                error.reason, NewConnectionError
            ):
                raise requests.ConnectTimeout(error) from error
            raise requests.ConnectionError(error) from error
        except (SSLError, CertificateError) as error:
            raise requests.exceptions.SSLError(error) from error
        except ReadTimeoutError as error:
            raise requests.ReadTimeout(error) from error
        except (ProtocolError, ClosedPoolError, OSError) as error:
            raise requests.ConnectionError(error) from error
        named = {name.lower(): value for name, value in answer.headers.itermerged()}
        return StreamedResponse(answer.status, answer.reason or "", named, answer)

    def _pool(self, url: str) -> HTTPConnectionPool:
        """Look the host's pool up, once; certificates are checked against `requests`' own list."""
        origin = origin_of(url)
        pool = self._pools.get(origin)
        if pool is None or pool.pool is None:  # the manager closed it in favour of other hosts
            self._pools = {name: each for name, each in self._pools.items() if each.pool}
            request = requests.PreparedRequest()
            request.prepare_url(url, None)
            found = self.get_connection_with_tls_context(request, verify=True)
            assert isinstance(found, HTTPConnectionPool)
            self.cert_verify(found, url, True, None)
            pool = self._pools[origin] = found
        return pool

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: Any
    ) -> None:
        """Make the pools out of connections that go through the guard."""
        bound = {"guard": self._guard}
        plain = type("GuardedHTTPConnection", (_Guarded, HTTPConnection), bound)
        secure = type("GuardedHTTPSConnection", (_Guarded, HTTPSConnection), bound)
        manager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **options)
        manager.pool_classes_by_scheme = {
            "http": type("GuardedHTTPPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("GuardedHTTPSPool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
        self.poolmanager = manager
