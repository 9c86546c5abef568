"""Fixtures of the collector's tests: a loopback server and a browser."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from picture_server import PictureServer
from postgres import PostgresServer, programs
from small_showroom import draw_showroom

from collector.brands import Brands, parse_brands


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures of a small showroom."""
    root = tmp_path_factory.mktemp("drawn") / "showroom"
    draw_showroom(root)
    return root


@pytest.fixture
def server() -> Iterator[PictureServer]:
    running = PictureServer()
    yield running
    running.close()


@pytest.fixture
def other_server() -> Iterator[PictureServer]:
    """A second host."""
    running = PictureServer()
    yield running
    running.close()


@pytest.fixture
def brands_for(server: PictureServer) -> Callable[..., Brands]:
    """Return a maker of a brands.yaml with one model whose pictures are listed or on pages."""

    def make(
        urls: list[str] | None = None,
        *,
        limits: dict[str, Any] | None = None,
        sources: dict[str, Any] | None = None,
        allow: tuple[str, ...] = ("127.0.0.1",),
        **model: Any,
    ) -> Brands:
        entry = {"name": "Fjell", **model}
        if urls:
            entry["lists"] = [{"urls": urls, "label": model.pop("label", "whole")}]
        plan = {
            "version": 1,
            "contact": "test@example.org",
            "allow_hosts": list(allow),
            "limits": {
                "per_host_interval": 0,
                "min_side": 100,
                "retry_seconds": 0.02,
                "request_seconds": 5,
                "load_seconds": 20,
                "behaviour_seconds": 20,
                **(limits or {}),
            },
            "sources": sources or {},
            "brands": [{"name": "Norden", "models": [entry]}],
        }
        return parse_brands(yaml.safe_dump(plan, allow_unicode=True))

    return make


@pytest.fixture(scope="session")
def chromium() -> str:
    """Skip where there is no browser."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium: apt-get install chromium chromium-driver")
    return found


@pytest.fixture(scope="session")
def database() -> Iterator[PostgresServer]:
    """A running PostgreSQL; a test that stops it starts it again."""
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    if (binaries := programs()) is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    running = PostgresServer(binaries)
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture
def shared(database: PostgresServer, tmp_path: Path) -> Path:
    """The folder of an empty workspace whose catalog is a database of its own."""
    folder = tmp_path / "shared"
    folder.mkdir()
    url = database.url(f"t{uuid.uuid4().hex}")
    (folder / "workspace.toml").write_text(f'catalog = "{url}"\n')
    return folder
