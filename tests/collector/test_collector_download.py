"""One request at a time against every kind of bad server."""

from __future__ import annotations

import gzip
import hashlib
import socket
import struct
import time
import zlib
from pathlib import Path

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_server import drips, picture, redirects, sends

from collector.net import http
from collector.net.address import AddressGuard
from collector.net.deadline import DeadlineThread
from collector.net.download import DownloadLimits, download, referer_for
from collector.net.http import guarded_session, user_agent
from collector.net.outcome import Failure, Redirect, Refusal, StoredPicture
from collector.weburl import is_web_address

LIMITS = DownloadLimits(max_bytes=300_000, min_side=100, seconds=5)


@pytest.fixture
def get(server, tmp_path: Path):
    """Return a function that downloads one address and checks that no stray file stays."""
    session = guarded_session(AddressGuard(["127.0.0.1"]), user_agent("me@example.org"))
    with DeadlineThread() as watch:

        def ask(url, limits=LIMITS, **options):
            outcome = download(session, watch, url, tmp_path, limits, **options)
            kept = [outcome.part] if isinstance(outcome, StoredPicture) else []
            assert sorted(tmp_path.iterdir()) == kept
            return outcome

        yield ask
    session.close()


def bomb() -> bytes:
    """Return a PNG of 500 megapixels in a few hundred bytes."""
    header = struct.pack(">IIBBBBB", 25_000, 20_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def test_original_bytes_arrive_unchanged_with_their_facts(server, get):
    data = picture(1)
    got = get(server.add("/a.jpg", data, "image/png", headers={"ETag": '"x"'}))
    assert got.part.read_bytes() == data
    assert got.sha256 == hashlib.sha256(data).hexdigest()
    assert (got.extension, got.size, got.status, got.etag) == ("jpg", len(data), 200, '"x"')
    assert (got.facts["format"], got.facts["width"], got.facts["height"]) == ("JPEG", 320, 240)


def test_the_request_is_honest_and_asks_for_plain_bytes(server, get):
    get(server.add("/a.jpg", picture(1)), page_url=server.url("/page?x=1#top"))
    headers = server.asked[0].headers
    assert headers["user-agent"].startswith("bodyshop/")
    assert "+me@example.org" in headers["user-agent"]
    assert headers["accept-encoding"] == "identity"
    assert headers["referer"] == server.url("/page?x=1")


def test_the_type_is_told_by_the_bytes_not_by_name_or_header(server, get):
    got = get(server.add("/a.jpg", picture(1, kind="PNG"), "image/jpeg"))
    assert got.extension == "png"


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"<!DOCTYPE html><p>Not here", "image/jpeg", "not_a_picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "not_a_picture"),
        (b"%PDF-1.4 ...........", "image/jpeg", "not_a_picture"),
        (b"\xff\xd8\xff" + b"\0" * 200 + b"\xff\xd9", "image/jpeg", "unreadable"),
        (picture(2, (90, 400)), "image/jpeg", "below_min_side"),
        (bomb(), "image/png", "bomb"),
    ],
)
def test_an_unusable_picture_is_refused_with_its_own_reason(
    server, get, body, content_type, reason
):
    outcome = get(server.add("/a.jpg", body, content_type))
    assert isinstance(outcome, Refusal)
    assert outcome.error_class == reason


def test_html_is_named_in_the_reason(server, get):
    outcome = get(server.add("/a.jpg", b"  <html><body>login", "image/jpeg"))
    assert outcome.detail == "HTML, sent as image/jpeg"


def test_a_gzip_bomb_is_inflated_only_to_the_limit(server, get):
    body = gzip.compress(b"\xff\xd8\xff" + b"\0" * 20_000_000)
    outcome = get(server.add("/a.jpg", body, headers={"Content-Encoding": "gzip"}))
    assert outcome.error_class == "too_many_bytes"


def test_too_many_bytes_are_refused_by_their_declaration(server, get):
    outcome = get(server.add("/a.jpg", b"\xff\xd8\xff", length=10**12))
    assert outcome.error_class == "too_many_bytes"


def test_too_many_bytes_are_refused_while_they_come(server, get):
    def endless(handler):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(b"\xff\xd8\xff")
        for _ in range(100_000):
            handler.wfile.write(b"\0" * 10_000)

    server.answers["/a.jpg"] = endless
    assert get(server.url("/a.jpg")).error_class == "too_many_bytes"


def test_a_cut_connection_is_a_failure_that_may_be_temporary(server, get):
    data = picture(3)
    outcome = get(server.add("/a.jpg", data[:-500], length=len(data)))
    assert isinstance(outcome, Failure)
    assert (outcome.error_class, outcome.retry) == ("truncated", True)


def test_a_cut_picture_without_declared_length_is_noticed(server, get):
    def undeclared(handler):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(picture(3)[:-500])
        handler.close_connection = True

    server.answers["/a.jpg"] = undeclared
    outcome = get(server.url("/a.jpg"))
    assert (outcome.error_class, outcome.retry) == ("truncated", True)


def test_zero_bytes_are_a_failure(server, get):
    assert get(server.add("/a.jpg", b"")).error_class == "empty"


def test_a_server_that_sends_a_byte_now_and_then_meets_the_deadline(server, get):
    server.answers["/a.jpg"] = drips(picture(4), 0.05)
    limits = DownloadLimits(300_000, 100, seconds=0.6)
    started = time.monotonic()
    outcome = get(server.url("/a.jpg"), limits)
    assert (outcome.error_class, outcome.retry) == ("deadline", True)
    assert time.monotonic() - started < 2.5


