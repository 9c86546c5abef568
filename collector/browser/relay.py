"""One plain request from a browser to a server and its answer back, each on its own connection.

A connection carries one request. Otherwise a second one, for another host, could follow on it, with
the browser's token in its head.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress

from collector.browser import listening
from collector.browser.http_head import BadHeadError, Head, read_head
from collector.browser.listening import cut, pump, received

ANSWER_SECONDS = 60.0
"""Time limit of a server until the head of its answer is complete (nginx's default
`proxy_read_timeout`, but for the head as a whole)."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: |$)")


def relay(
    request: Head, first: bytes, rest: bytes, client: socket.socket, target: socket.socket
) -> None:
    """Pass a request on and its answer back.

    Parameters
    ----------
    request : Head
        As the browser sent it.
    first : bytes
        The request line for the server.
    rest : bytes
        What the browser sent after the head.
    client, target : socket
        Connections of the browser and of the server.

    Raises
    ------
    BadHeadError
        The length of the body is not known, or the answer is not HTTP/1.
    OSError
        One side went away, or took or sent no part of the request for `IDLE_SECONDS`, or
        the head of the answer was not complete after `ANSWER_SECONDS`.
    """
    if request.value("transfer-encoding"):
        raise BadHeadError("a request body without a length")
    length = _length(request)
    client.settimeout(listening.IDLE_SECONDS)
    target.settimeout(listening.IDLE_SECONDS)
    target.sendall(request.forwarded(first))
    _pass_body(length, rest, client, target)
    watch = threading.Thread(target=_end_with, args=(client, target), daemon=True)
    watch.start()
    try:
        before = time.monotonic() + ANSWER_SECONDS
        answer, rest = read_head(target, before=before)
        while (status := _status(answer)).startswith(b"1"):  # 100, 103: before the answer
            if status == b"101":
                raise BadHeadError("the server changed the protocol, which nobody asked for")
            answer, rest = read_head(target, rest, before=before)
        target.settimeout(listening.IDLE_SECONDS)
        line = answer.first
        if status == b"407":
            # Only a proxy may say so: the browser would take the server for this one, and drop the
            # token that it has.
            line = b"HTTP/1.1 502 Bad Gateway"
        client.sendall(answer.forwarded(line) + rest)
        pump(target, client)
    finally:
        cut([client, target])
        watch.join()


def _status(answer: Head) -> bytes:
    found = _STATUS.match(answer.first)
    if found is None:
        raise BadHeadError("the answer is not HTTP/1")
    return found[1]


def _length(request: Head) -> int:
    text = request.value("content-length") or "0"
    if not (text.isascii() and text.isdigit()):
        raise BadHeadError("Content-Length is not a number")
    return int(text)


def _pass_body(length: int, rest: bytes, client: socket.socket, target: socket.socket) -> None:
    data = rest[:length]
    while True:
        target.sendall(data)
        length -= len(data)
        if length <= 0:
            return
        data = client.recv(min(length, 1 << 16))
        if not data:
            raise BadHeadError("the browser left in the middle of its request")


def _end_with(client: socket.socket, target: socket.socket) -> None:
    """End the server's connection when the browser leaves; what it sends meanwhile is dropped."""
    with suppress(OSError):
        while received(client):
            pass
    cut([target])
