"""What a collector leaves behind, and says, when it is one of several; here within one process."""

from __future__ import annotations

import os
import threading
import uuid
from pathlib import Path

import pytest
from picture_server import PictureServer
from sqlalchemy import text

import collector
from bodyshop_core.locking import locked
from bodyshop_core.workspace import Workspace
from collector.brands import Brands
from collector.candidate import Find, Task, UrlCandidate
from collector.crawl.collect import IncompleteCollectError
from collector.crawl.context import INCOMING
from collector.crawl.joining import has_ended_folders, joined, recover_ended


class Queries:
    """A source whose queries give the pictures that a test names."""

    needs_browser = False

    def __init__(self, urls_of: dict[str, list[str]]) -> None:
        self.urls_of = urls_of

    def tasks(self, brand, model):
        for query in self.urls_of:
            url = f"https://q.example/{query}"
            yield Task("own", url, brand.name, model.name, query=query)

    def discover(self, task, tools):
        yield [
            Find(task.candidate((UrlCandidate("src", url),))) for url in self.urls_of[task.query]
        ]


@pytest.mark.slow
def test_a_source_that_found_nothing_is_told_by_one_of_several_too(server, brands_for, shared):
    brands: Brands = brands_for(server.add_pictures(1))
    with pytest.raises(IncompleteCollectError, match="own: no picture was found"):
        collector.collect(
            brands, Workspace.open(shared), join=True, extra={"own": Queries({"car": []})}
        )


@pytest.mark.slow
def test_what_another_collector_found_with_a_source_is_no_silence(
    server: PictureServer, brands_for, shared
):
    brands: Brands = brands_for(server.add_pictures(1))
    found = Queries({"car": server.add_pictures(1, prefix="/q/", start=5)})
    collector.collect(brands, Workspace.open(shared), join=True, extra={"own": found})
    both = Queries({"car": [], "van": []})  # here only the second is done
    collector.collect(brands, Workspace.open(shared), join=True, extra={"own": both})


@pytest.mark.slow
def test_the_limit_of_silent_transactions_ends_with_the_membership(shared):
    workspace = Workspace.open(shared)
    query = text("SHOW idle_in_transaction_session_timeout")

    def limit() -> str:
        with workspace.catalog.begin() as connection:
            return str(connection.execute(query).scalar_one())

    before = limit()
    with joined(workspace, print):
        assert limit() != before
    assert limit() == before
    with pytest.raises(RuntimeError), joined(workspace, print):
        raise RuntimeError
    assert limit() == before


def leave_ended(workspace: Workspace) -> Path:
    """Leave the folder of a collector that was killed."""
    folder = workspace.root / INCOMING / uuid.uuid4().hex
    with locked(folder / "lock", wait=True):
        return folder


def test_looking_for_ended_collectors_does_not_disturb_their_removal(workspace):
    over, errors = threading.Event(), list[Exception]()

    def look():
        try:
            while not over.is_set():
                has_ended_folders(workspace)
        except Exception as error:  # noqa: BLE001 - told by the test
            errors.append(error)

    other = threading.Thread(target=look)
    other.start()
    try:
        for _ in range(20):
            leave_ended(workspace)
            recover_ended(workspace, alone=True)  # one that is looked at is left to the next time
    finally:
        over.set()
        other.join()
    assert errors == []
    recover_ended(workspace, alone=True)
    assert list((workspace.root / INCOMING).iterdir()) == []


def test_a_folder_in_which_another_has_a_file_open_is_removed_the_next_time(workspace, monkeypatch):
    """NFS gives a removed file that somebody has open another name until it is closed."""
    folder, really = leave_ended(workspace), os.rmdir
    assert has_ended_folders(workspace)

    def late(*where, **options):
        (folder / ".nfs0001").touch()
        really(*where, **options)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "rmdir", late)
        recover_ended(workspace, alone=True)
    assert [each.name for each in folder.iterdir()] == [".nfs0001"]
    recover_ended(workspace, alone=True)
    assert not folder.exists()


def test_a_folder_that_lost_its_lock_is_taken_away_and_never_gets_a_new_one(workspace):
    """Its removal was interrupted; a folder is made under the lock that `recover_ended` needs."""
    folder = workspace.root / INCOMING / uuid.uuid4().hex
    folder.mkdir(parents=True)
    assert not has_ended_folders(workspace)
    assert list(folder.iterdir()) == []
    recover_ended(workspace, alone=True)
    assert not folder.exists()
