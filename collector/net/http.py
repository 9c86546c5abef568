"""`requests` sessions that connect to checked addresses only and never exceed their deadline."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ssl import CertificateError
from typing import Any, Protocol

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

from collector.net.address import AddressGuard
from collector.net.api_keys import NO_KEYS, Keys
from collector.net.deadline import Deadline
from collector.net.plain_head import QuickResponse
from collector.weburl import origin_of

CONNECT_SECONDS = 10.0
READ_SECONDS = 20.0


def user_agent(contact: str) -> str:
    """Return an honest User-Agent: the program, its version, and a contact address."""
    from bodyshop_core.version import __version__

    return f"bodyshop/{__version__} (+{contact})"


def guarded_session(
    guard: AddressGuard, agent: str, *, keys: Keys = NO_KEYS, pool_hosts: int = 16,
    pool_size: int = 4, departures: Departures | None = None,
) -> GuardedSession:  # fmt: skip
    """Return a session for one thread.

    `departures` are told when the connection stands and a request is about to leave, and when it
    has left.

    It asks for bytes without content encoding, follows no redirect, ignores the proxies of the
    environment (a proxy would resolve names again, without the guard) and retries nothing: the
    scheduler decides about retries.
    """
    session = GuardedSession(
        keys, {"User-Agent": agent, "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}
    )
    session.trust_env = False
    session.headers.clear()
    adapter = GuardedAdapter(guard, departures, pool_connections=pool_hosts, pool_maxsize=pool_size)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class Departures(Protocol):
    """Told about the requests of the calling thread."""

    def leaving(self) -> None:
        """Note, or put off, that a request leaves."""

    def left(self) -> None:
        """Note that it has left."""


class GuardedSession(requests.Session):
    """A session with the headers of every request, and the API keys for each host."""

    def __init__(self, keys: Keys, always: dict[str, str]) -> None:
        super().__init__()
        self.keys, self.always = keys, always


@dataclass(slots=True)
class StreamedResponse:
    """A response whose body is not read yet; the end of its block releases the connection.

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
        self.raw.close()  # if the body was read to its end, the connection stays open
        self.raw.release_conn()


def ask(
    session: GuardedSession,
    url: str,
    headers: Mapping[str, str],
    seconds: float,
    params: Mapping[str, Any] | None = None,
) -> StreamedResponse:
    """Send one GET, follow no redirect, and return the response with its body unread.

    The request goes directly to the session's adapter: everything else that `requests.Session.get`
    does (cookies of the response, proxies and netrc of the environment, hooks, redirects) is not
    wanted here, and takes half of the time of a small request.

    Parameters
    ----------
    session : GuardedSession
        From `guarded_session`; its keys are inserted here, and hidden in the response headers.
    headers : Mapping
        In addition to the session's.
    seconds : float
        Upper bound of the time to connect and of the time between two parts of the response.
    params : Mapping, optional
        Query parameters to add.

    Raises
    ------
    requests.RequestException
        There was no response.
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
    if keys:  # a redirect or an error may repeat the address of the request
        reply.reason = keys.hide(reply.reason)
        reply.headers = {name: keys.hide(value) for name, value in reply.headers.items()}
    return reply


def plain_url(url: str, params: Mapping[str, Any] | None = None) -> str:
    """Return the address as it is sent: normalised in the way of `requests`.

    Most addresses are normalised already; a pattern finds that out 30 times faster.
    """
    if not params and _PLAIN.fullmatch(url):
        return url
    request = requests.PreparedRequest()
    request.prepare_url(url, params)
    return str(request.url)


@lru_cache
def _timeout(seconds: float) -> Timeout:
    return Timeout(connect=min(CONNECT_SECONDS, seconds), read=min(READ_SECONDS, seconds))


_PLAIN = re.compile(
    r"https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?"
    r"(?:/(?:[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)?)+(?:\?[A-Za-z0-9_.~=&-]+)?"
)


class _Guarded:
    """What both kinds of connection add: connect through the guard, register with the deadline."""

    guard: AddressGuard
    response_class = QuickResponse
    departures: Departures | None
    connect: Callable[[], None]
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
        if self.sock is None:
            self.connect()
        if self.departures is not None:
            self.departures.leaving()
        super().request(*args, **options)  # type: ignore[misc]
        if self.departures is not None:
            self.departures.left()
        if (deadline := Deadline.current()) is not None and self.sock is not None:
            deadline.guard(self.sock)


class GuardedAdapter(HTTPAdapter):
    """Connects through the guard, uses no proxy, keeps no cookies."""

    def __init__(self, guard: AddressGuard, departures: Departures | None, **options: Any) -> None:
        self._guard, self._departures = guard, departures
        self._pools: dict[str, HTTPConnectionPool] = {}
        super().__init__(**options)

    def get(self, url: str, headers: dict[str, Any], timeout: Timeout) -> StreamedResponse:
        """Send one GET: the part of `HTTPAdapter.send` that is needed without redirects."""
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
        """Return the host's connection pool; it checks certificates as `requests` does."""
        origin = origin_of(url)
        pool = self._pools.get(origin)
        if pool is None or pool.pool is None:  # the manager closed it to make room for other hosts
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
        """Build the pools from connections that go through the guard."""
        bound = {"guard": self._guard, "departures": self._departures}
        plain = type("GuardedHTTPConnection", (_Guarded, HTTPConnection), bound)
        secure = type("GuardedHTTPSConnection", (_Guarded, HTTPSConnection), bound)
        manager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **options)
        manager.pool_classes_by_scheme = {
            "http": type("GuardedHTTPPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("GuardedHTTPSPool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
        self.poolmanager = manager
