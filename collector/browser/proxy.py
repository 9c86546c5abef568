"""The browser's only connection: a SOCKS5 proxy on loopback that checks every target.

A browser resolves names itself, later than any check of ours, and a name may resolve differently
the second time. Therefore Chromium uses a SOCKS5 proxy (RFC 1928) that receives the host *name*,
resolves it through `AddressGuard` and connects to the checked address. Redirects, scripts, frames,
workers and web sockets all use it; nothing is decrypted.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from collector.browser.listening import CONNECT_SECONDS, Listening, join
from collector.errors import ForbiddenAddressError
from collector.net.address import AddressGuard

_VERSION, _CONNECT = 5, 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_OK, _FAILED, _NOT_ALLOWED, _UNREACHABLE, _NOT_SUPPORTED = 0, 1, 2, 4, 7


class GuardProxy(Listening):
    """Serves one browser; use as a context manager.

    Parameters
    ----------
    guard : AddressGuard
        Checks each connection.
    on_refused : callable, optional
        Called with (host, port, message) for each connection that was refused.
    """

    def __init__(
        self, guard: AddressGuard, *, on_refused: Callable[[str, int, str], None] | None = None
    ) -> None:
        super().__init__()
        self._guard, self._on_refused = guard, on_refused

    @property
    def address(self) -> str:
        """The value of Chromium's ``--proxy-server``."""
        return f"socks5://127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        """Connect the browser with the checked address that it asks for."""
        target = self._answer(client)
        if target is not None:
            with self.tracked(target):
                join(client, target)

    def _answer(self, client: socket.socket) -> socket.socket | None:
        """Speak the SOCKS5 greeting and request; return the connection to the checked address."""
        version, methods = _exactly(client, 2)
        _exactly(client, methods)
        if version != _VERSION:
            return None
        client.sendall(bytes((_VERSION, 0)))
        _, command, _, kind = _exactly(client, 4)
        if kind == _NAME:
            host = _exactly(client, _exactly(client, 1)[0]).decode("ascii", "replace")
        elif kind in {_IPV4, _IPV6}:
            family = socket.AF_INET if kind == _IPV4 else socket.AF_INET6
            host = socket.inet_ntop(family, _exactly(client, 4 if kind == _IPV4 else 16))
        else:
            _reply(client, _NOT_SUPPORTED)
            return None
        (port,) = struct.unpack("!H", _exactly(client, 2))
        if command != _CONNECT:
            _reply(client, _NOT_SUPPORTED)
            return None
        try:
            target = self._guard.connect(host, port, CONNECT_SECONDS)
        except ForbiddenAddressError as error:
            if self._on_refused is not None:
                self._on_refused(host, port, error.message)
            _reply(client, _NOT_ALLOWED)
            return None
        except socket.gaierror:
            _reply(client, _UNREACHABLE)
            return None
        except OSError:
            _reply(client, _FAILED)
            return None
        _reply(client, _OK)
        return target


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        if not chunk:
            raise ConnectionError("the browser closed the connection during the SOCKS greeting")
        data += chunk
    return data


def _reply(client: socket.socket, code: int) -> None:
    client.sendall(struct.pack("!BBBB4sH", _VERSION, code, 0, _IPV4, b"\0\0\0\0", 0))
