"""`bodyshop demo --labels`: the labeling step on the showroom, as a user types it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from labeling_browser import browser

from bodyshop.demo.labels import ACCEPTED, label_demo
from bodyshop_core.workspace import Workspace
from labeling.server.client import LabelStudioClient
from labeling.server.connection import Connection

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_the_demo_labels_its_train_pictures_and_gets_the_truth_back(tmp_path, migrated):
    folder = tmp_path / "demo"
    (folder / "workspace").mkdir(parents=True)
    workspace = Workspace.open(folder / "workspace")
    migrated(workspace)
    command = [Path(sys.executable).with_name("bodyshop"), "demo", "--labels", "--size", "tiny"]
    done = subprocess.run(
        [*command, "--json", "--folder", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    assert "No person labels in this demo: a script accepts" in done.stderr
    report = json.loads(done.stdout)
    summary = [finding for finding in report["findings"] if finding["stage"] == "label"]
    assert len(summary) == 4
    assert [f for f in summary if not f["ok"]] == []
    pictures, masks = (int(summary[3][key].split()[n]) for key, n in (("what", 2), ("found", 0)))
    assert 0 < pictures <= ACCEPTED
    assert masks >= pictures
    address = urlsplit(Connection.find(workspace, environ={}).url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port))

    def by_hand(server, project):
        number = int(project.rsplit("/", 1)[1])
        client = LabelStudioClient(server.connection())
        idle = (task for page in client.scan(number, ("id", "total_annotations"), nested=True)
                for task in page if not task["total_annotations"])  # fmt: skip
        task = next(idle)["id"]
        client.close()
        with browser(tmp_path / "profile") as labeler:
            labeler.log_in(server.url, server.user, server.password)
            labeler.open_task(server.url, number, task)
            labeler.submit()

    again = label_demo(folder, by_hand=by_hand)
    assert [finding for finding in again if not finding.ok] == []
    assert f"masks of {pictures + 1} annotated pictures" in again[3].what
    assert "mean IoU 1.0000" in again[3].found
