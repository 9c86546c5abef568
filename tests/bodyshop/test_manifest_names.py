"""Manifests of variants name the files that are there, wherever these have been brought."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from blob_stores import make_store
from training_cases import fill_workspace

from augment import augment
from bodyshop.workspace_copy import copy_workspace
from bodyshop_core.storage.manifests import rename_in_manifests
from bodyshop_core.workspace import Workspace


@pytest.fixture
def augmented(tmp_path) -> Workspace:
    workspace = Workspace.open(tmp_path / "w")
    fill_workspace(workspace, {"damaged": (2, 1, 1), "whole": (2, 1, 1)}, name="main")
    assert augment(workspace, "light", copies=1, workers=0).made
    return workspace


@pytest.fixture
def bucket(tmp_path, monkeypatch) -> Callable[[str], None]:
    """Return what lets one workspace keep its files in a bucket from now on."""
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    blobs = make_store("file", tmp_path / "bucket").store
    from bodyshop_core import workspace_settings

    others = workspace_settings.blob_store

    def use(name: str) -> None:
        for module in ("bodyshop_core.workspace", "bodyshop.workspace_copy"):
            monkeypatch.setattr(
                f"{module}.blob_store", lambda root: blobs if root.name == name else others(root)
            )

    return use


def listed(workspace: Workspace) -> set[str]:
    (manifest,) = workspace.variants.glob("*/manifest-main.jsonl")
    entries = [json.loads(line) for line in manifest.read_text("utf-8").splitlines()]
    return {name for each in entries for name in (each["file"], *each["masks"].values())}


def test_a_manifest_has_the_names_that_variants_got_when_they_were_moved_into_a_bucket(
    augmented, bucket
):
    before = listed(augmented)
    bucket("w")
    moved = Workspace.open(augmented.root)
    assert listed(moved) == moved.derived.sizes().keys() and not before & listed(moved)


def test_a_copy_into_a_bucket_and_back_has_the_names_of_its_own_files(augmented, bucket, tmp_path):
    bucket("away")
    copy_workspace(augmented.root, tmp_path / "away")
    away = Workspace.open(tmp_path / "away", create=False)
    assert listed(away) == away.derived.sizes().keys() and not listed(augmented) & listed(away)
    copy_workspace(away.root, tmp_path / "back")
    back = Workspace.open(tmp_path / "back", create=False)
    assert listed(back) == back.derived.sizes().keys() == listed(away)


def test_masks_of_variants_are_renamed_and_other_lines_and_manifests_stay(tmp_path):
    folder = tmp_path / "variants" / "v"
    folder.mkdir(parents=True)
    entry = {"file": "variants/v/a.jpg", "masks": {"흠집": "variants/v/a.png"}, "boxes": [1.5]}
    own = 'not JSON\n[1]\n{"file": null, "masks": null}\n'
    (folder / "manifest-main.jsonl").write_text(json.dumps(entry) + "\n" + own, "utf-8")
    (folder / "manifest-other.jsonl").write_text('{"file":  "b"}\n', "utf-8")
    names = {"variants/v/a.jpg": "variants/v/a.1.jpg", "variants/v/a.png": "variants/v/a.2.png"}
    assert rename_in_manifests(tmp_path, names) == 1
    first, *rest = (folder / "manifest-main.jsonl").read_text("utf-8").splitlines(keepends=True)
    assert json.loads(first) == entry | {
        "file": "variants/v/a.1.jpg", "masks": {"흠집": "variants/v/a.2.png"}
    }  # fmt: skip
    assert "".join(rest) == own
    assert (folder / "manifest-other.jsonl").read_text("utf-8") == '{"file":  "b"}\n'
    assert rename_in_manifests(tmp_path, names) == 0
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
