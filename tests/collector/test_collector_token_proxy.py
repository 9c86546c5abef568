"""The proxy of browsers on other machines: nothing passes without a token, and little with one."""

from __future__ import annotations

import base64
import errno
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from picture_server import PictureServer

from collector.browser import listening, relay, token_proxy
from collector.browser.http_head import MAX_HEAD, read_head
from collector.browser.listening import Listening
from collector.browser.token_proxy import TokenProxy, places_of
from collector.net.address import AddressGuard


class Raw:
    """A server that keeps what it receives and answers each connection with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self.received: list[bytes] = []
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.received.append(b"")
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(1)
            place = len(self.received) - 1
            self.received[place] += client.recv(65536)
            client.sendall(self._answer)
            while data := client.recv(65536):
                self.received[place] += data

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def raw():
    made = []

    def make(answer):
        made.append(Raw(answer))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def proxy():
    with TokenProxy("127.0.0.1") as running:
        yield running


def admitted(proxy, *allowed):
    refused = []
    admission = proxy.admit(AddressGuard(allowed), lambda *what: refused.append(what))
    admission.opened = True
    return admission, refused


def login(admission, *, user=None, token=None):
    text = f"{user or admission.user}:{token or admission.token}".encode()
    return f"Proxy-Authorization: Basic {base64.b64encode(text).decode()}\r\n"


@contextmanager
def connected(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        yield client


def everything(client):
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data


def ask(proxy, request):
    """Send a request and return all that comes back."""
    with connected(proxy) as client:
        client.sendall(request.encode("latin-1"))
        return everything(client)


def get(url, fields="", method="GET"):
    return f"{method} {url} HTTP/1.1\r\nHost: x\r\n{fields}\r\n"


@pytest.mark.parametrize("method", ["GET", "CONNECT", "POST"])
@pytest.mark.parametrize(
    "fields",
    ["", "Proxy-Authorization: Basic !!!\r\n", "Proxy-Authorization: Bearer x\r\n",
     "Proxy-Authorization: Basic\r\n", "Authorization: TOKEN", "token", "user", "other"],
)  # fmt: skip
def test_without_the_token_nothing_is_forwarded(proxy, server, method, fields):
    admission, refused = admitted(proxy, server.host)
    other, _ = admitted(proxy, server.host)
    fields = {
        "token": login(admission, token=admission.token[:-1]),
        "user": login(admission, user="browser-99"),
        "other": login(admission, token=other.token),
        "Authorization: TOKEN": login(admission).removeprefix("Proxy-"),
    }.get(fields, fields)
    place = server.host if method == "CONNECT" else server.url("/x")
    answer = ask(proxy, get(place, fields, method))
    assert answer.startswith(b"HTTP/1.1 407 ")
    assert b'\r\nProxy-Authenticate: Basic realm="bodyshop"\r\n' in answer
    assert (server.asked, refused) == ([], [])


def test_a_request_reaches_the_server_as_if_there_were_no_proxy_and_without_the_token(proxy, raw):
    server = raw(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi")
    admission, _ = admitted(proxy, server.host)
    with connected(proxy) as client:
        url = f"http://{server.host}?q=%2e/../a"
        fields = login(admission) + "Proxy-Connection: keep-alive\r\nX-Kept: 1\r\n"
        # What follows on the same connection could be meant for any other host.
        more = get("http://other.example/", login(admission))
        client.sendall((get(url, fields) + more).encode())
        answer = client.recv(65536)
        client.shutdown(socket.SHUT_WR)
        answer += everything(client)
    assert answer == (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
    (received,) = server.received
    assert received == (
        b"GET /?q=%2e/../a HTTP/1.1\r\nHost: x\r\nX-Kept: 1\r\nConnection: close\r\n\r\n"
    )
    assert admission.token.encode() not in received


def test_a_body_is_forwarded_and_no_byte_more(proxy, raw):
    server = raw(b"HTTP/1.1 204 No Content\r\n\r\n")
    admission, _ = admitted(proxy, server.host)
    head = get(f"http://{server.host}/", login(admission) + "Content-Length: 6\r\n", "POST")
    with connected(proxy) as client:
        client.sendall(head.encode() + b"abc")
        time.sleep(0.1)
        client.sendall(b"defGET http://other.example/ HTTP/1.1\r\n\r\n")
        assert everything(client).startswith(b"HTTP/1.1 204 ")
    assert server.received[0].endswith(b"\r\n\r\nabcdef")


@pytest.mark.parametrize(
    "fields",
    ["Transfer-Encoding: chunked\r\n", "Content-Length: x\r\n",
     "Content-Length: 1\r\nContent-Length: 2\r\n", "Content-Length: -1\r\n"],
)  # fmt: skip
def test_a_body_whose_length_is_in_doubt_is_not_forwarded(proxy, raw, fields):
    server = raw(b"HTTP/1.1 200 OK\r\n\r\n")
    admission, _ = admitted(proxy, server.host)
    answer = ask(proxy, get(f"http://{server.host}/", login(admission) + fields, "POST"))
    assert answer == b""
    assert all(not each for each in server.received)


def test_answers_before_the_answer_are_left_out(proxy, raw):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    server = raw(early + b"HTTP/1.1 200 OK\nX-Long: a\n b\n\nbody")
    admission, _ = admitted(proxy, server.host)
    answer = ask(proxy, get(f"http://{server.host}/", login(admission)))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nX-Long: a\n b\r\n")
    assert answer.endswith(b"\r\n\r\nbody")


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 101 Switching\r\n\r\n", b"HTTP/1.1 200",
     b"HTTP/1.1 200 OK\r\nX: " + b"x" * (2 * MAX_HEAD)],
    ids=["none", "ssh", "other protocol", "half a head", "long"],
)  # fmt: skip
def test_what_is_no_answer_of_http_does_not_reach_the_browser(proxy, raw, answer):
    server = raw(answer)
    admission, _ = admitted(proxy, server.host)
    with connected(proxy) as client:
        client.sendall(get(f"http://{server.host}/", login(admission)).encode())
        if answer in {b"", b"HTTP/1.1 200"}:  # this server waits
            client.shutdown(socket.SHUT_WR)
        assert everything(client) == b""


def test_a_server_that_plays_the_proxy_does_not_cost_the_browser_its_token(proxy, raw):
    server = raw(
        b"HTTP/1.1 407 Give\r\nProxy-Authenticate: Basic realm=bodyshop\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    admission, _ = admitted(proxy, server.host)
    answer = ask(proxy, get(f"http://{server.host}/", login(admission)))
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"Proxy-Authenticate" not in answer


def test_a_tunnel_carries_bytes_both_ways(proxy, raw):
    server = raw(b"pong")
    admission, _ = admitted(proxy, server.host)
    with connected(proxy) as client:
        client.sendall(get(server.host, login(admission), "CONNECT").encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        client.sendall(b"ping")
        assert client.recv(1000) == b"pong"
        client.shutdown(socket.SHUT_WR)
        assert everything(client) == b""
    assert server.received == [b"ping"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "localhost", "169.254.169.254", "2130706433", "10.0.0.1"]
)
def test_private_addresses_are_refused_with_the_token_too(proxy, host):
    admission, refused = admitted(proxy)
    for request in (get(f"http://{host}:9/x", login(admission)),
                    get(f"{host}:9", login(admission), "CONNECT")):  # fmt: skip
        with connected(proxy) as client:
            client.sendall(request.encode())
            if request.startswith("CONNECT"):
                assert everything(client).startswith(b"HTTP/1.1 502 ")
            else:
                with pytest.raises(ConnectionResetError):
                    everything(client)
    assert [(name, port) for name, port, _ in refused] == [(host.strip("[]"), 9)] * 2


@pytest.mark.parametrize(
    ("method", "place"),
    [("GET", "/x"), ("GET", "ftp://a.example/"), ("GET", "https://a.example/"), ("GET", "http://"),
     ("GET", "http://a.example:x/"), ("CONNECT", "a.example"), ("CONNECT", ":1"), ("GET", "")],
)  # fmt: skip
def test_what_is_no_address_of_http_is_not_forwarded(proxy, method, place):
    admission, refused = admitted(proxy)
    answer = ask(proxy, get(place, login(admission), method))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert refused == []


def test_before_it_is_opened_the_proxy_answers_proofs_and_forwards_nothing(proxy, server):
    admission = proxy.admit(AddressGuard([server.host]), lambda *_: None)
    for host in (server.host, "10.0.0.1", "no-such-name.invalid"):
        answer = ask(proxy, get(f"http://{host}/{admission.nonce}", login(admission)))
        assert answer.endswith(b"\r\n\r\n" + admission.answer.encode())
    assert ask(proxy, get(server.url("/x"), login(admission))) == b""
    answer = ask(proxy, get(server.host, login(admission), "CONNECT"))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert admission.tunnels == {"127.0.0.1"}
    assert server.asked == []
    admission.opened = True
    answer = ask(proxy, get(server.url(f"/{admission.nonce}"), login(admission)))
    assert admission.answer.encode() not in answer
    assert len(server.asked) == 1


def test_one_browser_is_dismissed_and_the_other_goes_on(proxy, raw):
    server = raw(b"pong")
    first, _ = admitted(proxy, server.host)
    second, _ = admitted(proxy, server.host)
    assert first.token != second.token
    with connected(proxy) as one, connected(proxy) as two:
        for client, admission in ((one, first), (two, second)):
            client.sendall(get(server.host, login(admission), "CONNECT").encode())
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        proxy.dismiss(first)
        assert everything(one) == b""
        two.sendall(b"ping")
        assert two.recv(1000) == b"pong"
    assert ask(proxy, get(server.host, login(first), "CONNECT")).startswith(b"HTTP/1.1 407 ")


def test_a_client_that_never_finishes_its_head_is_dropped(proxy, monkeypatch):
    monkeypatch.setattr(token_proxy, "CONNECT_SECONDS", 0.5)
    started = time.monotonic()
    with connected(proxy) as client:
        while time.monotonic() < started + 8:
            try:
                client.sendall(b"G")
            except OSError:
                break
            time.sleep(0.1)
    assert time.monotonic() - started < 6


def test_a_head_without_end_is_dropped(proxy):
    with connected(proxy) as client, pytest.raises(OSError):
        for _ in range(1000):
            client.sendall(b"X: " + b"x" * 65536)


def test_the_token_is_in_no_text_about_the_browser(proxy):
    admission = proxy.admit(AddressGuard(), lambda *_: None)
    assert admission.token not in repr(admission)
    assert admission.nonce not in repr(admission)


def test_a_proxy_that_ends_leaves_no_connection(server: PictureServer):
    with TokenProxy("127.0.0.1") as proxy:
        admission, _ = admitted(proxy, server.host)
        client = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
        client.sendall(get(server.host, login(admission), "CONNECT").encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
    with client:
        assert everything(client) == b""


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
    with Listening(most=1) as proxy:
        free = threading.Event()
        proxy.serve = lambda client: (client.sendall(b"served"), free.wait(10))
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
        self._listener = socket.create_server(("127.0.0.1", 0))
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
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "127.0.0.2", "rebound.example"])
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
    # 127.0.0.2 may have nobody who listens there: then it is no refusal.
    assert [(host, port) for host, port, _ in refused] == (
        [] if name == "127.0.0.2" else [(name, grid), (name, proxy.port)]
    )


def test_other_ports_of_the_grids_machine_are_judged_by_the_guard_alone(proxy, server, deaf):
    proxy.keep_from(places_of("127.0.0.1", int(deaf.host.rpartition(":")[2])))
    proxy.keep_from(frozenset({("192.0.2.1", int(server.host.rpartition(":")[2]))}))
    admission, refused = admitted(proxy, server.host)
    assert ask(proxy, get(server.url("/x"), login(admission))).startswith(b"HTTP/1.1 ")
    assert refused == []


def test_places_are_compared_in_one_form():
    assert places_of("::ffff:192.0.2.1", 80) == {("192.0.2.1", 80)}
    assert places_of("2001:DB8:0::1", 80) == {("2001:db8::1", 80)}
