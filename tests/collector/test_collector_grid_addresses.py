"""What a user names: a Grid, an address of this machine; and what a node may not change."""

from __future__ import annotations

import socket
from contextlib import contextmanager

import pytest
from picture_server import sends

import collector
from bodyshop.cli import main
from bodyshop_core.errors import MissingPartError, UsageError
from collector.browser import GridLauncher
from collector.browser.driver import GUARD_FLAGS, chrome_options
from collector.browser.grid_address import GridAddress, ProxyPlace
from collector.browser.proof import UnguardedBrowserError, check_arguments


@pytest.mark.parametrize(
    ("text", "url", "host", "port"),
    [("http://grid:4444", "http://grid:4444", "grid", 4444),
     ("http://grid:4444/wd/hub", "http://grid:4444", "grid", 4444),
     ("https://a.example/selenium/", "https://a.example/selenium", "a.example", 443),
     ("http://[fd00::5]:4444/", "http://[fd00::5]:4444", "fd00::5", 4444)],
)  # fmt: skip
def test_the_address_of_a_grid_is_read_as_selenium_users_write_it(text, url, host, port):
    found = GridAddress.parse(text)
    assert (found.url, found.host, found.port) == (url, host, port)


@pytest.mark.parametrize(
    "text", ["grid:4444", "ftp://grid", "http://", "http://grid:x", "http://grid/?a=b", "ws://grid"]
)
def test_what_is_no_address_of_a_grid_is_refused_with_an_example(text):
    with pytest.raises(UsageError) as refused:
        GridAddress.parse(text)
    assert "--browser-url http://grid:4444" in (refused.value.hint or "")


@pytest.mark.parametrize(
    "text",
    ["http://team:secret@grid:4444", "team:secret@grid:4444", "http://team:secret@grid:x",
     "http://team:secret/@grid:4444", "http:/team:secret@grid", "ftp://team:secret@grid",
     "http://team:secret[@grid"],
)  # fmt: skip
def test_a_password_in_the_address_is_refused_and_not_repeated(text):
    with pytest.raises(UsageError) as refused:
        GridAddress.parse(text)
    assert "secret" not in str(refused.value)
    assert "BODYSHOP_GRID_PASSWORD" in str(refused.value)


def test_only_the_path_of_an_offered_socket_is_used():
    grid = GridAddress.parse("https://front.example/selenium")
    offered = "ws://10.1.2.3:4444/session/ab12/se/cdp"
    assert grid.socket_of(offered) == "wss://front.example/selenium/session/ab12/se/cdp"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("10.0.0.5", "10.0.0.5", 0), ("10.0.0.5:8500", "10.0.0.5", 8500),
     ("collector.lan:1", "collector.lan", 1), ("[::1]:8500", "::1", 8500)],
)  # fmt: skip
def test_the_address_of_the_proxy_is_a_host_with_or_without_a_port(text, host, port):
    place = ProxyPlace.parse(text)
    assert place == ProxyPlace(host, port)
    assert place.text(8500) == (f"[{host}]:8500" if ":" in host else f"{host}:8500")


@pytest.mark.parametrize(
    "text", ["", ":8500", "http://10.0.0.5", "a/b", "a:b", "a@b", "a,MAP * b", "a b", "a:99999"]
)
def test_what_is_no_host_is_refused(text):
    with pytest.raises(UsageError, match="--proxy-address"):
        ProxyPlace.parse(text)


def test_a_password_beside_the_address_of_the_proxy_is_not_repeated():
    with pytest.raises(UsageError) as refused:
        ProxyPlace.parse("team:secret@10.0.0.5")
    assert "secret" not in str(refused.value)


def test_a_password_in_the_address_reaches_neither_catalog_nor_terminal(tmp_path, capsys):
    urls = tmp_path / "urls.txt"
    urls.write_text("http://a.example/1.jpg\n")
    words = ["--contact", "a@example.org", "--brand", "A", "--model", "B"]
    grid = ["--browser-url", "http://team:secret@grid:4444", "-w", str(tmp_path / "w")]
    with pytest.raises(SystemExit) as ended:
        main(["collect", str(urls), *words, *grid])
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert "BODYSHOP_GRID_PASSWORD" in shown.err
    assert "secret" not in shown.out + shown.err
    for file in (tmp_path / "w").rglob("*"):
        assert not file.is_file() or b"secret" not in file.read_bytes(), file


@contextmanager
def listening(text):
    proxy = ProxyPlace.parse(text).listen()
    try:
        yield proxy
    finally:
        proxy.__exit__(None, None, None)


def test_the_proxy_listens_only_where_it_was_told():
    with listening("127.0.0.1") as proxy:
        assert proxy._listener.getsockname()[0] == "127.0.0.1"


