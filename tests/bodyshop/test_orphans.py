"""`bodyshop workspace orphans`: what nothing refers to, and nothing else, is removed on request."""

from __future__ import annotations

import json
import os
import time

import pytest
from blob_stores import make_store
from filling import add_picture, photo

from bodyshop.cli import main
from bodyshop_core.catalog import schema
from bodyshop_core.workspace import Workspace


@pytest.fixture
def left(workspace: Workspace) -> dict[str, str]:
    """Put masks and variants of one picture into a workspace; return what each of them is."""
    sha256 = add_picture(workspace, photo(1))
    names = {
        "drawn": f"masks/{sha256[:2]}/{sha256}-dent-01.png",
        "deleted": f"masks/{sha256[:2]}/{sha256}-dent-02.png",
        "old": f"masks/{sha256[:2]}/{sha256}-dent-03.png",
        "young": f"masks/{sha256[:2]}/{sha256}-dent-04.png",
        "interrupted": f"variants/half/{sha256[:2]}/{sha256}-1.jpg",
        "of another": f"masks/{'0' * 64}.png",
    }
    for name in names.values():
        workspace.derived.put(name, b"12345")
        if name != names["young"]:
            os.utime(workspace.root / name, times=(time.time() - 90_000,) * 2)
    shards = workspace.variants / "half" / ".shards"
    shards.mkdir()
    (shards / "0.parquet").write_bytes(b"")
    with workspace.catalog.begin() as connection:
        connection.execute(
            schema.annotations.insert(),
            [
                {
                    "key": state, "sha256": sha256, "project": "damage", "annotator": "ana",
                    "kind": "mask", "file": names[name], "state": state, "updated_at": "2026",
                }
                for name, state in (("drawn", "current"), ("deleted", "deleted"))
            ],
        )  # fmt: skip
    return names


def told(capsys, *arguments: str) -> dict[str, object]:
    with pytest.raises(SystemExit) as ended:
        main(["--json", *arguments])
    assert not ended.value.code
    return json.loads(capsys.readouterr().out)


def test_orphans_are_counted_and_removed_only_on_request(workspace, left, capsys):
    command = ("-w", str(workspace.root), "workspace", "orphans")
    before = told(capsys, *command)
    assert before == {
        "files": 6, "orphans": 1, "bytes": 5, "young": 1, "unfinished": ["half"], "removed": False,
        "originals": 0,
    }  # fmt: skip
    assert len(workspace.derived.sizes()) == 6
    assert told(capsys, *command, "--remove") == before | {"removed": True}
    there = set(workspace.derived.sizes())
    assert there == set(left.values()) - {left["old"]}
    assert told(capsys, *command, "--remove", "--older-than", "0")["orphans"] == 1
    assert set(workspace.derived.sizes()) == there - {left["young"]}


@pytest.mark.parametrize("kind", ["local", "file"])
def test_originals_of_a_killed_import_are_removed_on_request_and_only_they(
    tmp_path, monkeypatch, capsys, kind
):
    if kind == "file":
        pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
        blobs = make_store("file", tmp_path / "bucket").store
        monkeypatch.setattr("bodyshop_core.workspace.blob_store", lambda root: blobs)
    workspace = Workspace.open(tmp_path / "cars")
    add_picture(workspace, photo(1))
    old, promised, young = (
        workspace.blobs.put_bytes(photo(seed), "jpg").sha256 for seed in (2, 3, 4)
    )
    for stored in tmp_path.rglob("*.jpg"):
        if young not in stored.name:
            os.utime(stored, times=(time.time() - 90_000,) * 2)
    incoming = workspace.root / "incoming"
    incoming.mkdir(exist_ok=True)
    line = {"key": "k", "sha256": promised, "part": "a-1-1.part", "extension": "jpg"}
    (incoming / "finished.jsonl").write_text(json.dumps(line) + "\n")
    there = set(workspace.blobs.written())
    assert len(there) == 4
    command = ("-w", str(workspace.root), "workspace", "orphans")
    assert told(capsys, *command, "--remove")["orphans"] == 0
    found = told(capsys, *command, "--originals")
    assert (found["orphans"], found["originals"], found["young"]) == (1, 1, 1)
    assert found["bytes"] == len(photo(2)) and set(workspace.blobs.written()) == there
    assert told(capsys, *command, "--originals", "--remove")["originals"] == 1
    assert set(workspace.blobs.written()) == there - {old}
