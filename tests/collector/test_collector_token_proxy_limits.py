"""Limits of the proxy of browsers elsewhere: time, size, number, places that no page may use."""

from __future__ import annotations

import errno
import socket
import sys
import threading
import time
from contextlib import suppress

import pytest
from proxy_client import admitted, ask, connected, everything, get, login

from collector.browser import listening, relay
from collector.browser.http_head import MAX_HEAD, read_head
from collector.browser.listening import Listening
from collector.browser.token_proxy import TokenProxy, places_of

ELSEWHERE = pytest.param(
    "127.0.0.2", marks=pytest.mark.skipif(sys.platform == "darwin", reason="one loopback address")
)


@pytest.fixture
def proxy():
    with TokenProxy("127.0.0.1") as running:
        yield running


class Failing:
    """A listener whose `accept` fails the first time."""

    def __init__(self, listener, error):
        self._listener, self._errors = listener, [error]

    def accept(self):
        if self._errors:
            raise self._errors.pop()
        return self._listener.accept()

    def __getattr__(self, name):
        return getattr(self._listener, name)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ECONNABORTED, errno.ENOBUFS])
def test_an_accept_that_fails_does_not_end_the_proxy(monkeypatch, number):
    create = socket.create_server
    monkeypatch.setattr(
        socket, "create_server", lambda *a, **k: Failing(create(*a, **k), OSError(number, "x"))
    )
    with TokenProxy("127.0.0.1") as proxy:
        assert ask(proxy, get("http://a.example/")).startswith(b"HTTP/1.1 407 ")


def test_without_a_free_thread_one_client_is_closed_and_the_next_is_served(proxy, monkeypatch):
    def none_free(thread):
        monkeypatch.undo()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_free)
    with connected(proxy) as client:
        assert everything(client) == b""
    assert ask(proxy, get("http://a.example/")).startswith(b"HTTP/1.1 407 ")


def test_a_client_too_many_is_closed_at_once_and_a_place_becomes_free_again():
    free = threading.Event()

    class Waiting(Listening):
        def serve(self, client):
            client.sendall(b"served")
            free.wait(10)

    with Waiting(most=1) as proxy:
        with connected(proxy) as first, connected(proxy) as second:
            assert first.recv(100) == b"served"
            assert everything(second) == b""
            free.set()
            assert everything(first) == b""
        with connected(proxy) as third:
            assert third.recv(100) == b"served"


