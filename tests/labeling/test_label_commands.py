"""`bodyshop label …` as a user types it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from labeling_pictures import add_picture, picture_bytes
from PIL import Image

from bodyshop.app.cli import main


@pytest.fixture
def run(workspace, capsys, monkeypatch):
    """run(words…): (exit code, the JSON summary, stderr) of a command in the workspace."""
    for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY", "LABEL_STUDIO_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)

    def _run(*words):
        with pytest.raises(SystemExit) as ended:
            main(["--workspace", str(workspace.root), "--json", *words])
        captured = capsys.readouterr()
        told = json.loads(captured.out) if captured.out.strip() else None
        return int(ended.value.code or 0), told, " ".join(captured.err.split())

    return _run


def test_masks_go_in_and_out_by_the_command_line(workspace, run, tmp_path):
    sha = add_picture(workspace, picture_bytes(20, 10))
    folder = tmp_path / "in" / "minor-dent"
    folder.mkdir(parents=True)
    mask = np.zeros((10, 20), np.uint8)
    mask[2:5, 3:9] = 255
    Image.fromarray(mask).save(folder / f"{sha}.png")
    code, told, _ = run("label", "import", "png", str(tmp_path / "in"), "--map", "minor-dent=dent")
    assert code == 0
    assert (told["pictures"], told["masks"]) == (1, 1)
    code, told, _ = run("label", "export", "png", str(tmp_path / "out"))
    assert code == 0
    assert told["classes"] == ["dent"]
    (file,) = (tmp_path / "out" / "masks" / "dent").glob("*.png")
    assert np.array_equal(np.asarray(Image.open(file)), mask)


@pytest.mark.parametrize("command", ["init", "push", "pull"])
def test_without_a_server_a_command_says_how_to_start_one(command, workspace, run):
    add_picture(workspace, picture_bytes(20, 10))
    code, _, told = run("label", command)
    assert code == 5
    assert "no Label Studio server is known" in told
    assert "bodyshop label serve" in told


def test_an_export_without_masks_and_a_wrong_map_are_explained(workspace, run, tmp_path):
    code, _, told = run("label", "export", "coco", str(tmp_path))
    assert code == 3
    assert "no picture has a mask yet" in told
    code, _, told = run("label", "import", "png", str(tmp_path), "--map", "dent")
    assert code == 2
    assert "THEIRS=OURS" in told


def test_status_before_any_project_names_the_first_step(workspace, run):
    code, told, _ = run("label", "status")
    assert code == 0
    assert told == {"projects": []}
