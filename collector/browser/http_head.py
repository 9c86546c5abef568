"""Heads of HTTP/1.1 messages, as a proxy reads and writes them (RFC 9112)."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass

MAX_HEAD = 1 << 16
"""Bytes of a head: the limit that Squid has by default (`request_header_max_size` and
`reply_header_max_size`)."""

_END = re.compile(rb"\r?\n\r?\n")
_LONGEST_END = 4
_LINE = re.compile(rb"\r?\n(?![ \t])")  # a line that begins with a space continues the last one
_OF_THE_CONNECTION = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
     "te", "trailer", "upgrade"}
)  # fmt: skip


class BadHeadError(OSError):
    """What was sent is no HTTP message that may be forwarded."""


@dataclass(frozen=True)
class Head:
    """The first line and the fields of a message, as bytes.

    Parameters
    ----------
    first : bytes
        Request line or status line.
    fields : tuple of bytes
        The lines of the fields, in their order.
    """

    first: bytes
    fields: tuple[bytes, ...]

    @classmethod
    def parse(cls, data: bytes) -> Head:
        """Return the head whose bytes, without the empty line at the end, are given."""
        first, *fields = _LINE.split(data)
        return cls(first, tuple(fields))

    def value(self, name: str) -> str:
        """Return the value of a field, or an empty text.

        Raises
        ------
        BadHeadError
            It came twice with different values.
        """
        found = {
            line.partition(b":")[2].strip().decode("latin-1")
            for line in self.fields
            if _name(line) == name
        }
        if len(found) > 1:
            raise BadHeadError(f"two different {name} in one message")
        return found.pop() if found else ""

    def forwarded(self, first: bytes) -> bytes:
        """Return the bytes to pass on: no field of the connection, which ends with the message."""
        kept = [line for line in self.fields if _name(line) not in _OF_THE_CONNECTION]
        return b"\r\n".join((first, *kept, b"Connection: close", b"", b""))


def read_head(
    connection: socket.socket, data: bytes = b"", *, before: float | None = None
) -> tuple[Head, bytes]:
    """Read a head; return it and what came after it.

    Parameters
    ----------
    data : bytes
        What has been read already.
    before : float, optional
        Time limit on `time.monotonic`, however slowly the bytes arrive.

    Raises
    ------
    BadHeadError
        It is longer than `MAX_HEAD`, or the connection ended.
    TimeoutError
        It is not complete in time.
    """
    held, seen = bytearray(data), 0
    while (end := _END.search(held, max(0, seen - _LONGEST_END + 1))) is None:
        seen = len(held)
        if seen > MAX_HEAD:
            raise BadHeadError("the head is too long")
        if before is not None:
            connection.settimeout(max(0.001, before - time.monotonic()))
        chunk = connection.recv(1 << 16)
        if not chunk:
            raise BadHeadError("the connection ended in the head of a message")
        held += chunk
    return Head.parse(bytes(held[: end.start()])), bytes(held[end.end() :])


def _name(line: bytes) -> str:
    return line.partition(b":")[0].strip().decode("latin-1").lower()