class Deaf:
    """A server that accepts, and neither reads nor ends anything."""

    def __init__(self):
        self._listener = socket.create_server(("", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._kept = []

    def accept(self):
        self._kept.append(self._listener.accept()[0])

    def close(self):
        for each in (*self._kept, self._listener):
            each.close()


@pytest.fixture
def deaf():
    server = Deaf()
    yield server
    server.close()


def within(seconds, holds):
    limit = time.monotonic() + seconds
    while not holds() and time.monotonic() < limit:
        time.sleep(0.02)
    return holds()


def test_dismissal_ends_tunnels_to_a_server_that_ignores_their_end(proxy, deaf):
    admission, _ = admitted(proxy, deaf.host)
    before = threading.active_count()
    for _ in range(3):
        with connected(proxy) as client:
            client.sendall(get(deaf.host, login(admission), "CONNECT").encode())
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
            deaf.accept()
    assert threading.active_count() > before
    proxy.dismiss(admission)
    assert within(5, lambda: threading.active_count() <= before)
    assert within(5, lambda: not proxy._open)


@pytest.mark.parametrize("leaving", ["the browser", "the server"])
def test_a_tunnel_of_which_one_side_has_ended_does_not_stay_when_it_is_idle(
    proxy, deaf, monkeypatch, leaving
):
    monkeypatch.setattr(listening, "IDLE_SECONDS", 0.2)
    admission, _ = admitted(proxy, deaf.host)
    with connected(proxy) as client:
        client.sendall(get(deaf.host, login(admission), "CONNECT").encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        deaf.accept()
        time.sleep(0.5)  # idle for longer, but open both ways
        assert len(proxy._open) == 2
        (client if leaving == "the browser" else deaf._kept[0]).shutdown(socket.SHUT_WR)
        assert within(5, lambda: not proxy._open)


def test_a_request_whose_server_does_not_read_ends(proxy, deaf, monkeypatch):
    monkeypatch.setattr(listening, "IDLE_SECONDS", 0.3)
    admission, _ = admitted(proxy, deaf.host)
    fields = login(admission) + f"Content-Length: {1 << 30}\r\n"
    with connected(proxy) as client, suppress(OSError):
        client.sendall(get(f"http://{deaf.host}/", fields, "POST").encode())
        deaf.accept()
        client.settimeout(5)
        started = time.monotonic()
        while time.monotonic() < started + 5:
            client.sendall(bytes(1 << 20))
    assert time.monotonic() - started < 4
    assert within(5, lambda: not proxy._open)


def test_dismissal_ends_a_request_whose_server_does_not_read(proxy, deaf):
    admission, _ = admitted(proxy, deaf.host)
    fields = login(admission) + f"Content-Length: {1 << 30}\r\n"
    with connected(proxy) as client:
        client.sendall(get(f"http://{deaf.host}/", fields, "POST").encode())
        deaf.accept()
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            for _ in range(1000):
                client.sendall(bytes(1 << 20))
        proxy.dismiss(admission)
        assert within(5, lambda: not proxy._open)


def test_an_answer_may_pause_for_longer_than_the_limit_of_a_request(proxy, deaf, monkeypatch):
    monkeypatch.setattr(listening, "IDLE_SECONDS", 0.2)
    admission, _ = admitted(proxy, deaf.host)
    with connected(proxy) as client:
        client.sendall(get(f"http://{deaf.host}/", login(admission)).encode())
        deaf.accept()
        deaf._kept[0].sendall(b"HTTP/1.1 200 OK\r\n\r\nfirst")
        time.sleep(0.7)
        deaf._kept[0].sendall(b" second")
        deaf._kept[0].shutdown(socket.SHUT_WR)
        assert everything(client).endswith(b"\r\n\r\nfirst second")


class Crumbs:
    """A connection that gives one byte at a time."""

    def __init__(self, data):
        self._left = memoryview(data)

    def recv(self, _):
        first, self._left = self._left[:1], self._left[1:]
        return bytes(first)


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\n\r\n", b"\r\n\n"])
def test_the_end_of_a_head_is_found_wherever_the_chunks_are_cut(end):
    head, rest = read_head(Crumbs(b"GET / HTTP/1.1\r\nA: b" + end + b"x"))
    assert (head.first, head.fields, rest) == (b"GET / HTTP/1.1", (b"A: b",), b"")
    head, rest = read_head(Crumbs(b""), b"A\r\nB: c" + end + b"x")
    assert (head.fields, rest) == ((b"B: c",), b"x")


def test_a_long_head_in_single_bytes_takes_time_in_proportion():
    def seconds(size):
        started = time.thread_time()
        head, _ = read_head(Crumbs(b"A: " + b"\n " * (size // 2) + b"\n\n"))
        assert len(head.first) > size
        return time.thread_time() - started

    short = min(seconds(MAX_HEAD // 16) for _ in range(3))
    assert seconds(MAX_HEAD - 8) < 16 * 4 * short  # 16 times as long; 256 if it is quadratic


def test_an_answer_whose_head_does_not_end_in_time_is_dropped(proxy, deaf, monkeypatch):
    monkeypatch.setattr(relay, "ANSWER_SECONDS", 0.5)
    admission, _ = admitted(proxy, deaf.host)
    with connected(proxy) as client:
        client.sendall(get(f"http://{deaf.host}/", login(admission)).encode())
        deaf.accept()
        started = time.monotonic()
        with suppress(OSError):
            while time.monotonic() < started + 5:
                deaf._kept[0].sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                time.sleep(0.05)
        assert everything(client) == b""
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("method", ["GET", "CONNECT"])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", ELSEWHERE, "rebound.example"])
def test_a_page_reaches_neither_the_grid_nor_the_proxy(proxy, deaf, monkeypatch, method, name):
    """Not by another name, nor by another address of the same machine."""
    real = socket.getaddrinfo

    def rebound(host, *args, **kwargs):
        return real("127.0.0.1" if host == "rebound.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    grid = int(deaf.host.rpartition(":")[2])
    proxy.keep_from(places_of("127.0.0.1", grid))
    admission, refused = admitted(proxy, name)
    for port in (grid, proxy.port):
        place = f"{name}:{port}" if method == "CONNECT" else f"http://{name}:{port}/status"
        with connected(proxy) as client:
            client.settimeout(3)
            client.sendall(get(place, login(admission), method).encode())
            try:
                answer = everything(client)
            except ConnectionResetError:
                answer = b""
        assert answer == b"" or answer.startswith(b"HTTP/1.1 502 ")
    ports = [grid] if name == "127.0.0.2" else [grid, proxy.port]  # where the proxy is not
    assert [(host, port) for host, port, _ in refused] == [(name, port) for port in ports]


def test_other_ports_of_the_grids_machine_are_judged_by_the_guard_alone(proxy, server, deaf):
    proxy.keep_from(places_of("127.0.0.1", int(deaf.host.rpartition(":")[2])))
    proxy.keep_from(frozenset({("192.0.2.1", int(server.host.rpartition(":")[2]))}))
    admission, refused = admitted(proxy, server.host)
    assert ask(proxy, get(server.url("/x"), login(admission))).startswith(b"HTTP/1.1 ")
    assert refused == []


def test_places_are_compared_in_one_form():
    assert places_of("::ffff:192.0.2.1", 80) == {("192.0.2.1", 80)}
    assert places_of("2001:DB8:0::1", 80) == {("2001:db8::1", 80)}
