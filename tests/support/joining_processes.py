"""Collectors as processes that share one ledger, and what they leave behind."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from picture_server import PictureServer, picture, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.workspace import Workspace

pytestmark = pytest.mark.slow
SCRIPT = """
import json, sys
import collector
from bodyshop_core.errors import BodyshopError
from bodyshop_core.workspace import Workspace
from collector.ledger import membership
membership.LEASE_SECONDS = 12.0
brands, workspace = collector.load_brands(sys.argv[1]), Workspace.open(sys.argv[2])
try:
    summary = collector.collect(brands, workspace, join=True, browsers=1)
except BodyshopError as error:
    sys.exit(f"{type(error).__name__}: {error.message}")
print(json.dumps(summary.as_dict()))
"""
IN_FLIGHT = 2  # default of limits.per_host_connections

Process = subprocess.Popen[str]


def brands_file(folder: Path, models: list[dict[str, Any]], **limits: Any) -> Path:
    plan = {
        "version": 1,
        "contact": "test@example.org",
        "allow_hosts": ["127.0.0.1"],
        "limits": {
            "per_host_interval": 0, "min_side": 100, "retry_seconds": 0.02, "request_seconds": 20,
            "load_seconds": 30, "behaviour_seconds": 30, **limits,
        },
        "brands": [{"name": "Norden", "models": models}],
    }  # fmt: skip
    file = folder / "brands.yaml"
    file.write_text(yaml.safe_dump(plan))
    return file


def listed(urls: list[str], name: str = "Fjell") -> dict[str, Any]:
    return {"name": name, "lists": [{"urls": urls, "label": "whole"}]}


def slowly(servers: list[PictureServer], count: int, seconds: float = 0.02) -> list[str]:
    """Serve `count` pictures per host, each after a while; return their addresses, by turns."""
    for number, server in enumerate(servers):
        for n in range(count):
            body = picture(1000 * number + n)

            def late(handler, body=body):
                time.sleep(seconds)
                sends(body)(handler)

            server.answers[f"/p/{n}.jpg"] = late
    return [server.url(f"/p/{n}.jpg") for n in range(count) for server in servers]


@contextmanager
def collectors(brands: Path, *folders: Path) -> Iterator[list[Process]]:
    """Run one per folder."""
    command = [sys.executable, "-c", SCRIPT, str(brands)]
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen([*command, str(each)], stdout=pipe, stderr=pipe, text=True)
        for each in folders
    ]
    try:
        yield running
    finally:
        for each in running:
            each.kill()
            each.communicate()


def summary_of(process: Process) -> dict[str, Any]:
    out, problem = process.communicate(timeout=120)
    assert process.returncode == 0, problem
    return json.loads(out)


def asked(servers: list[PictureServer]) -> Counter[str]:
    return Counter(server.url(path) for server in servers for path in server.paths())


def wait_until(servers: list[PictureServer], pictures: int, *running: Process) -> None:
    deadline = time.monotonic() + 60
    while asked(servers).total() < pictures:
        assert time.monotonic() < deadline
        assert all(each.poll() is None for each in running)
        time.sleep(0.005)


def final_state(workspace: Workspace) -> dict[str, Any]:
    """Everything that has to be the same however many collectors did it."""
    c, s, p = schema.candidates.c, schema.sightings.c, schema.pages.c
    with workspace.catalog.read() as connection:
        states = connection.execute(select(c.key, c.state, c.error_class, c.sha256)).all()
        have = {"done", "duplicate"}  # of two addresses of one picture, either may be the first
        return {
            "candidates": {(r[0], "have" if r[1] in have else r[1], r[2], r[3]) for r in states},
            "pictures": sum(row.state == "done" for row in states),
            "sightings": set(connection.execute(select(s.key, s.sha256, s.url)).tuples()),
            "images": set(connection.scalars(select(schema.images.c.sha256))),
            "labels": {tuple(row)[:5] for row in connection.execute(select(schema.labels))},
            "pages": set(connection.execute(select(p.key, p.state, p.found)).tuples()),
        }


def check_nothing_is_left(root: Path) -> None:
    workspace = Workspace.open(root)
    with workspace.catalog.read() as connection:
        images = set(connection.scalars(select(schema.images.c.sha256)))
        for table in (schema.candidates, schema.pages):
            assert set(connection.scalars(select(table.c.lease))) == {None}
        assert connection.execute(select(schema.collectors)).all() == []
    assert {path.stem for path in workspace.blobs.root.rglob("*.*")} == images
    assert [path.name for path in (root / "incoming").iterdir()] == ["place"]


def alone(brands: Path, folder: Path) -> dict[str, Any]:
    workspace = Workspace.open(folder)
    collector.collect(collector.load_brands(brands), workspace)
    return final_state(workspace)
