"""The only way out of browsers on other machines: an HTTP proxy that asks for a token.

`GuardProxy` listens on loopback and trusts who is there. A node of a Selenium Grid is somewhere
else, so this one is open to a network: nothing is forwarded without the token of one browser, and
then only to addresses that the guard of that browser permits. Chromium sends no password to a SOCKS
proxy, hence HTTP: tunnels (`CONNECT`) for https and web sockets, one request at a time for http.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import secrets
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from collector.browser.http_head import BadHeadError, Head, read_head
from collector.browser.listening import CONNECT_SECONDS, Listening, cut, join
from collector.browser.relay import relay
from collector.errors import ForbiddenAddressError
from collector.net.address import AddressGuard

REALM = "bodyshop"

Place = tuple[str, int]
"""An address and a port."""

_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # linger for 0 s
_ANSWER = b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\nConnection: close\r\n\r\n%b"
_ASK = b'Proxy-Authenticate: Basic realm="%b"\r\n' % REALM.encode()
_TEXT = b"Content-Type: text/plain\r\nCache-Control: no-store\r\n"


@dataclass(eq=False)
class Admission:
    """What lets one browser through the proxy; from `TokenProxy.admit`.

    Until `opened`, the proxy forwards nothing for it: it answers requests whose path ends in
    `nonce` itself, with `answer`, whatever host they are for, and counts tunnels.

    Parameters
    ----------
    guard : AddressGuard
        Judges each target.
    on_refused : callable
        Called with (host, port, message) for each target that was refused.
    user, token : str
        The browser's credentials.
    nonce, answer : str
        Unguessable; only a request that passes the proxy turns one into the other.
    tunnels : set of str
        Hosts that a tunnel was requested for before it was `opened`.
    """

    guard: AddressGuard
    on_refused: Callable[[str, int, str], None]
    user: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    nonce: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    answer: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    tunnels: set[str] = field(default_factory=set)
    opened: bool = False
    _ended: bool = False
    _held: set[socket.socket] = field(default_factory=set, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def holding(self, connection: socket.socket) -> Iterator[None]:
        """Have a connection end when the browser is not admitted any more."""
        with self._lock:
            if self._ended:
                raise ConnectionAbortedError("this browser is not admitted any more")
            self._held.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(connection)

    def end(self) -> None:
        """End every connection of the browser."""
        with self._lock:
            self._ended = True
            left = list(self._held)
        cut(left)


class TokenProxy(Listening):
    """Serves several browsers, each with a token of its own; use as a context manager.

    Parameters
    ----------
    host : str
        Address of this machine to listen on; an empty text means all of them.
    port : int
        0: any that is free.
    """

    def __init__(self, host: str, port: int = 0) -> None:
        super().__init__(host, port)
        self._admitted: dict[str, Admission] = {}
        self._number = 0
        self._never: frozenset[Place] = frozenset()

    def keep_from(self, never: frozenset[Place]) -> None:
        """Forward nothing to these places either, whatever a guard permits; nor to this proxy.

        Parameters
        ----------
        never : frozenset of (address, port)
            From `places_of`. One on this machine is refused at each of its addresses.
        """
        self._never |= never | {("127.0.0.1", port) for at, port in never if _of_this_machine(at)}

    def admit(self, guard: AddressGuard, on_refused: Callable[[str, int, str], None]) -> Admission:
        """Admit one more browser; its token is valid until `dismiss`."""
        with self._lock:
            self._number += 1
            admission = Admission(guard, on_refused, f"browser-{self._number}")
            self._admitted[admission.user] = admission
        return admission

    def dismiss(self, admission: Admission) -> None:
        """Take a browser's token back, and end its connections."""
        with self._lock:
            self._admitted.pop(admission.user, None)
        admission.end()

    def serve(self, client: socket.socket) -> None:
        """Serve one request of a browser, or one tunnel."""
        head, rest = read_head(client, before=time.monotonic() + CONNECT_SECONDS)
        client.settimeout(CONNECT_SECONDS)
        admission = self._admission(head.value("proxy-authorization"))
        if admission is None:
            client.sendall(_message(b"407 Proxy Authentication Required", _ASK))
            return
        method, _, place = head.first.partition(b" ")
        place, _, version = place.rpartition(b" ")
        if not version.startswith(b"HTTP/1."):
            raise BadHeadError("no request of HTTP/1")
        with admission.holding(client):
            if method == b"CONNECT":
                self._tunnel(admission, place.decode("latin-1"), rest, client)
            else:
                self._request(admission, method, place.decode("latin-1"), head, rest, client)

    def _admission(self, credentials: str) -> Admission | None:
        scheme, _, encoded = credentials.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, token = base64.b64decode(encoded, validate=True).partition(b":")
        except ValueError:
            return None
        with self._lock:
            admission = self._admitted.get(user.decode("latin-1"))
        if admission is None or not hmac.compare_digest(admission.token.encode(), token):
            return None
        return admission

    def _tunnel(self, admission: Admission, place: str, rest: bytes, client: socket.socket) -> None:
        host, port = _host_and_port(f"//{place}", None)
        if not admission.opened:
            admission.tunnels.add(host)
            client.sendall(_message(b"403 Forbidden"))
            return
        target = self._reach(admission, host, port)
        if target is None:
            client.sendall(_message(b"502 Bad Gateway"))  # net::ERR_TUNNEL_CONNECTION_FAILED
            return
        with self.tracked(target), admission.holding(target):
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            target.sendall(rest)
            join(client, target)

    def _request(
        self, admission: Admission, method: bytes, url: str, head: Head, rest: bytes,
        client: socket.socket,
    ) -> None:  # fmt: skip
        if not url.lower().startswith("http://"):
            client.sendall(_message(b"400 Bad Request"))
            return
        host, port = _host_and_port(url, 80)
        if not admission.opened:
            if url.endswith(f"/{admission.nonce}"):
                client.sendall(_message(b"200 OK", _TEXT, admission.answer.encode()))
            return
        target = self._reach(admission, host, port)
        if target is None:
            # No answer, but net::ERR_CONNECTION_RESET: an error page would look like the site's,
            # and chromedriver does not report a connection that ends without an answer.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return
        with self.tracked(target), admission.holding(target):
            first = b"%b %b HTTP/1.1" % (method, _path(url).encode("latin-1"))
            relay(head, first, rest, client, target)

    def _reach(self, admission: Admission, host: str, port: int) -> socket.socket | None:
        try:
            target = admission.guard.connect(host, port, CONNECT_SECONDS)
            if self._may_be_reached(target):
                return target
            target.close()
            message = f"{host} is the browser's Grid or its proxy, which no page may use"
            admission.on_refused(host, port, message)
        except ForbiddenAddressError as error:
            admission.on_refused(host, port, error.message)
        except OSError:  # it does not resolve, or does not answer
            pass
        return None

    def _may_be_reached(self, target: socket.socket) -> bool:
        """Judge by the address that it is connected to: a name may have any."""
        there, port = target.getpeername()[:2]
        here = target.getsockname()[0]
        own = here == there or ipaddress.ip_address(_plain(there)).is_loopback
        at = {(_plain(there), port)} | ({("127.0.0.1", port)} if own else set())
        return not at & (self._never | {("127.0.0.1", self.port)})


def places_of(host: str, port: int) -> frozenset[Place]:
    """Return each address of a host, with the port.

    Raises
    ------
    OSError
        The name does not resolve.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return frozenset((_plain(str(place[0])), port) for *_, place in found)


def _plain(address: str) -> str:
    """Return an address in its only form: without a zone, and IPv4 as such."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def _of_this_machine(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:  # EADDRNOTAVAIL: another machine's; EAFNOSUPPORT: this one has no IPv6
        return False
    return True


def _host_and_port(url: str, default: int | None) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or default
    except ValueError as error:
        raise BadHeadError("no address of HTTP") from error
    if not host or not port:
        raise BadHeadError("no address of HTTP")
    return host, port


def _path(url: str) -> str:
    """Return what comes after the host, exactly as the browser wrote it."""
    authority = url[len("http://") :]
    cut_at = min((at for at in map(authority.find, "/?") if at >= 0), default=len(authority))
    path = authority[cut_at:]
    return path if path.startswith("/") else f"/{path}"


def _message(status: bytes, fields: bytes = b"", body: bytes = b"") -> bytes:
    return _ANSWER % (status, fields, len(body), body)