def test_a_forwarded_address_is_served_on_all_of_this_machine_if_its_port_is_known():
    with pytest.raises(MissingPartError, match="cannot listen") as refused:
        ProxyPlace.parse("192.0.2.1").listen()  # RFC 5737: nobody has it
    assert "192.0.2.1:8500" in (refused.value.hint or "")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with listening(f"192.0.2.1:{port}") as proxy:
        assert proxy._listener.getsockname() == ("0.0.0.0", port)


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(MissingPartError, match=text):
            ProxyPlace.parse(text).listen()


def test_what_is_no_grid_is_named(server):
    with pytest.raises(MissingPartError, match="no Selenium Grid"), GridLauncher(server.url("")):
        pass
    server.answers["/status"] = sends(b'{"value": {"ready": true}}', "application/json")
    with (
        pytest.raises(MissingPartError, match="no Selenium Grid 4: its status has no nodes"),
        GridLauncher(server.url("")),
    ):
        pass


def test_free_browsers_are_counted_and_not_all_taken(server):
    def slots(*names, session=None):
        entries = ",".join(
            f'{{"session": {session or "null"}, "stereotype": {{"browserName": "{name}"}}}}'
            for name in names
        )
        return f'{{"availability": "UP", "slots": [{entries}]}}'

    def places(*nodes):
        body = f'{{"value": {{"nodes": [{",".join(nodes)}]}}}}'.encode()
        server.answers["/status"] = sends(body, "application/json")
        with GridLauncher(server.url("")) as launcher:
            return launcher.places

    assert places(slots("chrome", "firefox"), slots("chrome")) == 2
    assert places(slots(*["chrome"] * 9)) == 4
    assert places(slots("chrome", session="{}")) == 1  # it waits in the Grid's queue
    assert places(slots("chrome", "chrome").replace("UP", "DOWN")) == 1
    assert places() == 1  # a Grid that starts its nodes when they are asked for


def test_a_grid_that_is_not_there_is_named_before_anything_is_fetched(
    server, brands_for, workspace
):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    urls = server.add_pictures(1)
    with pytest.raises(MissingPartError, match=f"no Selenium Grid answers at {url}"):
        collector.collect(brands_for(urls), workspace, browser_url=url)
    assert server.asked == []


def test_a_proxy_address_without_a_grid_is_refused(server, brands_for, workspace, tmp_path, capsys):
    with pytest.raises(UsageError, match="--proxy-address"):
        collector.collect(brands_for([server.url("/x")]), workspace, proxy_address="10.0.0.5")
    urls = tmp_path / "urls.txt"
    urls.write_text("http://a.example/1.jpg\n")
    words = ["--contact", "a@example.org", "--brand", "A", "--model", "B"]
    place = ["--proxy-address", "10.0.0.5", "-w", str(tmp_path / "w")]
    with pytest.raises(SystemExit) as ended:
        main(["collect", str(urls), *words, *place])
    assert ended.value.code == 2
    assert "--browser-url URL" in capsys.readouterr().err


class Running:
    """A driver whose browser runs with these arguments."""

    def __init__(self, arguments):
        self._arguments = ["/usr/bin/chromium", *arguments]

    def execute(self, _command, _parameters):
        return {"value": {"arguments": self._arguments}}


def test_the_arguments_that_we_ask_for_are_enough():
    ours = ("--proxy-server=http://a:1", "--host-resolver-rules=MAP a b,MAP * ~NOTFOUND")
    asked = chrome_options(*ours, headed=False).arguments
    check_arguments(Running([*asked, "--load-extension", "data:,"]), (*GUARD_FLAGS, *ours))


@pytest.mark.parametrize(
    ("change", "told"),
    [(lambda given: given[1:], "nothing of this name"),
     (lambda given: [*given, "--proxy-server=http://other:1"], "--proxy-server=http://other:1"),
     (lambda given: [*given, "--proxy-bypass-list=*"], "--proxy-bypass-list"),
     (lambda given: [each for each in given if each != "--disable-quic"], "--disable-quic"),
     (lambda given: [*given, "--no-proxy-server"], "--no-proxy-server"),
     (lambda given: [*given, "--load-extension=/opt/x"], "--load-extension"),
     (lambda given: [*given, "--proxy-pac-url=http://a/"], "--proxy-pac-url")],
)  # fmt: skip
def test_other_arguments_of_the_browser_are_refused_by_name(change, told):
    wanted = ["--proxy-server=http://a:1", *GUARD_FLAGS]
    check_arguments(Running(wanted), wanted)
    with pytest.raises(UnguardedBrowserError, match=told) as refused:
        check_arguments(Running(change(wanted)), wanted)
    assert "chrome://policy" in (refused.value.hint or "")
