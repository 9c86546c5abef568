"""A Selenium Grid that is full or wrong: one Ctrl-C, and what `doctor` says."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time

import pytest
import requests
from selenium_grid import SeleniumGrid
from sqlalchemy import select

import collector
from bodyshop.cli import main
from bodyshop_core.catalog import schema
from bodyshop_core.workspace import Workspace

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]


@pytest.fixture(scope="module")
def grid():
    with SeleniumGrid() as running:
        yield running


def queued(grid) -> int:
    return len(
        requests.get(f"{grid.url}/se/grid/newsessionqueue/queue", timeout=10).json()["value"]
    )


def somebody_else(grid) -> threading.Thread:
    """Ask for a browser; wait for as long as it takes."""
    wanted = {
        "capabilities": {
            "alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": {"args": ["--headless=new"]},
            }
        }
    }  # fmt: skip
    headers = {"Content-Type": "application/json; charset=utf-8"}

    def ask() -> None:
        with contextlib.suppress(requests.RequestException):
            requests.post(
                f"{grid.url}/session", data=json.dumps(wanted), headers=headers, timeout=120
            )

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("options", "most_s"),
    [
        ((), 12.0),
        (("--registration-secret", "s", "--session-request-timeout", "20"), 45.0),
    ],
    ids=["", "with a secret, after the Grid's own limit"],
)
def test_one_ctrl_c_while_the_grid_is_full_takes_back_its_own_requests_only(
    server, tmp_path, options, most_s
):
    plan = tmp_path / "brands.yaml"
    page = server.add("/page", b"<p>x", "text/html")
    plan.write_text(
        "version: 1\ncontact: test@example.org\nallow_hosts: [127.0.0.1]\n"
        f"brands: [{{name: Norden, models: [{{name: Fjell, pages: ['{page}']}}]}}]\n"
    )
    with SeleniumGrid(options=options) as grid:
        theirs = [somebody_else(grid) for _ in range(2)]
        assert grid.wait_for_sessions(2)
        if not options:
            theirs.append(somebody_else(grid))
        before = len(theirs) - 2
        start = "from bodyshop.cli import main; main()"
        command = [sys.executable, "-c", start, "-w", str(tmp_path / "w"), "collect", str(plan)]
        command += ["--browser-url", grid.url]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            limit = time.monotonic() + 60
            while queued(grid) != before + 1:
                assert time.monotonic() < limit and process.poll() is None
                time.sleep(0.2)
            interrupted = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=120)
            took = time.monotonic() - interrupted
        assert process.returncode == 130 and "stopped" in told, told
        assert took < most_s
        assert queued(grid) == before and len(grid.sessions()) == 2
    with Workspace.open(tmp_path / "w").catalog.read() as connection:
        assert connection.scalars(select(schema.pages.c.state)).all() == ["queued"]


def test_doctor_says_whether_a_grid_can_be_used(grid, tmp_path, capsys):
    def told(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["--json", "-w", str(tmp_path / "w"), "doctor", *arguments])
        checks = json.loads(capsys.readouterr().out)["checks"]
        found = {each["part"]: each for each in checks if "Grid" in each["part"]}
        return ended.value.code, found

    _, found = told("--browser-url", grid.url)
    assert [each["ok"] for each in found.values()] == [True, True]
    assert "2 browsers are free" in found["Selenium Grid"]["found"]
    assert "127.0.0.1" in found["Grid: its browsers reach this machine"]["found"]
    assert grid.wait_for_sessions(0)
    code, found = told(
        "--browser-url", grid.url, "--proxy-address", f"no-such-host.invalid:{_free_port()}"
    )
    way = found["Grid: its browsers reach this machine"]
    assert (code, way["ok"]) == (5, False) and "--proxy-address" in way["fix"]
    code, found = told("--browser-url", f"http://127.0.0.1:{_free_port()}")
    assert code == 5 and [each["ok"] for each in found.values()] == [False]
    assert "no Selenium Grid answers" in found["Selenium Grid"]["found"]


def test_doctor_does_not_wait_for_a_grid_that_is_full(tmp_path):
    with SeleniumGrid() as full:
        for _ in range(2):
            somebody_else(full)
        assert full.wait_for_sessions(2)
        checks = collector.check_grid(full.url)
    assert [(each.ok, each.needed) for each in checks] == [(True, True), (False, False)]
    assert "0 browsers are free" in checks[0].found


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