def test_a_server_that_drips_its_headers_meets_the_deadline(get):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            try:
                for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
                    connection.sendall(bytes((byte,)))
                    time.sleep(0.02)
            except OSError:
                return

    import threading

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    limits = DownloadLimits(300_000, 100, seconds=0.5)
    outcome = get(f"http://127.0.0.1:{listener.getsockname()[1]}/a.jpg", limits)
    assert outcome.error_class == "deadline"
    listener.close()
    thread.join()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_change_is_marked_for_another_try(server, get, status):
    outcome = get(server.add("/a.jpg", b"x", status=status, headers={"Retry-After": "7"}))
    assert outcome.error_class == f"http_{status}"
    assert (outcome.retry, outcome.retry_after) == (True, "7")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 501])
def test_what_never_changes_is_not(server, get, status):
    outcome = get(server.add("/a.jpg", b"x", status=status))
    assert (outcome.error_class, outcome.retry) == (f"http_{status}", False)


def test_opt_out_headers_refuse_before_the_body_is_stored(server, get):
    outcome = get(server.add("/a.jpg", picture(1), headers={"X-Robots-Tag": "noai"}))
    assert outcome.error_class == "opt_out"
    assert outcome.permission == {"x_robots_tag": "noai"}
    got = get(server.url("/a.jpg"), override=True)
    assert got.permission == {"x_robots_tag": "noai", "override": "opt_out"}


def test_redirects_are_handed_back_to_be_judged(server, get):
    server.answers["/a.jpg"] = redirects("../b.jpg?x=1")
    outcome = get(server.url("/a.jpg"))
    assert isinstance(outcome, Redirect)
    assert outcome.url == server.url("/b.jpg?x=1")


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/a.jpg",
        "http://169.254.169.254/latest/meta-data/a.jpg",
        "http://[::1]/a.jpg",
        "http://[::ffff:10.0.0.1]/a.jpg",
        "http://0177.0.0.1:81/a.jpg",
        "http://2130706433/a.jpg",
        "http://localhost/a.jpg",
    ],
)
def test_private_addresses_are_refused_in_every_spelling(tmp_path, url):
    session = guarded_session(AddressGuard(), "x")
    with DeadlineThread() as watch:
        outcome = download(session, watch, url, tmp_path, LIMITS)
    assert isinstance(outcome, Refusal)
    assert outcome.error_class == "forbidden_address"


def test_a_name_that_resolves_to_a_private_address_is_refused(server, tmp_path, monkeypatch):
    def answers(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    url = server.add("/a.jpg", picture(1)).replace("127.0.0.1", "innocent.example")
    session = guarded_session(AddressGuard(), "x")
    with DeadlineThread() as watch:
        outcome = download(session, watch, url, tmp_path, LIMITS)
    assert outcome.error_class == "forbidden_address"
    assert server.asked == []


def test_a_name_that_does_not_resolve_is_a_dns_failure(get, monkeypatch):
    def nothing(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    outcome = get("http://gone.example/a.jpg")
    assert (outcome.error_class, outcome.retry) == ("dns", True)


def test_a_closed_port_is_a_connection_failure(get):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert get(f"http://127.0.0.1:{port}/a.jpg").error_class == "connection"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.example/x", "data:image/png,x"])
def test_only_http_is_asked(get, url):
    assert get(url).error_class == "not_http"


def test_environment_proxies_are_not_used(server, get, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert isinstance(get(server.add("/a.jpg", picture(1))), StoredPicture)


@pytest.mark.parametrize(
    ("url", "page", "referer"),
    [
        ("https://a.example/x.jpg", "https://a.example/p?q#f", "https://a.example/p?q"),
        ("https://cdn.example/x.jpg", "https://a.example/p", "https://a.example/"),
        ("http://cdn.example/x.jpg", "https://a.example/p", ""),
        ("http://cdn.example/x.jpg", "", ""),
        ("http://a.example/x.jpg", "http://a.example/현대", "http://a.example/%ED%98%84%EB%8C%80"),
    ],
)
def test_the_referer_is_what_a_browser_would_send(url, page, referer):
    assert referer_for(url, page) == referer


def test_extra_bytes_after_the_end_mark_are_not_a_truncation(server, get):
    assert isinstance(get(server.add("/a.jpg", picture(5) + b"camera data" * 20)), StoredPicture)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_other_formats_are_taken_whole_and_refused_cut(server, get, kind):
    data = picture(6, kind=kind)
    server.answers["/b"] = sends(data[:-40])
    assert get(server.url("/b")).error_class == "truncated"
    assert isinstance(get(server.add("/a", data)), StoredPicture)


@given(st.from_regex(http._PLAIN, fullmatch=True).filter(is_web_address))
@settings(max_examples=400)
def test_an_address_left_as_it_is_is_what_requests_would_make_of_it(url):
    request = requests.PreparedRequest()
    request.prepare_url(url, None)
    assert (http.plain_url(url), request.path_url) == (request.url, url[url.index("/", 8) :])


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://h.example", "http://h.example/"),
        ("http://H.example/a b.jpg", "http://h.example/a%20b.jpg"),
        ("http://h.example/x/../y/./z.jpg", "http://h.example/y/z.jpg"),
        ("http://h.example/쏘나타.jpg#top", "http://h.example/%EC%8F%98%EB%82%98%ED%83%80.jpg#top"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
    ],
)
def test_other_addresses_are_spelled_as_requests_spells_them(url, sent):
    assert http.plain_url(url) == sent
