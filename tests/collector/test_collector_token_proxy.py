"""The proxy of browsers on other machines: nothing passes without a token, and little with one."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import pytest
from picture_server import PictureServer
from proxy_client import admitted, ask, connected, everything, get, login

from collector.browser import token_proxy
from collector.browser.http_head import MAX_HEAD
from collector.browser.token_proxy import TokenProxy
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
