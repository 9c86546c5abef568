"""Fixtures of the labelling tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from annotation_files import H, W
from hypothesis import settings
from labeling_pictures import add_picture, picture_bytes
from labeling_stage import CASSETTES, LABELERS, Recorder, Replay, build_stage, sign_up

from bodyshop_core.workspace import Workspace
from labeling.configs.label_config import ProjectKind
from labeling.server.connection import Connection

# _title: a part of the recorded requests depends on it
# the private name: projects that the recording made are found by their title
from labeling.sync.project import _title

RECORD = bool(os.environ.get("BODYSHOP_RECORD"))

# Deadlines measure the machine, not the code.
settings.register_profile("labeling", deadline=None)
settings.load_profile("labeling")


@pytest.fixture
def add(workspace):
    """add(width, height, seed=…, orientation=…): a picture in the workspace; returns its sha256."""
    return lambda width=40, height=30, **options: add_picture(
        workspace, picture_bytes(width, height, **options)
    )


@pytest.fixture
def a_jpg(workspace, tmp_path):
    """The picture of `annotation_files`: in the catalog, and in a folder beside the annotations."""
    folder = tmp_path / "photos"
    folder.mkdir()
    data = picture_bytes(W, H)
    (folder / "a.jpg").write_bytes(data)
    return add_picture(workspace, data), folder


@pytest.fixture(scope="session")
def label_server(tmp_path_factory):
    """(url, document root, e-mail -> key) of the real Label Studio with three labelers.

    `bodyshop label serve` starts it on an empty database and is ended as a service manager does.
    BODYSHOP_TEST_LABEL_HOME=FOLDER uses one that runs already: FOLDER/home is the workspace that
    `bodyshop label serve` was started in.
    """
    if running := os.environ.get("BODYSHOP_TEST_LABEL_HOME"):
        root = Path(running) / "home"
        connection = Connection.find(Workspace.open(root), environ={})
        yield connection.url, root, _accounts(root, connection.url, connection.key)
        return
    root = tmp_path_factory.mktemp("label-studio") / "home"
    command = [
        Path(sys.executable).with_name("bodyshop"),
        "label",
        "serve",
        "--backend",
        "--port",
        "0",
    ]
    with subprocess.Popen([*command, "--json", "-w", root], stdout=subprocess.PIPE) as program:
        try:
            url = json.loads(program.stdout.readline())["url"]
            key = Connection.find(Workspace.open(root), environ={}).key
            yield url, root, _accounts(root, url, key)
        finally:
            program.terminate()
            assert program.wait(60) == 0
    parts = urlsplit(url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname, parts.port))


@pytest.fixture
def migrated(label_server, tmp_path):
    """migrated(workspace): spare it the minute that the first start of its own server takes."""
    _, root, _ = label_server

    def copy(workspace):
        home = workspace.root / "labelstudio"
        home.mkdir(exist_ok=True)
        shutil.copyfile(root / "labelstudio" / "account.json", home / "account.json")
        name = "label_studio.sqlite3"
        with (
            closing(sqlite3.connect(root / "labelstudio" / name)) as source,
            closing(sqlite3.connect(home / name)) as target,
        ):
            source.backup(target)

    return copy


def _accounts(root, url, admin):
    file = root / "labelers.json"
    if not file.exists():
        file.write_text(json.dumps({name: sign_up(url, admin, name) for name in LABELERS}))
    return json.loads(file.read_text()) | {"admin": admin}


@pytest.fixture
def real_stage(label_server, request):
    """A fresh workspace on the real server's disk."""
    url, root, keys = label_server
    name = re.sub(r"\W+", "-", request.node.name)[:40]
    workspace = Workspace.open(root / f"w-{name}-{uuid.uuid4().hex[:6]}")
    with build_stage(workspace, url, keys, root, None) as built:
        yield built


@pytest.fixture(params=["recorded", pytest.param("real", marks=pytest.mark.slow)])
def stage(request, tmp_path):
    """A workspace and a server: the real one, or what it answered when it was recorded.

    BODYSHOP_RECORD=1 with the real one records anew.
    """
    scenario = request.node.originalname
    file = CASSETTES / f"{scenario}.json"
    if request.param == "recorded":
        root = tmp_path / "home"
        workspace = Workspace.open(root / "s-recorded" / "stage")
        hide = hidden(workspace, root, "http://127.0.0.1:8080")
        keys = dict.fromkeys(["admin", *LABELERS], "k" * 40)
        transport = Replay(file, hide)
        with build_stage(workspace, "http://127.0.0.1:8080", keys, root, transport) as built:
            yield built
        return
    url, root, keys = request.getfixturevalue("label_server")
    workspace = Workspace.open(root / f"s-{uuid.uuid4().hex[:8]}" / "stage")
    recorder = Recorder(file, hidden(workspace, root, url)) if RECORD else None
    with build_stage(workspace, url, keys, root, recorder) as built:
        yield built
    if recorder:
        recorder.save()


@pytest.fixture
def hide_place():
    """hide_place(workspace, root, url): what differs between recording and replay."""
    return hidden


def hidden(workspace, root, url):
    """What differs between recording and replay, and what stands for it on tape."""
    place = _title(workspace, ProjectKind.DAMAGE).rsplit(" ", 1)[1]
    inside = quote(workspace.root.relative_to(root).as_posix())
    return {str(workspace.root): "<workspace>", inside: "<inside>", url: "<url>", place: "<place>"}
