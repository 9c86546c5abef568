"""`diff`: two snapshots, the present, or two runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop.versions.compare import compare
from bodyshop.versions.outcome import Diff, Side
from bodyshop.versions.page import write_page
from bodyshop_core.errors import BodyshopError, NothingFoundError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.snapshots import (
    NOW,
    State,
    chunk_digests,
    load_state,
    read_state,
    resolve_state,
)
from bodyshop_core.snapshots.state import PackedChunks, no_collection

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

SUMMARY, PLAN, METRICS, SAMPLES = "summary.json", "plan.json", "metrics.json", "samples.csv"


def diff(
    workspace: Workspace,
    before: str,
    after: str = NOW,
    *,
    page: bool = False,
    progress: Progress = SILENT,
) -> Diff:
    """Compare two versions of the set.

    Parameters
    ----------
    workspace : Workspace
        Where both were recorded.
    before, after : str
        Each the name or id of a snapshot, a run (its name or folder), or ``now``.
    page : bool
        Also write a page with the pictures that changed, complete in one file.
    progress : Progress
        Told of thumbnails.

    Raises
    ------
    NothingFoundError
        One of them is not known, or a run is older than snapshots.
    """
    with no_collection():
        found = _diff(workspace, before, after)
    if not page:
        return found
    return replace(found, page=write_page(workspace, found, progress))


def _diff(workspace: Workspace, before: str, after: str) -> Diff:
    first, second = (_side(workspace, name) for name in (before, after))
    states = _states(workspace, first, second)
    sides = (
        Side(first.name, states[0].id, first.folder),
        Side(second.name, states[1].id, second.folder),
    )
    folders = [side.folder for side in sides if side.folder is not None]
    both = len(folders) == 2
    split_set = _read(folders[-1] / SUMMARY).get("split_set") if both else None
    only = frozenset().union(*map(_learned, folders)) if both else None
    data = compare(*states, split_set=split_set, only=only)
    return Diff(
        *sides,
        data,
        _differing(folders, METRICS, ("seconds",)) if both else {},
        _differing(folders, PLAN, ("data", "format")) if both else {},
    )


def _side(workspace: Workspace, name: str) -> Side:
    if name == NOW:
        return Side(name, "")
    for folder in (workspace.runs / name, Path(name)):
        if (folder / PLAN).is_file() and folder.parent != folder:
            return Side(folder.name, _state_of_run(folder), folder)
    return Side(name, resolve_state(workspace, name))


def _state_of_run(folder: Path) -> str:
    if not (folder / SUMMARY).exists():
        raise NothingFoundError(
            f"run '{folder.name}' is not finished", hint=f"bodyshop train --resume {folder.name}"
        )
    state = _read(folder / SUMMARY).get("snapshot")
    if not state:
        raise NothingFoundError(
            f"run '{folder.name}' is of a version of bodyshop that recorded no snapshot",
            hint="train it again with --anew",
        )
    return str(state)


def _states(workspace: Workspace, first: Side, second: Side) -> tuple[State, State]:
    """Return both states; parts that they share are read once."""
    if first.name == NOW == second.name:
        now = read_state(workspace)
        return now, now
    if second.name == NOW:
        after = read_state(workspace)
        return _completed(workspace, first.state, after), after
    before = read_state(workspace) if first.name == NOW else load_state(workspace, first.state)
    return before, _completed(workspace, second.state, before)


def _completed(workspace: Workspace, state_id: str, other: State) -> State:
    """Read the parts of a recorded state that differ from another one; take the rest from that."""
    known = chunk_digests(workspace, other.recorded) if other.recorded else other.digests
    state = load_state(workspace, state_id, without=known)
    same = [
        prefix
        for prefix, digest in chunk_digests(workspace, state_id).items()
        if known.get(prefix) == digest
    ]
    mine, others = state.chunks, other.chunks
    if isinstance(mine, PackedChunks) and isinstance(others, PackedChunks):
        for prefix in same:
            mine.share(others, prefix)
        return state
    return State(
        state.about, {**{prefix: others[prefix] for prefix in same}, **mine}, state.recorded
    )


def _learned(folder: Path) -> frozenset[str]:
    """Return the pictures that a run learned from or was tested on."""
    try:
        lines = (folder / SAMPLES).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BodyshopError(
            f"{folder / SAMPLES} can't be read: {error.strerror}", hint="copy the whole run folder"
        ) from error
    return frozenset(line.partition(",")[0] for line in lines[1:])


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise BodyshopError(
            f"{file} can't be read: {error}", hint="copy the whole run folder, or train again"
        ) from error


def _differing(
    folders: list[Path], file: str, without: tuple[str, ...]
) -> dict[str, tuple[Any, Any]]:
    a, b = (dict(_leaves(_read(folder / file), without)) for folder in folders)
    return {
        name: (a.get(name), b.get(name))
        for name in [*a, *(name for name in b if name not in a)]
        if a.get(name) != b.get(name)
    }


def _leaves(
    content: Mapping[str, Any], without: tuple[str, ...] = (), prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield dotted name and value; lists are compared as a whole, curves and matrices left out."""
    for key, value in content.items():
        if key in without:
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, prefix=f"{prefix}{key}.")
        elif not isinstance(value, list) or len(value) <= 4:
            yield f"{prefix}{key}", value
