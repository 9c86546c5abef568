"""The list of acts at the desk: a file with one JSON object a line, only ever appended to."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic
from bodyshop_core.locking import locked

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


def append(workspace: Workspace, line: Mapping[str, Any]) -> None:
    """Write one line and wait until it is on the disk."""
    path = _path(workspace)
    path.parent.mkdir(exist_ok=True)
    with locked(path.with_suffix(".lock"), wait=True), path.open("a+b") as file:
        file.seek(0, os.SEEK_END)
        # What a power cut broke off ends its own line, not this one.
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_journal(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """Yield the lines, the oldest first; one that was broken off is passed over.

    Its act was never committed: the line is on the disk before the commit.
    """
    path = _path(workspace)
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                yield json.loads(line.decode("utf-8", "surrogatepass"))
            except ValueError:
                continue


def erase_from_journal(workspace: Workspace, pictures: Collection[str]) -> None:
    """Leave pictures out of every line, for `bodyshop forget`."""
    path, gone = _path(workspace), set(pictures)
    if not path.exists() or not gone:
        return
    with locked(path.with_suffix(".lock"), wait=True):
        lines = []
        for line in read_journal(workspace):
            if "pictures" in line:
                line["pictures"] = [each for each in line["pictures"] if each not in gone]
                for name in ("before", "after"):
                    line[name] = {key: each for key, each in line[name].items() if key not in gone}
            lines.append(json.dumps(line, ensure_ascii=False) + "\n")
        atomic.write_bytes(path, "".join(lines).encode("utf-8", "surrogatepass"))


def _path(workspace: Workspace) -> Path:
    return workspace.root / "desk" / "acts.jsonl"
