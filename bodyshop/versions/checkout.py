"""A snapshot laid out for reading."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from bodyshop.export import COLUMNS, manifest_rows
from bodyshop.export.tables import write_parquet
from bodyshop_core import atomic
from bodyshop_core.errors import UsageError
from bodyshop_core.snapshots import list_snapshots, load_state, resolve_state
from bodyshop_core.summary import Summary

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

MANIFEST, POLICY, ABOUT = "manifest.parquet", "curate.yaml", "snapshot.json"

_READ_ONLY = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True)
class Checkout(Summary):
    """Outcome of `checkout`.

    Parameters
    ----------
    name : str
        As given.
    id : str
        Of the state.
    folder : Path
        Where it lies.
    pictures, kept : int
        In the manifest.
    files : tuple of str
        Written into the folder.
    """

    name: str
    id: str
    folder: Path
    pictures: int
    kept: int
    files: tuple[str, ...]


def checkout(workspace: Workspace, name: str, folder: Path | str) -> Checkout:
    """Lay out a snapshot for reading; neither the catalog nor a picture is changed or copied.

    Parameters
    ----------
    workspace : Workspace
        Where it was recorded.
    name : str
        Name or id.
    folder : Path or str
        New, empty, or of an earlier checkout. Receives ``manifest.parquet`` (a row per picture, as
        ``bodyshop export manifest``), ``curate.yaml`` (the policy that decided) and
        ``snapshot.json``, all of them read-only.

    Raises
    ------
    NothingFoundError
        There is no such snapshot.
    UsageError
        The folder holds something else.
    """
    folder = Path(folder)
    state = load_state(workspace, resolve_state(workspace, name))
    if folder.is_file() or (
        folder.is_dir() and {each.name for each in folder.iterdir()} - {MANIFEST, POLICY, ABOUT}
    ):
        raise UsageError(
            f"{folder} holds something other than a checkout", hint="choose a new folder"
        )
    rows = manifest_rows(workspace, state=state)
    known = next(each for each in list_snapshots(workspace).snapshots if each.id == state.id)
    about: dict[str, Any] = known.as_dict() | {"name": name, **state.about}
    policies = [content for content in state.about["policies"].values() if content]
    (folder / POLICY).unlink(missing_ok=True)  # of another snapshot, which this one may lack
    write_parquet(folder / MANIFEST, rows, COLUMNS)
    atomic.write_text(folder / ABOUT, json.dumps(about, ensure_ascii=False, indent=2) + "\n")
    files = [MANIFEST, ABOUT]
    if len(policies) == 1:
        text = yaml.safe_dump(policies[0], allow_unicode=True, sort_keys=False)
        atomic.write_text(folder / POLICY, f"# curate.yaml of snapshot {name}\n{text}")
        files.append(POLICY)
    for file in files:
        (folder / file).chmod(_READ_ONLY)
    kept = sum(row["verdict"] == "keep" for row in rows)
    return Checkout(name, state.id, folder, len(rows), kept, tuple(files))
