"""What the guarding proxies share: a listener with a thread per connection, and copying bytes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

CONNECT_SECONDS = 10.0
"""Time limit of a greeting, and of a connection to a target."""

_CHUNK = 1 << 16


class Listening:
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

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, most: int = 4096) -> None:
        self._place, self._most = (host, port), most
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self._place[0] else socket.AF_INET
        self._listener = socket.create_server(self._place, family=family, backlog=128)
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
        cut(left)
        self._thread.join(5)

    def serve(self, client: socket.socket) -> None:
        """Serve one connection until it ends; an `OSError` means that the client went away."""
        raise NotImplementedError

    def tracked(self, connection: socket.socket) -> Tracked:
        """Have a connection end with the proxy; a context manager that closes it."""
        return Tracked(connection, self._open, self._lock)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed: the end of the session
                return
            with self._lock:
                full = len(self._open) >= self._most
            if full:
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self.tracked(client), suppress(OSError):
            client.settimeout(CONNECT_SECONDS)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.serve(client)


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
    """Copy bytes both ways until both sides have ended."""
    client.settimeout(None)
    target.settimeout(None)
    back = threading.Thread(target=pump, args=(target, client), daemon=True)
    back.start()
    pump(client, target)
    back.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy bytes until one side ends, then close the sending direction of the other."""
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def cut(connections: list[socket.socket]) -> None:
    """End connections that other threads wait on."""
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
