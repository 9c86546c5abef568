"""The head of a plain response without the parser of e-mails.

`http.client` reads the lines of a head one by one and has them parsed by `email.feedparser`: a
quarter of the processor time of a small download. Nearly every head of a server with pictures is
plain and arrives whole. All others, and all errors, are left to `http.client`.
"""

from __future__ import annotations

import re
from http.client import HTTPMessage, HTTPResponse

MOST_HEADERS = 100
"""As `http.client` allows; a head with more is an error there."""

_END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)(?: ([^\x00-\x1f\x7f]*))?\r\n")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f-\xa0]*)")
_NO_BODY = frozenset({204, 304})


class QuickResponse(HTTPResponse):
    """A response whose head is read at once if it is plain."""

    _method: str  # of `http.client`; the type stubs lack it

    def begin(self) -> None:
        """Read the head; see `http.client.HTTPResponse.begin`."""
        if self.headers is not None or not self._begin_plain():
            super().begin()

    def _begin_plain(self) -> bool:
        """Read a plain head that has arrived; else read nothing, and return False."""
        arrived = self.fp.peek()
        end = arrived.find(_END)
        status = _STATUS.match(arrived) if end >= 0 else None
        if status is None or self._method != "GET" or (code := int(status[1])) in _NO_BODY:
            return False
        message = plain_message(arrived[status.end() : end + 2].decode("iso-8859-1"))
        if message is None:
            return False
        length = message.get("content-length")
        if "transfer-encoding" in message or not (length is None or _is_number(length)):
            return False
        self.fp.read(end + len(_END))
        self.headers = self.msg = message
        self.code = self.status = code
        self.reason = (status[2] or b"").decode("iso-8859-1").strip()
        self.version, self.chunked = 11, False
        self.length = None if length is None else int(length)
        closes = "close" in message.get("connection", "").lower()
        self.will_close = closes or self.length is None
        return True


def plain_message(lines: str) -> HTTPMessage | None:
    r"""Return the headers of a head, or None if one of its lines is not ``name: value``.

    Parameters
    ----------
    lines : str
        Each with ``\r\n`` at its end; a folded line is not plain.
    """
    message = HTTPMessage()
    headers = lines.split("\r\n")
    if headers.pop() or len(headers) >= MOST_HEADERS:
        return None
    for line in headers:
        found = _HEADER.fullmatch(line)
        if found is None:
            return None
        message.set_raw(found[1], found[2])
    return message


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16
