"""A plugin: every workspace that a test opens anew has its catalog in a real PostgreSQL.

    BODYSHOP_TEST_CATALOG=postgresql python -m pytest tests/curate

What a test starts as a command opens the workspace that is there; one that it makes itself is on
SQLite.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from postgres import PostgresServer, programs

from bodyshop_core.workspace import Workspace, is_workspace
from bodyshop_core.workspace_settings import SETTINGS_FILE


@pytest.fixture(scope="session", autouse=True)
def _catalogs_in_postgres() -> Iterator[None]:
    binaries = programs()
    assert binaries is not None, "PostgreSQL is not installed: apt-get install postgresql"
    server = PostgresServer(binaries)
    try:
        server.start()
        with _opened_there(server):
            yield
    finally:
        server.close()


@contextmanager
def _opened_there(server: PostgresServer) -> Iterator[None]:
    open_as_it_is, homes = Workspace.open, dict[str, Path]()

    def opened(root: Path | str, *, create: bool = True) -> Workspace:
        folder = Path(root).absolute()
        settings = folder / SETTINGS_FILE
        if create and not folder.is_file() and not is_workspace(folder):
            folder.mkdir(parents=True, exist_ok=True)
            _note(settings, server.url(f"w{uuid.uuid4().hex}"), homes)
        elif settings.exists():
            url = settings.read_text().partition('"')[2].rpartition('"')[0]
            if homes.get(url, folder) != folder:  # a copy of a workspace has a copy of its database
                copy = server.url(f"w{uuid.uuid4().hex}")
                server.copy(url.rpartition("/")[2], copy.rpartition("/")[2])
                _note(settings, copy, homes)
        return open_as_it_is(root, create=create)

    with mock.patch.object(Workspace, "open", opened):
        yield


def _note(settings: Path, url: str, homes: dict[str, Path]) -> None:
    settings.write_text(f'catalog = "{url}"\n')
    homes[url] = settings.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what only SQLite does."""
    for item in items:
        if marker := item.get_closest_marker("sqlite"):
            item.add_marker(pytest.mark.skip(reason=marker.args[0]))
