"""`bodyshop label …` as a user types it."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import numpy as np
import pytest
from labeling_pictures import add_picture, picture_bytes
from PIL import Image

from bodyshop.cli import main


@pytest.fixture
def run(workspace, capsys, monkeypatch):
    """run(words…): (exit code, the JSON summary, stderr) of a command in the workspace."""
    for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY", "LABEL_STUDIO_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)

    def _run(*words):
        with pytest.raises(SystemExit) as ended:
            main(["--workspace", str(workspace.root), "--json", *words])
        captured = capsys.readouterr()
        summary = json.loads(captured.out) if captured.out.strip() else None
        return int(ended.value.code or 0), summary, " ".join(captured.err.split())

    return _run


@pytest.mark.slow
def test_the_commands_from_init_to_coco_on_the_real_server(
    real_stage, label_server, run, tmp_path, monkeypatch, closed_port
):
    stage, workspace = real_stage, real_stage.workspace
    url, _, keys = label_server
    first, second, third = (stage.add(24 + n, 18, seed=n) for n in range(3))
    place = ("-w", str(workspace.root))
    stage.client.connection.save(workspace)
    code, summary, _ = run("label", "init", "--annotators", "2", *place)
    assert (code, summary["created"]) == (0, True)
    code, summary, _ = run("label", "init", *place)
    assert (code, summary["created"]) == (0, False)
    assert stage.project().remote["maximum_annotations"] == 2
    workspace.image_path(third).unlink()
    code, summary, errors = run("label", "push", "--all", *place)
    assert (code, summary["pushed"], summary["missing"]) == (5, 2, [third])
    assert "1 of 3 pictures were not pushed" in errors
    assert stage.tasks().keys() == {first, second}
    dent = stage.box(first, 2, 3, 9, 8)
    stage.annotate(first, masks={"dent": dent})
    stage.annotate(first, "bo", masks={"dent": dent})
    code, summary, _ = run("label", "pull", "--coco", str(tmp_path / "coco"), *place)
    assert (code, summary["annotations"], summary["agreement"]["iou"]) == (0, 2, {"dent": 1.0})
    coco = json.loads(Path(summary["coco"]).read_text())
    assert [image["sha256"] for image in coco["images"]] == [first]
    assert [each["area"] for each in coco["annotations"]] == [35]
    code, summary, _ = run("label", "status", *place)
    assert (code, summary["projects"][0]["left"]) == (0, 1)
    code, summary, _ = run("doctor", *place)
    assert next(c for c in summary["checks"] if c["part"] == "Label Studio")["ok"]
    workspace.image_path(second).rename(tmp_path / "elsewhere")
    assert label_studio(run("doctor", *place)) == "1 of its 2 pictures are missing"
    for server, key, what in (
        (url, "a" * 40, "refuses the key"),
        (f"http://127.0.0.1:{closed_port}", keys["admin"], "no Label Studio answers"),
    ):
        monkeypatch.setenv("LABEL_STUDIO_URL", server)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", key)
        assert what in label_studio(run("doctor", *place))
        for command in ("init", "push", "pull", "status"):
            code, _, errors = run("label", command, *place)
            assert (code, what in errors, key in errors) == (5, True, False)


def label_studio(done):
    """What the doctor says is wrong with the labelling; it is part of the main path by then."""
    code, summary, _ = done
    check = next(check for check in summary["checks"] if check["part"] == "Label Studio")
    assert (code, check["ok"], check["needed"]) == (5, False, True)
    return re.sub(r" from /.*", "", check["found"])


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_masks_go_in_and_out_by_the_command_line(workspace, run, tmp_path):
    sha = add_picture(workspace, picture_bytes(20, 10))
    folder = tmp_path / "in" / "minor-dent"
    folder.mkdir(parents=True)
    mask = np.zeros((10, 20), np.uint8)
    mask[2:5, 3:9] = 255
    Image.fromarray(mask).save(folder / f"{sha}.png")
    code, summary, _ = run(
        "label", "import", "png", str(tmp_path / "in"), "--map", "minor-dent=dent"
    )
    assert code == 0
    assert (summary["pictures"], summary["masks"]) == (1, 1)
    code, summary, _ = run("label", "export", "png", str(tmp_path / "out"))
    assert code == 0
    assert summary["classes"] == ["dent"]
    (file,) = (tmp_path / "out" / "masks" / "dent").glob("*.png")
    assert np.array_equal(np.asarray(Image.open(file)), mask)


@pytest.mark.parametrize("command", ["init", "push", "pull"])
def test_without_a_server_a_command_says_how_to_start_one(command, workspace, run):
    add_picture(workspace, picture_bytes(20, 10))
    code, _, summary = run("label", command)
    assert code == 5
    assert "no Label Studio server is configured" in summary
    assert "bodyshop label serve" in summary


def test_an_export_without_masks_and_a_wrong_map_are_explained(workspace, run, tmp_path):
    code, _, summary = run("label", "export", "coco", str(tmp_path))
    assert code == 3
    assert "no picture has a mask yet" in summary
    code, _, summary = run("label", "import", "png", str(tmp_path), "--map", "dent")
    assert code == 2
    assert "THEIRS=OURS" in summary


def test_status_before_any_project_names_the_first_step(workspace, run):
    code, summary, _ = run("label", "status")
    assert code == 0
    assert summary == {"projects": []}


@pytest.mark.parametrize("command", ["serve", "backend"])
def test_a_port_that_no_machine_has_is_refused_before_anything_starts(run, command):
    code, summary, told = run("label", command, "--port", "65536")
    assert (code, summary) == (2, None)
    assert "--port" in told and "65535" in told
