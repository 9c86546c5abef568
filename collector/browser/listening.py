"""What the guarding proxies share: a listener with a thread per connection, and copying bytes."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self

CONNECT_SECONDS = 10.0
"""Time limit of a greeting, and of a connection to a target."""

MOST = 256
"""Connections at the same time. Each needs two descriptors, of which Linux and macOS grant 1024 and
256 by default; Chromium opens at most 32 to a proxy (`kMaxSocketsPerProxyChain`)."""

_PAUSE = 0.1
"""Seconds until the next try when no connection can be accepted, as without free descriptors."""

IDLE_SECONDS = 60.0
"""How long one side may take nothing, or send nothing after the other has ended (nginx's defaults
`proxy_send_timeout` and `proxy_read_timeout`)."""

_CHUNK = 1 << 16


class Listening(ABC):
    """Serves each connection to an address in a thread of its own; use as a context manager.

    Parameters
    ----------
    host : str
        Address of this machine to listen on; an empty text means all of them.
    port : int
        0: any that is free.
    most : int
        Connections at the same time; more are closed at once.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, most: int = MOST) -> None:
        self._place, self._most = (host, port), most
        self._open: set[socket.socket] = set()
        self._served = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self._place[0] else socket.AF_INET
        self._listener = socket.create_server(self._place, family=family, backlog=128)
        self._thread = threading.Thread(target=self._accept, name="guard-proxy", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads
            self._listener.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        # shutdown wakes the thread that waits in accept; close alone would not.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            left = list(self._open)
        cut(left)
        self._thread.join(5)

    @abstractmethod
    def serve(self, client: socket.socket) -> None:
        """Serve one connection until it ends; an `OSError` means that the client went away."""

    def tracked(self, connection: socket.socket) -> Tracked:
        """Have a connection end with the proxy; a context manager that closes it."""
        return Tracked(connection, self._open, self._lock)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed, or no descriptor is free, or the client has left already
                self._closing.wait(_PAUSE)
                continue
            with self._lock:
                full = self._served >= self._most
                self._served += not full
            if full:
                client.close()
                continue
            try:
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()
            except RuntimeError:  # no more threads: as if it were full
                self._done()
                client.close()

    def _done(self) -> None:
        with self._lock:
            self._served -= 1

    def _serve(self, client: socket.socket) -> None:
        with self.tracked(client):
            try:
                with suppress(OSError):
                    client.settimeout(CONNECT_SECONDS)
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.serve(client)
            finally:
                self._done()


class Tracked:
    """Closes a connection at the end, and lets its proxy close it earlier."""

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


def join(client: socket.socket, target: socket.socket) -> None:
    """Copy bytes both ways until both sides have ended, or one has and the other is idle."""
    client.settimeout(IDLE_SECONDS)
    target.settimeout(IDLE_SECONDS)
    ended = threading.Event()
    back = threading.Thread(target=pump, args=(target, client, ended), daemon=True)
    back.start()
    pump(client, target, ended)
    back.join()


def pump(source: socket.socket, sink: socket.socket, ended: threading.Event | None = None) -> None:
    """Copy bytes until one side ends, then close the sending direction of the other.

    Parameters
    ----------
    source, sink : socket
        With a time limit. A sink that takes nothing for so long ends the copying.
    ended : Event, optional
        Shared by both directions, and set by the first that ends. The second one then ends, too,
        if its source is idle. Without it a source may be idle for ever.
    """
    with suppress(OSError):
        while data := received(source, ended):
            sink.sendall(data)
    if ended is not None:
        ended.set()
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def received(source: socket.socket, ended: threading.Event | None = None) -> bytes:
    """Wait for bytes beyond the time limit, until `ended` is set; none mean the end."""
    while True:
        try:
            return source.recv(_CHUNK)
        except TimeoutError:
            if ended is not None and ended.is_set():
                return b""


def cut(connections: list[socket.socket]) -> None:
    """End connections that other threads wait on."""
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
