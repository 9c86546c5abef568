"""What only a real server shows: kills, many tasks, two hundred masks."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from labeling_pictures import add_picture, picture_bytes
from labeling_stage import bitmap, build_stage

import labeling
from bodyshop_core.catalog import Blob, register_image
from bodyshop_core.errors import MissingPartError
from bodyshop_core.workspace import Workspace
from labeling import Selection
from labeling.configs.label_config import load_label_config
from labeling.records.annotations import current_masks
from labeling.records.pictures import load_pictures
from labeling.sync.results import write_result

pytestmark = pytest.mark.slow

EVERYTHING = Selection(everything=True)
CLASSES = ("dent", "scratch", "crack", "missing_part")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux lists its sockets")
def test_the_server_listens_on_loopback_only(label_server):
    port = f"{urlsplit(label_server[0]).port:04X}"
    rows = [line.split() for name in ("tcp", "tcp6")
            for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]  # fmt: skip
    places = [row[1] for row in rows if row[1].endswith(f":{port}") and row[3] == "0A"]
    assert places == [f"0100007F:{port}"]


def random_mask(rng, height, width):
    """Noise, blobs, a single pixel, an empty or a full mask."""
    kind = rng.integers(5)
    mask = np.zeros((height, width), bool)
    if kind == 0:
        return rng.random((height, width)) < rng.random()
    if kind == 1:
        return ~mask
    if kind == 2:
        mask[rng.integers(height), rng.integers(width)] = True
    if kind == 3:
        for _ in range(4):
            y, x = rng.integers(height), rng.integers(width)
            mask[y : y + height // 3 + 1, x : x + width // 4 + 1] = True
    return mask


def test_two_hundred_random_masks_come_back_pixel_exact(real_stage):
    stage, rng = real_stage, np.random.default_rng(11)
    for number in range(50):
        width, height = (int(side) for side in rng.integers(1, 300, 2))
        orientation = int(rng.integers(1, 9))
        data = picture_bytes(width, height, seed=number, orientation=orientation)
        sha = add_picture(stage.workspace, data)
        stage.sizes[sha] = (height, width) if orientation >= 5 else (width, height)
    labeling.init(stage.workspace, connection=stage.client)
    labeling.push(stage.workspace, selection=EVERYTHING, connection=stage.client)
    drawn = {}
    for sha, (width, height) in stage.sizes.items():
        drawn[sha] = {label: random_mask(rng, height, width) for label in CLASSES}
    number, label_config = stage.project().remote_id, load_label_config("damage")
    tasks = stage.tasks()
    for sha, masks in drawn.items():
        body = {"result": write_result(masks, label_config, seed=sha)}
        stage.client._json("POST", f"api/tasks/{tasks[sha]}/annotations/", body=body)
    summary = labeling.pull(stage.workspace, connection=stage.client)
    assert (summary.annotations, summary.problems) == (50, ())
    for sha, masks in drawn.items():
        found = stage.masks(sha)
        assert set(found) == {label for label, mask in masks.items() if mask.any()}
        assert all(np.array_equal(found[label], masks[label]) for label in found)
    assert stage.client.newest(number)[1] == 50


def add_many(workspace, count):
    """Pictures straight into blobs and catalog, without an fsync for each."""
    rows = []
    for number in range(count):
        data = bitmap(4, 3, 0)[:-2] + number.to_bytes(2, "little")
        sha = hashlib.sha256(data).hexdigest()
        path = workspace.blobs.path(sha, "bmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        rows.append(Blob(sha, path, len(data), True))
    facts = {"format": "BMP", "width": 4, "height": 3, "mode": "RGB", "exif_orientation": 1}
    with workspace.catalog.begin() as connection:
        for blob in rows:
            register_image(connection, blob, extension="bmp", facts=facts)
    return [blob.sha256 for blob in rows]


@pytest.mark.long
def test_five_thousand_tasks_are_paged(real_stage):
    stage = real_stage
    pictures = add_many(stage.workspace, 5000)
    labeling.init(stage.workspace, connection=stage.client)
    summary = labeling.push(stage.workspace, selection=EVERYTHING, connection=stage.client)
    assert summary.pushed == 5000
    summary = labeling.push(stage.workspace, selection=EVERYTHING, connection=stage.client)
    assert (summary.pushed, summary.already) == (0, 5000)
    tasks = stage.tasks()
    assert tasks.keys() == set(pictures)
    pull = labeling.pull(stage.workspace, connection=stage.client)
    assert (pull.tasks, pull.annotations) == (5000, 0)
    sha = pictures[2500]
    stage.sizes[sha] = (4, 3)
    stage.annotate(sha, masks={"dent": stage.box(sha, 0, 0, 2, 2)})
    summary = labeling.pull(stage.workspace, connection=stage.client)
    assert summary.annotations == 1
    assert stage.masks(sha)["dent"].sum() == 4


def test_a_push_killed_by_sigkill_goes_on_without_doubles(real_stage):
    stage = real_stage
    pictures = [add_picture(stage.workspace, bitmap(8, 8, n)) for n in range(12)]
    labeling.init(stage.workspace, connection=stage.client)
    stage.client.connection.save(stage.workspace)
    script = textwrap.dedent(
        """
        import os, signal, sys
        from contextlib import contextmanager
        from bodyshop_core.workspace import Workspace
        import labeling

        class Dies:
            left = 3
            @contextmanager
            def task(self, name, total=None):
                def tick(n=1, note=""):
                    self.left -= name == "push"
                    if not self.left:
                        os.kill(os.getpid(), signal.SIGKILL)
                yield tick
            def log(self, message):
                pass

        everything = labeling.Selection(everything=True)
        labeling.push(Workspace.open(sys.argv[1]), selection=everything, batch=2, progress=Dies())
        """
    )
    environ = {k: v for k, v in os.environ.items() if not k.startswith("LABEL_STUDIO")}
    done = subprocess.run(
        [sys.executable, "-c", script, str(stage.workspace.root)], env=environ, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert len(stage.tasks()) == 6
    summary = labeling.push(stage.workspace, selection=EVERYTHING, connection=stage.client)
    assert (summary.pushed, summary.already) == (6, 6)
    assert stage.tasks().keys() == set(pictures)
    assert stage.client.newest(stage.project().remote_id)[1] == 12


class Kills:
    """Progress that kills the server at the n-th tick of a task."""

    def __init__(self, server, name, after):
        self.server, self.name, self.after = server, name, after

    @contextmanager
    def task(self, name, total=None):
        def tick(n=1, note=""):
            self.after -= name == self.name
            if self.after == 0:
                os.killpg(self.server.process.pid, signal.SIGKILL)
                self.server.process.wait(30)

        yield tick

    def log(self, message):
        pass


@pytest.mark.timeout(1500)
def test_a_server_killed_in_mid_push_and_in_mid_pull_loses_nothing(tmp_path, monkeypatch, migrated):
    monkeypatch.setattr("labeling.sync.pull.PAGE", 4)
    workspace = Workspace.open(tmp_path / "w")
    migrated(workspace)
    pictures = [add_picture(workspace, bitmap(8, 8, n)) for n in range(12)]
    push = {"selection": EVERYTHING, "batch": 4}
    with labeling.serve(workspace, port=0) as server:
        labeling.init(workspace)
        with pytest.raises(MissingPartError, match="no Label Studio answers"):
            labeling.push(workspace, progress=Kills(server, "push", 1), **push)
    with labeling.serve(workspace, port=0) as server:
        summary = labeling.push(workspace, **push)
        assert (summary.pushed, summary.already) == (8, 4)
        with build_stage(workspace, server.url, {"admin": server.key}, workspace.root, None) as s:
            s.labelers["ana@example.com"] = s.client
            for sha in pictures:
                s.sizes[sha] = (8, 8)
                s.annotate(sha, masks={"dent": s.box(sha, 0, 0, 3, 3)})
        with pytest.raises(MissingPartError, match="no Label Studio answers"):
            labeling.pull(workspace, progress=Kills(server, "pull", 2))
    assert len(current_masks(workspace)) == 8
    with labeling.serve(workspace, port=0):
        summary = labeling.pull(workspace)
    assert summary.annotations == 4
    for picture in load_pictures(workspace):
        assert s.masks(picture.sha256)["dent"].sum() == 9
