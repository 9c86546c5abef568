"""Workspaces whose pictures are in the tests' own bucket, and the same ones on disk."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path

from filling import photo, pretend_scores
from object_store import ObjectStore

import collector
from bodyshop_core.storage.ownership import NOTE
from bodyshop_core.workspace import Workspace

_numbers = itertools.count()

CLASSES = ("damaged", "whole")


def photos(folder: Path, count: int) -> Path:
    """Draw class folders of photos, one of them a copy and one cut."""
    for seed in range(count):
        file = folder / CLASSES[seed % 2] / f"{seed}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(photo(seed))
    (folder / "whole" / "again.jpg").write_bytes(photo(1, quality=60))
    (folder / "whole" / "cut.jpg").write_bytes(photo(2)[:900])
    return folder


def remote_workspace(
    server: ObjectStore, root: Path, *, cache_gb: float = 0.01, prefix: str | None = None
) -> Workspace:
    """Make a workspace below a prefix of its own."""
    root.mkdir(parents=True, exist_ok=True)
    prefix = prefix or f"workspace-{next(_numbers)}"
    (root / "workspace.toml").write_text(
        f'blobs = "s3://{server.bucket}/{prefix}"\n'
        f'blobs_endpoint = "{server.endpoint}"\nblobs_cache_gb = {cache_gb}\n'
    )
    return Workspace.open(root)


def objects(server: ObjectStore, workspace: Workspace) -> list[str]:
    """Return the names of the workspace's objects, but for the note of whose they are."""
    place = workspace.blobs.label.partition("://")[2]
    return sorted(set(server.filesystem().find(place)) - {f"{place}/{NOTE}"})


def filled(workspace: Workspace, folder: Path) -> Workspace:
    """Import a folder; every picture counts as one of a car."""
    collector.import_folder(folder, workspace)
    pretend_scores(workspace)
    return workspace


def empty_cache(workspace: Workspace) -> None:
    for path in (workspace.root / "cache").rglob("*.*"):
        path.unlink()


def kill_when_copies(server: ObjectStore, cache: Path, copies: int) -> threading.Thread:
    """End the server as soon as some pictures have been read."""
    return _kill_when(server, lambda: len(list(cache.glob("??/*.*"))) >= copies)


def kill_when_stored(server: ObjectStore, workspace: Workspace, count: int) -> threading.Thread:
    """End the server as soon as it has so many objects of a workspace, amid the next ones."""
    return _kill_when(server, lambda: len(objects(server, workspace)) >= count)


def _kill_when(server: ObjectStore, reached: Callable[[], bool]) -> threading.Thread:
    def watch() -> None:
        while not reached():
            time.sleep(0.003)  # a loop without would take the processor from what it waits for
        server.kill()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread
