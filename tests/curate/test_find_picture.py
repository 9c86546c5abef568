"""Which picture a name means."""

from __future__ import annotations

import hashlib

from PIL import Image

from bodyshop_core.workspace import Workspace
from collector import import_folder
from curate.verdicts.explain import find_picture


def test_the_name_of_an_edited_file_means_what_it_is_now(tmp_path):
    workspace, file = Workspace.open(tmp_path / "w"), tmp_path / "set" / "whole" / "a.png"
    file.parent.mkdir(parents=True)
    for colour in ("red", "blue"):
        Image.new("RGB", (64, 48), colour).save(file)
        import_folder(tmp_path / "set", workspace)
    assert find_picture(workspace, "a.png") == hashlib.sha256(file.read_bytes()).hexdigest()
