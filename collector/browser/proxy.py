"""The browser's only connection: a SOCKS5 proxy on loopback that checks every target.

A browser resolves names itself, later than any check of ours, and a name may resolve differently
the second time. Therefore Chromium uses a SOCKS5 proxy (RFC 1928) that receives the host *name*,
resolves it through `AddressGuard` and connects to the checked address. Redirects, scripts, frames,
workers and web sockets all use it; nothing is decrypted.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from collector.errors import ForbiddenAddressError
from collector.net.address import AddressGuard

_VERSION, _CONNECT = 5, 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_OK, _FAILED, _NOT_ALLOWED, _UNREACHABLE, _NOT_SUPPORTED = 0, 1, 2, 4, 7
_CHUNK = 1 << 16
_CONNECT_SECONDS = 10.0


class GuardProxy:
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
        self._guard, self._on_refused = guard, on_refused
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """The value of Chromium's ``--proxy-server``."""
        return f"socks5://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> GuardProxy:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._thread = threading.Thread(target=self._accept, name="guard-proxy", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # shutdown wakes the thread that waits in accept; close alone would not.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            left = list(self._open)
        for connection in left:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed: the end of the session
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._tracked(client):
            try:
                target = self._answer(client)
            except OSError:  # the browser went away in the middle of its request
                return
            if target is None:
                return
            with self._tracked(target):
                back = threading.Thread(target=_pump, args=(target, client), daemon=True)
                back.start()
                _pump(client, target)
                back.join()

    def _answer(self, client: socket.socket) -> socket.socket | None:
        """Speak the SOCKS5 greeting and request; return the connection to the checked address."""
        client.settimeout(_CONNECT_SECONDS)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
            target = self._guard.connect(host, port, _CONNECT_SECONDS)
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
        client.settimeout(None)
        target.settimeout(None)
        return target

    def _tracked(self, connection: socket.socket) -> _Tracked:
        return _Tracked(connection, self._open, self._lock)


class _Tracked:
    """Closes a connection at the end, and lets the proxy close it earlier."""

    def __init__(
        self, connection: socket.socket, register: set[socket.socket], lock: threading.Lock
    ) -> None:
        self._connection, self._register, self._lock = connection, register, lock

    def __enter__(self) -> None:
        with self._lock:
            self._register.add(self._connection)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._register.discard(self._connection)
        self._connection.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy bytes until one side ends, then close the sending direction of the other."""
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


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
