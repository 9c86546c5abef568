"""Heads of responses: what is read quickly is what `http.client` reads."""

from __future__ import annotations

import http.client
import io
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.net.plain_head import MOST_HEADERS, QuickResponse, plain_message

TOKEN = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=12)
VALUE = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=20),
    st.sampled_from(["close", "keep-alive, Close", "12", "-1", "1 2", "x" * 20, " a ", ""]),
)
NAME = st.one_of(
    TOKEN, st.sampled_from(["Content-Length", "Transfer-Encoding", "Connection", "content-length"])
)
STATUS = st.sampled_from(
    ["HTTP/1.1 200 OK", "HTTP/1.1 206", "HTTP/1.0 200 OK", "HTTP/1.1 304 Not", "HTTP/1.1 404 \xfc",
     "HTTP/1.1  200 OK", "HTTP/1.1 200  OK ", "HTTP/2 200", "HTTP/1.1 2000", "ICY 200 OK"]
)  # fmt: skip


class OneRead:
    """A socket whose bytes arrive in one piece, or in small ones."""

    def __init__(self, data: bytes, piece: int = 8192) -> None:
        self._data, self._piece = data, piece

    def makefile(self, _mode: str) -> io.BufferedReader:
        data, piece = io.BytesIO(self._data), self._piece

        class Arriving(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def readinto(self, buffer) -> int:
                read = data.read(min(len(buffer), piece))
                buffer[: len(read)] = read
                return len(read)

        return io.BufferedReader(Arriving())


def begun(kind: type[http.client.HTTPResponse], data: bytes, piece: int = 8192) -> object:
    """Return what a response has after its head, or the error that the head is."""
    response = kind(OneRead(data, piece), method="GET")
    try:
        response.begin()
        facts = (
            response.status, response.reason, response.version, response.chunked, response.length,
            response.will_close, response.msg.items(), len(response.msg.defects),
        )  # fmt: skip
        return facts, response.fp.read() if response.fp else None
    except (http.client.HTTPException, ValueError) as error:
        return type(error), str(error)


@given(STATUS, st.lists(st.tuples(NAME, VALUE), max_size=6), st.binary(max_size=30))
@example("HTTP/1.1 200 OK", [("A", "b\r\n c")], b"")
@example("HTTP/1.1 200 OK", [("A", "b\x85c: d")], b"")
@example("HTTP/1.1 200 OK", [("A b", "c")], b"x")
@example("HTTP/1.1 200 OK", [("Content-Length", "3"), ("Content-Length", "4")], b"abc")
def test_a_head_says_the_same_however_it_is_read(status, headers, body):
    lines = [status, *(f"{name}: {value}" for name, value in headers), "", ""]
    data = "\r\n".join(lines).encode("iso-8859-1") + body
    assert begun(QuickResponse, data) == begun(http.client.HTTPResponse, data)


@given(st.binary(max_size=80))
def test_what_is_no_head_is_the_same_error(data):
    for whole in (data, b"HTTP/1.1 200 OK\r\n" + data, b"HTTP/1.1 200 OK\r\n" + data + b"\r\n\r\n"):
        assert begun(QuickResponse, whole) == begun(http.client.HTTPResponse, whole)


def test_a_plain_head_is_read_quickly(monkeypatch):
    def never(_self):
        raise AssertionError("left to http.client")

    monkeypatch.setattr(http.client.HTTPResponse, "begin", never)
    data = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\n\r\nabc"
    facts, body = begun(QuickResponse, data)
    assert facts[:6] == (200, "OK", 11, False, 3, False) and body == b"abc"


@pytest.mark.parametrize("piece", [1, 7, 40])
def test_a_head_that_arrives_in_parts_is_read(piece):
    data = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\n\r\nabc"
    assert begun(QuickResponse, data, piece) == begun(http.client.HTTPResponse, data)


def test_more_headers_than_http_client_allows_are_not_plain():
    line = "A: b\r\n"
    assert plain_message(line * (MOST_HEADERS - 1)) is not None
    assert plain_message(line * MOST_HEADERS) is None
