"""The names of variants in the manifests beside them, ``variants/<set>/manifest-….jsonl``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from bodyshop_core import atomic


def rename_in_manifests(root: Path, names: Mapping[str, str]) -> int:
    """Let the manifests of a workspace refer to other names of variants and of their masks.

    Parameters
    ----------
    root : Path
        Of the workspace.
    names : mapping
        Name -> the one that takes its place.

    Returns
    -------
    int
        Manifests that were written anew; those that say the same already stay as they are.
    """
    written = 0
    for path in sorted(root.glob("variants/*/manifest-*.jsonl")):
        with path.open(encoding="utf-8", newline="\n") as lines:
            if all(_renamed(line, names) == line for line in lines):
                continue
        with (
            atomic.replacing(path) as temporary,
            path.open(encoding="utf-8", newline="\n") as lines,
            temporary.open("w", encoding="utf-8", newline="\n") as changed,
        ):
            changed.writelines(_renamed(line, names) for line in lines)
        written += 1
    return written


def _renamed(line: str, names: Mapping[str, str]) -> str:
    try:
        entry = json.loads(line)
    except ValueError:  # someone's own
        return line
    if not isinstance(entry, dict):
        return line
    new = dict(entry)
    if isinstance(file := entry.get("file"), str):
        new["file"] = names.get(file, file)
    if isinstance(masks := entry.get("masks"), dict):
        new["masks"] = {label: names.get(str(each), each) for label, each in masks.items()}
    return line if new == entry else json.dumps(new, ensure_ascii=False) + "\n"
