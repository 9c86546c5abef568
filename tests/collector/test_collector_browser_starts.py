"""What a start of a browser that fails in the middle leaves behind, and what it is told as."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import re
import socket
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from picture_server import sends
from selenium.common.exceptions import WebDriverException

from bodyshop_core.errors import InterruptedByUser, MissingPartError
from collector.browser import GridLauncher, local, process_group, sign_in
from collector.browser.driver import BrowserParts
from collector.browser.grid import GridBrowser
from collector.browser.proof import UnguardedBrowserError
from collector.browser.token_proxy import Admission, TokenProxy

NO_MORE = BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


class Driver:
    """Of a browser; `quit` does what it is told to."""

    session_id = "ab12"

    def __init__(self, failing=None, events=None):
        self.service = SimpleNamespace(process=SimpleNamespace(pid=0))
        self.failing, self.events = failing, [] if events is None else events

    def quit(self):
        self.events.append("quit")
        if self.failing is not None:
            raise self.failing


@pytest.fixture
def places(monkeypatch, tmp_path):
    """The folder of the profiles; a browser starts there at once."""
    driver = Driver()
    ended = driver.events
    monkeypatch.setattr(local.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(local, "find_browser", lambda: BrowserParts(Path("/b"), None))
    monkeypatch.setattr(local, "start_driver", lambda *_, **__: driver)
    monkeypatch.setattr(local, "end_group", lambda *_, **__: ended.append("killed"))
    return SimpleNamespace(folder=tmp_path, ended=ended)


def start():
    return local.LocalLauncher().launch(None, print, load_seconds=1, script_seconds=1)


def proxies():
    return [each for each in threading.enumerate() if each.name == "guard-proxy"]


def test_no_profile_stays_if_the_proxy_does_not_start(places, monkeypatch):
    def failing(_self):
        raise NO_MORE

    monkeypatch.setattr(local.GuardProxy, "__enter__", failing)
    with pytest.raises(BlockingIOError):
        start()
    assert list(places.folder.iterdir()) == []


def test_nothing_stays_if_the_watchdog_does_not_start(places, monkeypatch):
    def failing(*_):
        raise NO_MORE

    monkeypatch.setattr(local, "Watchdog", failing)
    before = len(proxies())
    with pytest.raises(BlockingIOError):
        start()
    assert places.ended == ["quit", "killed"]
    assert list(places.folder.iterdir()) == []
    assert len(proxies()) == before


def test_a_browser_is_killed_if_no_thread_is_left_to_ask_its_driver(places, monkeypatch):
    monkeypatch.setattr(local, "Watchdog", lambda *_: SimpleNamespace(dismiss=lambda: None))
    browser = start()

    class NoThread:
        def __init__(self, **_):
            pass

        def start(self):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(
        process_group, "threading", SimpleNamespace(Thread=NoThread, Event=threading.Event)
    )
    browser.end()
    assert places.ended == ["killed"]
    assert list(places.folder.iterdir()) == []


def grid_browser(driver, proxy):
    events = driver.events
    told = SimpleNamespace(dismiss=lambda _admission: events.append("dismissed"))
    return GridBrowser(
        driver, proxy or told, None,
        lambda session: events.append(f"deleted {session}"), lambda _browser: None,
    )  # fmt: skip


def test_a_session_that_does_not_quit_is_deleted_and_reaches_nothing_meanwhile():
    driver = Driver(WebDriverException("no answer of the node"))
    grid_browser(driver, None).end()
    assert driver.events == ["dismissed", "quit", "deleted ab12"]
    driver = Driver()
    grid_browser(driver, None).end()
    assert driver.events == ["dismissed", "quit"]


def test_a_session_that_comes_when_the_command_ends_is_ended(server, monkeypatch):
    node = {"availability": "UP", "slots": []}
    status = json.dumps({"value": {"nodes": [node]}}).encode()
    server.answers["/status"] = sends(status, "application/json")
    launcher, driver = GridLauncher(server.url("")), Driver()

    def late(*_):
        launcher.__exit__(None, None, None)
        return driver

    monkeypatch.setattr(launcher, "_session", late)
    with launcher, pytest.raises(InterruptedByUser):
        launcher.launch(None, print, load_seconds=1, script_seconds=1)
    assert driver.events == ["quit"]


def _exactly(client, count):
    data = b""
    while len(data) < count:
        chunk = client.recv(count - len(data))
        if not chunk:
            raise ConnectionError
        data += chunk
    return data


def _message(client):
    """Return the next text of a client, whose frames are masked (RFC 6455, 5.2)."""
    kind, size = _exactly(client, 2)
    size &= 127
    if size == 126:
        size = int.from_bytes(_exactly(client, 2))
    mask = _exactly(client, 4)
    data = bytes(each ^ mask[n % 4] for n, each in enumerate(_exactly(client, size)))
    if kind & 15 == 8:
        raise ConnectionError
    return json.loads(data)


CLOSE = b"\x88\x02\x03\xe8"


@contextmanager
def devtools(**special):
    """A web socket that answers each command; `special`: method -> the frame instead, or None."""

    def serve():
        client, _ = listener.accept()
        with client, suppress(ConnectionError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += _exactly(client, 1)
            (given,) = re.findall(r"Sec-WebSocket-Key: (\S+)", head.decode())
            key = given + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accepted = base64.b64encode(hashlib.sha1(key.encode()).digest())
            client.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
            )
            while True:
                asked = _message(client)
                body = json.dumps({"id": asked["id"], "result": {"sessionId": "s"}}).encode()
                name = asked["method"].partition(".")[2]
                client.sendall(special.get(name, bytes([0x81, len(body)]) + body))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)
    assert not thread.is_alive()


def signing_in(url):
    driver = SimpleNamespace(
        capabilities={"se:cdp": "ws://10.0.0.9:4444/session/ab12/se/cdp"}, current_window_handle="w"
    )
    admission = Admission(None, print, "browser-1")
    browser = GridBrowser(driver, TokenProxy("127.0.0.1"), admission, None, None)
    GridLauncher(url)._sign_in(browser, "http://bodyshop-proxy.invalid:8500", "10.0.0.5:8500")


def test_a_browser_whose_page_is_answered_is_signed_in():
    with devtools() as url:
        signing_in(url)


def test_a_node_whose_packets_to_the_proxy_are_dropped_is_told_the_way_out(monkeypatch):
    monkeypatch.setattr(sign_in, "SECONDS", 0.3)
    with (
        devtools(navigate=b"") as url,
        pytest.raises(UnguardedBrowserError, match=r"no way through .* at 10.0.0.5") as told,
    ):
        signing_in(url)
    assert "--proxy-address" in (told.value.hint or "")


def test_devtools_that_never_answer_are_no_fault_of_the_proxy(monkeypatch):
    monkeypatch.setattr(sign_in, "SECONDS", 0.3)
    with (
        devtools(attachToTarget=b"") as url,
        pytest.raises(MissingPartError, match="does not forward DevTools"),
    ):
        signing_in(url)


@pytest.mark.parametrize(
    ("frame", "why"),
    [(CLOSE, "ended the conversation"), (b"\x81\x02no", "no JSON object"),
     (b"\x81\x017", "no JSON object")],
)  # fmt: skip
@pytest.mark.parametrize("command", ["enable", "navigate"])
def test_a_conversation_that_ends_or_is_no_devtools_is_named(command, frame, why):
    with (
        devtools(**{command: frame}) as url,
        pytest.raises(MissingPartError, match=f"does not forward DevTools.*{why}"),
    ):
        signing_in(url)
