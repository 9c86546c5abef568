"""A loopback server whose answers a test writes down, and that remembers what it was asked."""

from __future__ import annotations

import io
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

Answer = Callable[[BaseHTTPRequestHandler], None]


def picture(seed: int, size: tuple[int, int] = (320, 240), kind: str = "JPEG") -> bytes:
    """Draw a picture that no other seed draws."""
    rng = random.Random(seed)
    image = Image.new("RGB", (8, 8))
    image.putdata([tuple(rng.randrange(256) for _ in range(3)) for _ in range(64)])
    out = io.BytesIO()
    image.resize(size).save(out, kind)
    return out.getvalue()


@dataclass
class Asked:
    """One request."""

    path: str
    at: float
    headers: dict[str, str] = field(default_factory=dict)


class PictureServer:
    """Serves `answers` (path without query -> function of the handler); 404 for the rest."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with outer._lock:
                    names = {name.lower(): value for name, value in self.headers.items()}
                    outer.asked.append(Asked(self.path, time.monotonic(), names))
                answer = outer.answers.get(self.path.partition("?")[0], not_found)
                try:
                    answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                return None

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None:
                return None

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, path: str, body: bytes, content_type: str = "image/jpeg", **more: Any) -> str:
        """Answer `path` with `body`; return its address."""
        self.answers[path] = sends(body, content_type, **more)
        return self.url(path)

    def add_pictures(self, count: int, *, prefix: str = "/p/", start: int = 0) -> list[str]:
        """Answer with `count` different pictures; return their addresses."""
        return [self.add(f"{prefix}{n}.jpg", picture(start + n)) for n in range(count)]

    def paths(self, prefix: str = "/p/") -> list[str]:
        """Return the paths asked for so far that begin with `prefix`."""
        with self._lock:
            return [each.path for each in self.asked if each.path.startswith(prefix)]


def sends(
    body: bytes,
    content_type: str = "image/jpeg",
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    length: int | None = None,
) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        declared = len(body) if length is None else length
        handler.send_header("Content-Length", str(declared))
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        if declared != len(body):
            handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body)
        if declared != len(body):
            handler.close_connection = True

    return answer


def redirects(target: str, status: int = 302) -> Answer:
    return sends(b"", "text/plain", status=status, headers={"Location": target})


def drips(body: bytes, seconds: float) -> Answer:
    """Send one byte every `seconds`."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "image/jpeg")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        for byte in body:
            handler.wfile.write(bytes((byte,)))
            handler.wfile.flush()
            time.sleep(seconds)

    return answer


def first(times: int, before: Answer, after: Answer) -> Answer:
    """Answer with `before` so many times, then with `after`."""
    left = [times]
    lock = threading.Lock()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        with lock:
            left[0] -= 1
            chosen = before if left[0] >= 0 else after
        chosen(handler)

    return answer


def not_found(handler: BaseHTTPRequestHandler) -> None:
    sends(b"no", "text/plain", status=404)(handler)
