"""What people read: tables say something in every row, and only what can be counted is counted."""

from __future__ import annotations

import io
import re
import time
from types import SimpleNamespace

from rich.console import Console

from bodyshop.terminal import Terminal
from bodyshop_core.progress import SILENT
from labeling.server import local_server


def test_a_table_has_no_row_that_says_nothing(capsys):
    pushed = {"project": "damage", "pushed": 0, "not_offered": (), "missing": [], "note": None}
    Terminal().summary(pushed, title="Pushed")
    text = capsys.readouterr().out
    assert "project" in text and "pushed" in text
    assert not re.search("not_offered|missing|note", text)
    Terminal(as_json=True).summary(pushed)
    assert '"missing": []' in capsys.readouterr().out  # programs get every key


def test_a_step_without_parts_shows_no_counter():
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    terminal = Terminal(_stderr=console)
    with terminal.progress.task("start Label Studio"):
        time.sleep(0.3)
    shown = console.file.getvalue()
    assert "start Label Studio" in shown and "/?" not in shown and "0/0" not in shown
    with terminal.progress.task("measure", total=3) as tick:
        tick(3)
    assert "3/3" in console.file.getvalue()


def test_waiting_for_the_server_counts_no_attempts(monkeypatch):
    import requests

    ticks, answers = [], iter([requests.ConnectionError(), requests.ConnectionError(), 200])

    class Counting(type(SILENT)):
        def task(self, name, total=None):
            from contextlib import contextmanager

            @contextmanager
            def running():
                yield lambda n=1, note="": ticks.append(n)

            return running()

    def get(*_, **__):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(status_code=answer)

    monkeypatch.setattr("requests.Session.get", get)
    process = SimpleNamespace(poll=lambda: None)
    server = SimpleNamespace(process=process, url="http://127.0.0.1:1", key="k", log=None)
    local_server._await(server, Counting())
    assert ticks == []
