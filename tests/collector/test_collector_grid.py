"""Browsers of a real Selenium Grid: pages are whole, and the guard is where the collector is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from closed_ports import Closed, add_everything
from picture_server import picture, sends
from selenium_grid import SeleniumGrid
from sqlalchemy import select

import collector
from bodyshop.cli import main
from bodyshop_core.catalog import schema
from bodyshop_core.errors import MissingPartError
from bodyshop_core.workspace import Workspace
from collector.browser import Browser, GridLauncher, session
from collector.browser.proof import UnguardedBrowserError
from collector.browser.token_proxy import Admission, TokenProxy
from collector.crawl import discovery
from collector.net.address import AddressGuard
from showroom import serve

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]


@pytest.fixture(scope="module")
def grid():
    with SeleniumGrid() as running:
        yield running


@pytest.fixture
def closed():
    running = Closed()
    yield running
    running.close()


def sightings(workspace):
    with workspace.catalog.read() as connection:
        return connection.execute(select(schema.sightings)).all()


def test_pages_and_spinners_are_collected_as_whole_as_with_a_browser_of_this_machine(
    grid, drawn, tmp_path, capsys
):
    with serve(drawn) as site:
        plan = yaml.safe_load(site.brands_yaml())
        plan["brands"] = plan["brands"][:1]
        file = tmp_path / "brands.yaml"
        file.write_text(yaml.safe_dump(plan, allow_unicode=True))
        found = {}
        for place in ([], ["--browser-url", grid.url]):
            folder = tmp_path / f"w{len(place)}"
            with pytest.raises(SystemExit) as ended:
                main(["collect", str(file), "-w", str(folder), *place])
            assert not ended.value.code
            workspace = Workspace.open(folder)
            found[bool(place)] = {
                (row.source, row.sha256, row.page_url, row.frame) for row in sightings(workspace)
            }
    assert found[True] == found[False]
    assert {source for source, *_ in found[True]} == {"pages", "spinner", "search:showroom"}
    assert grid.wait_for_sessions(0)
    capsys.readouterr()


def test_a_picture_that_only_the_browser_may_fetch_comes_from_it(
    grid, server, brands_for, workspace
):
    def only_browsers(handler):
        whole = "Chrome/" in handler.headers["User-Agent"]
        sends(picture(1) if whole else b"no", status=200 if whole else 403)(handler)

    server.answers["/p/1.jpg"] = only_browsers
    page = server.add("/page", b"<img src=/p/1.jpg width=300>", "text/html")
    summary = collector.collect(brands_for(pages=[page]), workspace, browser_url=grid.url)
    assert (summary.downloaded, summary.failed) == (1, 0)


def test_no_feature_of_a_page_reaches_a_forbidden_port_of_the_node(grid, server, closed):
    url = add_everything(server, closed)
    guard = AddressGuard([server.host])
    with (
        GridLauncher(grid.url) as launcher,
        Browser(guard, "t", launcher=launcher, load_seconds=15, behaviour_seconds=10) as browser,
    ):
        browser.open(url)
        browser.await_("T.sleep(4000)")
        features = browser.run("return window.tried")
        refused = {port for _, port, _ in browser.refused}
    assert len(features) >= 14
    assert (closed.connections, closed.packets) == (0, 0)
    assert refused == {closed.ports[0]}


def test_a_page_in_a_private_network_is_refused(grid, server, other_server, brands_for, workspace):
    server.add_pictures(1)
    pages = [server.add("/page", b"<img src=/p/0.jpg>", "text/html"),
             other_server.add("/secret", b"<img src=/p/0.jpg>", "text/html")]  # fmt: skip
    brands = brands_for(pages=pages, allow=(server.host,))
    summary = collector.collect(brands, workspace, browser_url=grid.url)
    assert summary.pages == {"done": 1, "refused": 1}
    assert other_server.asked == []


def test_without_its_token_a_browser_gets_nothing(grid, server, monkeypatch, brands_for, workspace):
    real = TokenProxy.admit

    def other_token(self, guard, refused):
        admission = real(self, guard, refused)
        return Admission(guard, refused, admission.user)  # a token that the proxy does not know

    monkeypatch.setattr(TokenProxy, "admit", other_token)
    page = server.add("/page", b"<img src=/p/0.jpg>", "text/html")
    with pytest.raises(UnguardedBrowserError, match="does not accept the token"):
        collector.collect(brands_for(pages=[page]), workspace, browser_url=grid.url)
    assert server.paths("/page") == []
    assert grid.wait_for_sessions(0)


@pytest.mark.parametrize("argument", ["--no-proxy-server", "--proxy-pac-url=data:,x"])
def test_a_node_whose_browser_passes_by_the_proxy_is_refused(
    server, brands_for, workspace, argument
):
    page = server.add("/page", b"<img src=/p/0.jpg>", "text/html")
    with SeleniumGrid(argument) as grid:
        with pytest.raises(UnguardedBrowserError, match=argument.partition("=")[0]):
            collector.collect(brands_for(pages=[page]), workspace, browser_url=grid.url)
        assert server.paths("/page") == []
        assert grid.wait_for_sessions(0)


def test_the_guard_takes_the_place_of_a_nodes_own_proxy(
    server, other_server, brands_for, workspace
):
    server.add_pictures(1)
    pages = [server.add("/page", b"<img src=/p/0.jpg>", "text/html"),
             other_server.add("/secret", b"<img src=/p/0.jpg>", "text/html")]  # fmt: skip
    brands = brands_for(pages=pages, allow=(server.host,))
    with SeleniumGrid(
        "--proxy-server=direct://", "--proxy-bypass-list=*", "--host-resolver-rules=MAP a b",
        "--webrtc-ip-handling-policy=default",
    ) as grid:  # fmt: skip
        summary = collector.collect(brands, workspace, browser_url=grid.url)
    assert summary.pages == {"done": 1, "refused": 1}
    assert other_server.asked == []


@pytest.mark.parametrize(
    ("policy", "why"),
    [({"ProxySettings": {"ProxyMode": "direct"}}, "has no way through the guarding proxy"),
     ({"ProxySettings": {"ProxyMode": "fixed_servers", "ProxyServer": "PROXY",
                         "ProxyBypassList": "10.0.0.0/8"}}, "did not ask the proxy for http://"),
     ({"WebRtcIPHandling": "default"}, "WebRTC")],
    ids=["direct", "exceptions", "webrtc"],
)  # fmt: skip
def test_a_node_whose_policies_lead_past_the_proxy_is_refused(
    server, brands_for, workspace, tmp_path, policy, why
):
    managed = tmp_path / "etc" / "policies" / "managed"
    managed.mkdir(parents=True)
    port = _free_port()
    text = json.dumps(policy).replace("PROXY", f"http://bodyshop-proxy.invalid:{port}")
    (managed / "grid.json").write_text(text)
    wrapper = _with_policies(tmp_path / "etc")
    page = server.add("/page", b"<img src=/p/0.jpg>", "text/html")
    with SeleniumGrid(wrapper=wrapper) as grid:
        with pytest.raises(UnguardedBrowserError, match=why):
            collector.collect(
                brands_for(pages=[page]), workspace, browser_url=grid.url,
                proxy_address=f"127.0.0.1:{port}",
            )  # fmt: skip
        assert grid.wait_for_sessions(0)
    assert server.paths("/page") == []


def test_a_node_that_does_not_reach_the_proxy_is_refused_with_the_way_out(
    grid, server, brands_for, workspace
):
    page = server.add("/page", b"<img src=/p/0.jpg>", "text/html")
    with pytest.raises(UnguardedBrowserError) as refused:
        collector.collect(
            brands_for(pages=[page]), workspace, browser_url=grid.url,
            proxy_address=f"no-such-host.invalid:{_free_port()}",
        )  # fmt: skip
    assert "ERR_PROXY_CONNECTION_FAILED" in refused.value.message
    assert "--proxy-address" in (refused.value.hint or "")
    assert server.paths("/page") == []
    assert grid.wait_for_sessions(0)


def test_a_grid_with_a_password_is_used_with_the_password(
    server, brands_for, workspace, monkeypatch
):
    server.add_pictures(1)
    page = server.add("/page", b"<img src=/p/0.jpg>", "text/html")
    with SeleniumGrid(options=("--username", "team", "--password", "s:cret")) as grid:
        with pytest.raises(MissingPartError, match="user and a password") as refused:
            collector.collect(brands_for(pages=[page]), workspace, browser_url=grid.url)
        assert "BODYSHOP_GRID_PASSWORD" in (refused.value.hint or "")
        monkeypatch.setenv("BODYSHOP_GRID_USER", "team")
        monkeypatch.setenv("BODYSHOP_GRID_PASSWORD", "s:cret")
        summary = collector.collect(brands_for(pages=[page]), workspace, browser_url=grid.url)
    assert summary.downloaded == 1


def test_a_page_that_hangs_ends_at_its_own_limit_and_leaves_no_session(
    grid, server, brands_for, workspace, monkeypatch
):
    monkeypatch.setattr(discovery, "MAX_TRIES", 1)
    monkeypatch.setattr(session, "GRACE_SECONDS", 5.0)
    server.add_pictures(2)
    pages = [server.add("/bad", b"<img src=/p/0.jpg><script>for (;;);</script>", "text/html"),
             server.add("/good", b"<img src=/p/1.jpg>", "text/html")]  # fmt: skip
    brands = brands_for(pages=pages, limits={"load_seconds": 10, "behaviour_seconds": 8})
    summary = collector.collect(brands, workspace, browsers=1, browser_url=grid.url)
    assert summary.pages == {"done": 1, "failed": 1}
    assert summary.seconds < 120
    assert grid.wait_for_sessions(0)


def test_a_browser_that_dies_on_its_node_is_replaced(grid, server, brands_for, workspace):
    server.add_pictures(1)
    killed = []

    def killing(handler):
        if not killed:
            killed.extend(grid.browsers())
            for process in killed:
                process.kill()
        sends(b"<img src=/p/0.jpg>", "text/html")(handler)

    server.answers["/page"] = killing
    brands = brands_for(pages=[server.url("/page")])
    summary = collector.collect(brands, workspace, browsers=1, browser_url=grid.url)
    assert killed
    assert (summary.downloaded, summary.pages) == (1, {"done": 1})
    assert grid.wait_for_sessions(0)


def test_a_killed_collector_cuts_its_browser_off_and_the_grid_ends_it(server, tmp_path):
    script = (
        "import sys, time\n"
        "from collector.net.address import AddressGuard\n"
        "from collector.browser import Browser, GridLauncher\n"
        "with GridLauncher(sys.argv[1]) as grid, "
        "Browser(AddressGuard(['127.0.0.1']), 'test', launcher=grid) as browser:\n"
        "    browser.open(sys.argv[2])\n"
        "    print('open', flush=True)\n"
        "    time.sleep(60)\n"
    )
    asking = b"<script>setInterval(() => fetch('/again', {cache: 'no-store'}), 200)</script>"
    page = server.add("/page", asking, "text/html")
    with SeleniumGrid(session_seconds=10) as grid:
        command = [sys.executable, "-c", script, grid.url, page]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
            assert server.paths("/again") != []
            process.kill()
            process.wait()
            time.sleep(0.5)
            before = len(server.paths("/again"))
            time.sleep(2)
            assert len(server.paths("/again")) == before
        assert grid.wait_for_sessions(0, within_s=60)


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _with_policies(folder: Path) -> list[str]:
    """Return a command that runs another with a folder in place of Chromium's settings."""
    place = Path("/etc/chromium")
    wrapper = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        f'mount --bind {folder} {place} && exec "$@"',
        "sh",
    ]
    done = subprocess.run([*wrapper, "true"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("policies can only be tried as root, with Debian's Chromium")
    return wrapper
