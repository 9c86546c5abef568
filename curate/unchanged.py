"""Whether anything is new since the last ``curate``: where nothing is, nothing is done again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.catalog import schema
from bodyshop_core.catalog.changes import (
    Counts,
    change_counts,
    leave_note,
    read_note,
    settled_counts,
    watch,
)

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from curate.gate.gate import Gate

STAGE = "curate"

INPUTS = (
    schema.images, schema.sightings, schema.labels, schema.measurements, schema.gate_scores,
    schema.decisions, schema.cluster_decisions,
)  # fmt: skip
OUTPUTS = (schema.verdicts, schema.split_sets, schema.splits, schema.assignments)


@dataclass(frozen=True)
class Watched:
    """A run of ``curate`` on a catalog that counts what is written.

    Parameters
    ----------
    workspace : Workspace
        The workspace.
    key : str
        Digest of everything besides the catalog that the outcome depends on.
    before : dict
        The counts when the run began to read.
    """

    workspace: Workspace
    key: str
    before: Counts

    def note(self, outcome: Mapping[str, Any], *, verdicts: int) -> None:
        """Note the outcome for `last_outcome`, unless somebody else wrote meanwhile.

        Parameters
        ----------
        outcome : Mapping
            JSON-able.
        verdicts : int
            Rows of ``verdicts`` that the run wrote.
        """
        with self.workspace.catalog.begin() as connection:
            after = change_counts(connection, (*INPUTS, *OUTPUTS))
            theirs = {
                table.name for table in INPUTS if after[table.name] != self.before[table.name]
            }
            if not theirs and after["verdicts"] == self.before["verdicts"] + verdicts:
                note = {"key": self.key, "counts": after, "outcome": dict(outcome)}
                leave_note(connection, STAGE, note)


def begin(workspace: Workspace, key: str) -> Watched | None:
    """Begin a run; None where the catalog can't count."""
    if not watch(workspace.catalog, (*INPUTS, *OUTPUTS)):
        return None
    return Watched(workspace, key, settled_counts(workspace.catalog, (*INPUTS, *OUTPUTS)))


def last_outcome(workspace: Workspace, key: str) -> dict[str, Any] | None:
    """Return the outcome of the last run, if it had the same key and nothing was written since."""
    if not watch(workspace.catalog, (*INPUTS, *OUTPUTS)):
        return None
    with workspace.catalog.read() as connection:
        note = read_note(connection, STAGE)
        same = (
            note is not None
            and note["key"] == key
            and note["counts"] == change_counts(connection, (*INPUTS, *OUTPUTS))
        )
    return note["outcome"] if note is not None and same else None


def key_of(workspace: Workspace, gate: Gate, *parts: object) -> str:
    """Return a digest of settings, of our code, and of the files that verdicts depend on.

    Parameters
    ----------
    workspace : Workspace
        Its probes and the names of its feature shards are part of it.
    gate : Gate
        The gate.
    *parts : object
        With a repr that says all.
    """
    from bodyshop_core.engine.handshake import identity

    digest = hashlib.sha256()
    shards = sorted(path.name for path in (workspace.features / gate.fingerprint).glob("*.parquet"))
    probes = sorted((workspace.root / "gates").glob("*.npz"))
    for part in (identity(), gate.as_dict(), shards, *map(_content, probes), *parts):
        digest.update(f"{part!r}\n".encode())
    return digest.hexdigest()


def _content(path: Path) -> str:
    return f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}"
