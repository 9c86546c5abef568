"""Several hosts on loopback, one port each, served by waitress from a background thread."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from waitress import create_server, wasyncore

from bodyshop_core.errors import BodyshopError
from showroom.site.log import Request, RequestLog

if TYPE_CHECKING:
    from types import TracebackType

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_THREADS = 32


@dataclass(slots=True)
class Fault:
    """An answer that takes the place of the real one, for a number of times.

    Parameters
    ----------
    host
        Name of the host that misbehaves.
    prefix
        Beginning of the paths concerned.
    status, headers, body
        The answer.
    times
        How many requests get it before the host recovers.
    per_path
        Count `times` for every path on its own.
    """

    host: str
    prefix: str = "/"
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    times: int = 1
    per_path: bool = False
    _used: dict[str, int] = field(default_factory=dict, repr=False)

    def take(self, host: str, path: str) -> bool:
        """Return whether this request gets the fault, and count it."""
        if host != self.host or not path.startswith(self.prefix):
            return False
        key = path if self.per_path else ""
        if self._used.get(key, 0) >= self.times:
            return False
        self._used[key] = self._used.get(key, 0) + 1
        return True


def bind(names: Iterable[str], port: int) -> dict[str, socket.socket]:
    """Open one loopback socket per name, on successive ports from `port` (0: any free ones).

    Raises
    ------
    BodyshopError
        If a port is taken; it names the port.
    """
    sockets: dict[str, socket.socket] = {}
    for offset, name in enumerate(names):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if os.name == "posix":  # elsewhere it would let two servers share a port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wanted = port + offset if port else 0
        try:
            sock.bind(("127.0.0.1", wanted))
        except OSError as error:
            for opened in (sock, *sockets.values()):
                opened.close()
            raise BodyshopError(
                f"Port {wanted} of 127.0.0.1 cannot be used for the showroom: {error.strerror}.",
                hint="Stop what listens there, or choose another port (0 takes any free ones).",
            ) from error
        sockets[name] = sock
    return sockets


class LoopbackServer:
    """Serve one WSGI application per bound socket until closed.

    Parameters
    ----------
    sockets
        Name of a host -> bound socket, from `bind`.
    apps
        Name of a host -> its application.
    log
        Records every request.
    latency
        Seconds to wait before each answer.
    stopping
        Set when the server closes; answers that take their time wait on it instead of sleeping.
    """

    def __init__(
        self,
        sockets: Mapping[str, socket.socket],
        apps: Mapping[str, WSGIApp],
        *,
        log: RequestLog,
        latency: float = 0.0,
        stopping: threading.Event | None = None,
    ) -> None:
        self.log = log
        self.latency = latency
        self.faults: list[Fault] = []
        self.stopping = stopping or threading.Event()
        self._apps = {
            str(sock.getsockname()[1]): (name, apps[name]) for name, sock in sockets.items()
        }
        self._fault_lock = threading.Lock()
        # Clients that hang up and answers that are too short are this site's daily bread.
        logging.getLogger("waitress").setLevel(logging.ERROR)
        self._map: dict[int, Any] = {}
        self._server = create_server(
            self._answer,
            map=self._map,
            sockets=list(sockets.values()),
            threads=_THREADS,
            channel_request_lookahead=1,
            connection_limit=512,
            ident="showroom",
        )
        self._thread = threading.Thread(target=self._loop, name="showroom", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving; open connections are cut. Safe to call twice."""
        self.stopping.set()
        self._thread.join(timeout=15)

    def __enter__(self) -> LoopbackServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _loop(self) -> None:
        while not self.stopping.is_set():
            wasyncore.loop(timeout=0.2, map=self._map, use_poll=True, count=1)
        # Channels first: a worker that waits for room in its output buffer is woken by the close.
        for channel in list(self._map.values()):
            channel.handle_close()
        self._server.task_dispatcher.shutdown(timeout=5)

    def _answer(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        name, app = self._apps[environ["SERVER_PORT"]]
        request = self.log.add(
            Request(
                host=name,
                method=environ["REQUEST_METHOD"],
                path=environ.get("REQUEST_URI", environ["PATH_INFO"]).partition("?")[0],
                query=environ["QUERY_STRING"],
                user_agent=environ.get("HTTP_USER_AGENT", ""),
                referer=environ.get("HTTP_REFERER", ""),
                started=time.monotonic(),
                wall=time.time(),
            )
        )

        def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
            request.status = int(status.split(" ", 1)[0])
            return start_response(status, headers, error)

        if self.latency:
            self.stopping.wait(self.latency)
        fault = self._fault_for(name, request.path)
        body = app(environ, start) if fault is None else _fail(fault, start)
        return _Watched(body, request)

    def _fault_for(self, name: str, path: str) -> Fault | None:
        with self._fault_lock:
            return next((fault for fault in self.faults if fault.take(name, path)), None)


class _Watched:
    """An answer's body that notes when it was sent or given up."""

    def __init__(self, body: Iterable[bytes], request: Request) -> None:
        self._body = body
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        self._request.finished = time.monotonic()
        close = getattr(self._body, "close", None)
        if close is not None:
            close()


def _fail(fault: Fault, start: Callable[..., Any]) -> list[bytes]:
    headers = {"Content-Type": "text/plain", "Content-Length": str(len(fault.body))}
    headers.update(fault.headers)
    start(f"{fault.status} {_phrase(fault.status)}", list(headers.items()))
    return [fault.body]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
