"""The backend's HTTP server: Label Studio's protocol for machine learning backends.

Source: label_studio/ml/api_connector.py of Label Studio 1.23 and label_studio_ml/api.py: GET
``/health``, POST ``/setup``, ``/predict`` and ``/webhook``, with HTTP Basic authentication.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.progress import SILENT, Progress
from labeling.formats.shapes import MaskFormatError

HOST = "127.0.0.1"

USER = "label-studio"
"""Of the Basic authentication; the password is made at each start."""

LARGEST_REQUEST = 64 * 2**20
"""Bytes of a request's body: a page of large brush regions."""


@dataclass(frozen=True)
class RunningBackend:
    """A server that answers.

    Parameters
    ----------
    url : str
        On 127.0.0.1.
    user, token : str
        What Label Studio has to send with each request.
    """

    url: str
    user: str
    token: str = field(repr=False)


@contextmanager
def running_backend(
    answer: Callable[[Mapping[str, Any]], list[dict[str, Any]]],
    version: str,
    *,
    port: int = 9090,
    progress: Progress = SILENT,
) -> Iterator[RunningBackend]:
    """Serve answers on 127.0.0.1 during the block.

    Parameters
    ----------
    answer : callable
        From the body of a request to ``/predict`` to one answer per task.
    version : str
        Name of the model.
    port : int
        0: any free port.
    progress : Progress
        Told of requests that failed.

    Raises
    ------
    UsageError
        The port is in use.
    """
    token = secrets.token_urlsafe(24)
    expected = base64.b64encode(f"{USER}:{token}".encode()).decode()
    turn = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        """Answers one connection."""

        server_version, sys_version = "bodyshop", ""
        timeout = 60

        def do_GET(self) -> None:
            """Answer ``/health``, which tells no secret."""
            if urlsplit(self.path).path not in ("/", "/health"):
                self._send(404, {"error": "not found"})
                return
            self._send(200, {"status": "UP", "model_class": "bodyshop", "model_version": version})

        def do_POST(self) -> None:
            """Answer ``/setup``, ``/predict`` and ``/webhook``."""
            given = self.headers.get("Authorization", "").removeprefix("Basic ")
            if not hmac.compare_digest(given.encode(), expected.encode()):
                self._send(401, {"error": "this backend needs its token"})
                return
            stated = self.headers.get("Content-Length", "")
            length = int(stated) if stated.isdigit() else 0
            if length > LARGEST_REQUEST:
                self.close_connection = True
                self._send(413, {"error": f"a request of {length} bytes is too large"})
                return
            body = self.rfile.read(length)
            path = urlsplit(self.path).path
            if path == "/setup":
                self._send(200, {"model_version": version})
            elif path == "/webhook":
                # Nothing is trained here: bodyshop label pull brings the annotations.
                self._send(201, {"status": "ok"})
            elif path == "/predict":
                self._predict(body)
            else:
                self._send(404, {"error": "not found"})

        def log_message(self, format: str, *arguments: Any) -> None:
            """Keep requests out of the terminal."""

        def _predict(self, body: bytes) -> None:
            try:
                request = json.loads(body or b"null")
                if not isinstance(request, dict):
                    raise MaskFormatError("the body of the request is no JSON object")
                with turn:
                    results = answer(request)
            except (ValueError, RecursionError) as error:
                self._send(400, {"error": f"the body of the request is no JSON: {error}"})
            except MaskFormatError as error:
                progress.log(f"a request was refused: {error.message}")
                self._send(400, {"error": error.message})
            except BodyshopError as error:
                progress.log(f"no answer: {error.message}")
                self._send(500, {"error": error.message})
            except Exception as error:  # noqa: BLE001 - the page is told, and the server goes on
                progress.log(f"no answer: {error!r}")
                self._send(500, {"error": f"the backend failed: {error!r}"})
            else:
                self._send(200, {"results": results, "model_version": version})

        def _send(self, status: int, content: dict[str, Any]) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    class Server(ThreadingHTTPServer):
        """Tells of callers that hung up in one line."""

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Report what went wrong with a connection."""
            progress.log(f"a request got no answer: {sys.exc_info()[1]!r}")

    try:
        server = Server((HOST, port), Handler)
    except OSError as error:
        raise UsageError(
            f"port {port} on {HOST} is in use", hint="choose another port with --port"
        ) from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield RunningBackend(f"http://{HOST}:{server.server_port}", USER, token)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
