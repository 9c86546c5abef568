"""`bodyshop workspace orphans`: what nothing refers to, and nothing else, is removed on request."""

from __future__ import annotations

import json
import os
import time

import pytest
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
    }  # fmt: skip
    assert len(workspace.derived.sizes()) == 6
    assert told(capsys, *command, "--remove") == before | {"removed": True}
    there = set(workspace.derived.sizes())
    assert there == set(left.values()) - {left["old"]}
    assert told(capsys, *command, "--remove", "--older-than", "0")["orphans"] == 1
    assert set(workspace.derived.sizes()) == there - {left["young"]}
