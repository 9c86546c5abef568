from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

import collector
from bodyshop.cli import main
from bodyshop_core.errors import MissingPartError
from collector.browser import driver


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path):
    """A site without a robots.txt on loopback."""
    handler = partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_no_browser_at_all_names_the_command_that_installs_one(monkeypatch):
    monkeypatch.setattr(driver, "_BROWSER_PATHS", ())
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("BODYSHOP_BROWSER", raising=False)
    with pytest.raises(MissingPartError, match="no Chrome or Chromium was found") as caught:
        collector.describe_browser()
    assert "install" in str(caught.value.hint)


def test_collect_without_its_browser_ends_with_exit_5_and_keeps_the_workspace(
    tmp_path, site, monkeypatch, capsys
):
    brands = tmp_path / "brands.yaml"
    brands.write_text(
        "contact: you@example.org\n"
        f"allow_hosts: ['{site}']\n"
        f"brands: [{{name: Kia, models: [{{name: Ray, pages: [{{url: 'http://{site}/'}}]}}]}}]\n"
    )
    monkeypatch.setenv("BODYSHOP_BROWSER", str(tmp_path / "absent"))
    with pytest.raises(SystemExit) as ended:
        main(["collect", str(brands), "-w", str(tmp_path / "w"), "--quiet"])
    assert ended.value.code == 5
    assert "BODYSHOP_BROWSER is set to" in capsys.readouterr().err
    command = [str(Path(sys.executable).with_name("bodyshop")), "status", "--json"]
    result = subprocess.run([*command, "-w", str(tmp_path / "w")], capture_output=True)
    assert result.returncode == 0
