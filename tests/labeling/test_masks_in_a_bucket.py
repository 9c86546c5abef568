"""Masks in a store that takes its time: what is asked of it while the catalog is locked."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import object_store
import pytest
from blob_stores import make_store
from labeling_pictures import add_picture, picture_bytes
from object_workspaces import remote_workspace
from statements import mask_folder

from bodyshop_core.catalog import schema
from bodyshop_core.storage.remote_place import RemotePlace
from bodyshop_core.workspace_settings import derived_files
from labeling import import_masks
from labeling.consensus.update import prepare_consensus, update_consensus
from labeling.formats.mask_file import read_mask
from labeling.records.annotations import (
    Annotation,
    current_masks,
    store_annotations,
    upload_masks,
)

pytest.importorskip("fsspec", reason="the extra 's3' is not installed")


@dataclass
class Asked:
    """Requests to the store, by whether the catalog was locked, and how many were under way."""

    locked: bool = False
    latency: float = 0.0
    requests: Counter[tuple[str, bool]] = field(default_factory=Counter)
    under_way: int = 0
    most: int = 0


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.slow)])
def away(request, workspace, tmp_path, monkeypatch):
    """The workspace, with its files in memory, or in a bucket of a real server."""
    if request.param == "s3":
        server = request.getfixturevalue("server")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        away = remote_workspace(server, tmp_path / "away")
        away.blobs.claim()
        return away
    workspace.blobs = make_store("memory", tmp_path).store
    workspace.derived = derived_files(tmp_path, workspace.blobs)
    return workspace


@pytest.fixture(scope="module")
def server():
    with object_store.started() as running:
        yield running


@pytest.fixture
def asked(away, monkeypatch):
    told, lock = Asked(), threading.Lock()
    talking, begin = RemotePlace.talking, away.catalog.begin

    @contextlib.contextmanager
    def counted(self, name, what):
        with lock:
            told.requests[what, told.locked] += 1
            told.under_way += 1
            told.most = max(told.most, told.under_way)
        time.sleep(told.latency)
        try:
            with talking(self, name, what) as filesystem:
                yield filesystem
        finally:
            with lock:
                told.under_way -= 1

    @contextlib.contextmanager
    def held():
        with begin() as connection:
            told.locked = True
            try:
                yield connection
            finally:
                told.locked = False

    monkeypatch.setattr(RemotePlace, "talking", counted)
    monkeypatch.setattr(away.catalog, "begin", held)
    return told


def said(shas, people=("ana", "bo"), labels=("dent", "scratch")):
    found = []
    for number, sha in enumerate(shas):
        for by, name in enumerate(people):
            mask = np.zeros((40, 60), bool)
            mask[5:20, 5 : 30 + by] = True
            found.append(
                Annotation(
                    sha, "damage", "srv", 10 * number + by, name, "2026-01-01T00:00:00+00:00",
                    masks=dict.fromkeys(labels, mask),
                )
            )  # fmt: skip
    return found


def page(workspace, annotations):
    uploaded = upload_masks(workspace, annotations)

    def write(connection):
        return store_annotations(connection, workspace, annotations, uploaded)

    prepared = prepare_consensus(workspace, write)
    with workspace.catalog.begin() as connection:
        update_consensus(connection, workspace, write(connection), prepared)


def test_an_import_asks_nothing_of_the_store_while_it_holds_the_writers_lock(away, asked, tmp_path):
    sha = add_picture(away, picture_bytes(60, 40))
    asked.requests.clear()
    import_masks(away, "png", mask_folder(tmp_path / "dents", sha, (0, 0, 10, 10)), label="dent")
    assert asked.requests["written", False] == 1
    assert [key for key in asked.requests if key[1]] == []
    assert read_mask(away.derived.ref(current_masks(away)[sha]["dent"])).sum() == 100


def test_a_page_of_several_annotators_reads_nothing_back_and_asks_nothing_while_it_holds_the_lock(
    away, asked
):
    shas = [add_picture(away, picture_bytes(60, 40, seed=number)) for number in range(6)]
    asked.requests.clear()
    asked.latency, asked.most = 0.05, 0
    page(away, said(shas))
    assert asked.requests == {("written", False): 36}
    assert asked.most >= 4
    assert all(set(current_masks(away)[sha]) == {"dent", "scratch"} for sha in shas)


def test_what_another_command_drew_meanwhile_is_part_of_the_consensus(away):
    sha = add_picture(away, picture_bytes(60, 40))
    first, second, third = said([sha], people=("ana", "bo", "cy"), labels=("dent",))
    page(away, [first])

    def write(connection):
        return store_annotations(connection, away, [second])

    prepared = prepare_consensus(away, write)
    page(away, [third])
    with away.catalog.begin() as connection:
        update_consensus(connection, away, write(connection), prepared)
    (name,) = current_masks(away)[sha].values()
    assert read_mask(away.derived.ref(name)).sum() == 15 * 26, "two of three drew these pixels"


def test_masks_of_a_picture_erased_after_their_upload_do_not_stay(away):
    gone, kept = (add_picture(away, picture_bytes(60, 40, seed=number)) for number in range(2))
    annotations = said([gone, kept], people=("ana",))
    uploaded = upload_masks(away, annotations)
    assert len(uploaded) == len(away.derived.sizes()) == 4
    with away.catalog.begin() as connection:
        tombstone = {"kind": "sha256", "value": gone, "at": "2026-01-01T00:00:00+00:00"}
        connection.execute(schema.tombstones.insert(), [tombstone])
    with away.catalog.begin() as connection:
        assert store_annotations(connection, away, annotations, uploaded) == {kept}
    assert len(away.derived.sizes()) == 2 and away.derived.find([gone]) == []
    assert set(upload_masks(away, annotations).values()) == set(away.derived.sizes())


def test_the_consensus_of_a_picture_erased_after_it_was_uploaded_does_not_stay(away):
    gone, kept = (add_picture(away, picture_bytes(60, 40, seed=number)) for number in range(2))
    annotations = said([gone, kept], labels=("dent",))
    uploaded = upload_masks(away, annotations)

    def write(connection):
        return store_annotations(connection, away, annotations, uploaded)

    prepared = prepare_consensus(away, write)
    assert len(away.derived.sizes()) == 6
    with away.catalog.begin() as connection:
        tombstone = {"kind": "sha256", "value": gone, "at": "2026-01-01T00:00:00+00:00"}
        connection.execute(schema.tombstones.insert(), [tombstone])
    with away.catalog.begin() as connection:
        update_consensus(connection, away, write(connection), prepared)
    assert len(away.derived.sizes()) == 3 and away.derived.find([gone]) == []
    assert current_masks(away)[kept]["dent"] in away.derived.sizes()


def test_a_damaged_mask_is_repaired_by_importing_it_again(away, tmp_path):
    sha = add_picture(away, picture_bytes(60, 40))
    mask = np.ones((40, 60), bool)
    stated = Annotation(
        sha, "import:x", "", None, "import:ana", "2026-01-01T00:00:00+00:00", masks={"dent": mask}
    )
    page(away, [stated])
    name = current_masks(away)[sha]["dent"]
    for again in (page, store_directly):
        away.derived.restore(name, b"damaged")
        away.derived.place.cache.remove(sha)
        again(away, [stated])
        assert away.derived.place.is_whole(name)


def store_directly(workspace, annotations):
    with workspace.catalog.begin() as connection:
        store_annotations(connection, workspace, annotations)
