"""States in the catalog: recorded once each, named by people, and read again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from bodyshop_core.catalog import CatalogError, nfc, now, schema, stream, within
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.snapshots.chunks import put_chunks, read_chunks, sweep_chunks
from bodyshop_core.snapshots.reading import PART, read_state
from bodyshop_core.snapshots.state import DIGITS, PackedChunks, State, decode, split_rows
from bodyshop_core.summary import Summary
from bodyshop_core.version import __version__

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bodyshop_core.workspace import Workspace

NOW = "now"
"""The name of what the catalog says at the moment."""

SHORT = 12
"""Digits of an id that are shown; as few as `FEWEST` find it."""

FEWEST = 6

_NAME = re.compile(r"\w[\w.-]{0,63}")
_ATTEMPTS = 5


@dataclass(frozen=True)
class Snapshot(Summary):
    """A state under a name.

    Parameters
    ----------
    name : str or None
        None for one that training or an export recorded and nobody has named.
    id : str
        Of the state; equal states have the same.
    note : str or None
        What people wrote about it.
    pictures : int
        That are in it.
    erased : int
        Pictures that `forget` has taken out of it since.
    runs : tuple of str
        Runs that learned from it.
    tool_version : str
        The version of bodyshop that recorded it.
    created_at : str
        UTC, ISO 8601.
    """

    name: str | None
    id: str
    note: str | None
    pictures: int
    erased: int
    runs: tuple[str, ...]
    tool_version: str
    created_at: str

    @property
    def short(self) -> str:
        """The first digits of the id."""
        return self.id[:SHORT]


@dataclass(frozen=True)
class SnapshotList(Summary):
    """The snapshots of a workspace.

    Parameters
    ----------
    snapshots : tuple of Snapshot
        The oldest first.
    """

    snapshots: tuple[Snapshot, ...]


def save_snapshot(workspace: Workspace, name: str, note: str | None = None) -> Snapshot:
    """Give the present state a name.

    Parameters
    ----------
    workspace : Workspace
        Its catalog is read; no picture is copied.
    name : str
        Up to 64 letters and digits of any script, dots, dashes and underscores.
    note : str, optional
        Shown in the list.

    Raises
    ------
    UsageError
        The name is taken by another state, or can't be one.
    """
    name = nfc(name)
    if not _NAME.fullmatch(name) or name == NOW:
        raise UsageError(
            f"'{name}' can't name a snapshot",
            hint="use letters, digits, dots, dashes and underscores, such as before-labelling",
        )
    state = record_state(workspace).id
    row = {"name": name, "state": state, "note": note}
    with workspace.catalog.begin() as connection:
        table = schema.snapshots
        there = connection.execute(select(table).where(table.c.name == name)).first()
        if there is not None and there.state != state:
            raise UsageError(
                f"there is a snapshot '{name}' already, of {there.created_at}, and the pictures "
                "have changed since",
                hint=f"choose another name, or first: bodyshop snapshot {name} --remove",
            )
        if there is None or note is not None:
            row |= {"tool_version": __version__, "created_at": now()}
            workspace.catalog.upsert(table, [row], connection=connection)
    return next(each for each in list_snapshots(workspace).snapshots if each.name == name)


def list_snapshots(workspace: Workspace) -> SnapshotList:
    """Return all named snapshots, and the states that training or an export recorded."""
    states, names, runs = schema.states, schema.snapshots, schema.runs
    with workspace.catalog.read() as connection:
        kept = connection.execute(
            select(
                states.c.id, states.c.pictures, states.c.erased,
                states.c.tool_version, states.c.created_at,
            )
        ).all()  # fmt: skip
        named = connection.execute(select(names)).all()
        learned: dict[str, list[str]] = {}
        query = select(runs.c.data_state, runs.c.id).where(runs.c.data_state.is_not(None))
        for state, run in connection.execute(query.order_by(runs.c.id)):
            learned.setdefault(state, []).append(run)
    by_id = {row.id: row for row in kept}
    found = [
        Snapshot(
            row.name, row.state, row.note, by_id[row.state].pictures, by_id[row.state].erased,
            tuple(learned.get(row.state, ())), row.tool_version, row.created_at,
        )
        for row in named
    ] + [
        Snapshot(
            None, row.id, None, row.pictures, row.erased, tuple(learned.get(row.id, ())),
            row.tool_version, row.created_at,
        )
        for row in kept
        if row.id not in {each.state for each in named}
    ]  # fmt: skip
    return SnapshotList(tuple(sorted(found, key=lambda each: (each.created_at, each.name or ""))))


def record_state(workspace: Workspace) -> State:
    """Record the present state, unless an equal one is recorded, and return it.

    Raises
    ------
    CatalogError
        Pictures are erased faster than the state can be read.
    """
    for _ in range(_ATTEMPTS):
        state = read_state(workspace)
        with workspace.catalog.begin() as connection:
            known = select(schema.states.c.id).where(schema.states.c.id == state.id)
            if connection.scalar(known) is not None:
                return state
            # Erased since it was read: it must not come back in a state.
            if _all_there(connection, state):
                _write(connection, workspace, state)
                return state
    raise CatalogError(
        "pictures are being erased while the state is read", hint="wait until forget has ended"
    )


def resolve_state(workspace: Workspace, name: str) -> str:
    """Return the id of the state that a name, or the beginning of an id, means.

    Raises
    ------
    NothingFoundError
        There is none.
    UsageError
        Several ids begin like this.
    """
    states, names = schema.states, schema.snapshots
    with workspace.catalog.read() as connection:
        state = connection.scalar(select(names.c.state).where(names.c.name == nfc(name)))
        if state is not None:
            return str(state)
        ids: list[str] = []
        if re.fullmatch(f"[0-9a-f]{{{FEWEST},64}}", name):
            query = select(states.c.id).where(states.c.id.startswith(name))
            ids = list(connection.scalars(query))
        known = connection.scalars(select(names.c.name).order_by(names.c.created_at)).all()
    if len(ids) > 1:
        raise UsageError(f"{len(ids)} states begin with {name}", hint="give more digits")
    if not ids:
        raise NothingFoundError(
            f"there is no snapshot '{name}'",
            hint=f"there are: {', '.join(known)}" if known else "make one: bodyshop snapshot NAME",
        )
    return ids[0]


def load_state(
    workspace: Workspace, state_id: str, *, without: Mapping[str, str] | None = None
) -> State:
    """Read a recorded state.

    Parameters
    ----------
    workspace : Workspace
        Where it was recorded.
    state_id : str
        All 64 digits, as `resolve_state` returns them.
    without : mapping, optional
        Prefix -> digest of chunks that need not be read, because the caller has them.

    Raises
    ------
    NothingFoundError
        There is no such state.
    CatalogError
        A part of it is damaged.
    """
    with workspace.catalog.read() as connection:
        states = schema.states
        row = connection.execute(select(states).where(states.c.id == state_id)).first()
        if row is None:
            raise NothingFoundError(f"state {state_id[:SHORT]} is not in this workspace")
        wanted = {
            prefix: digest for prefix, digest in row.chunks if (without or {}).get(prefix) != digest
        }
        data = read_chunks(connection, set(wanted.values()))
    hint = f"restore {workspace.catalog.label} from a backup"
    for digest, text in data.items():
        if hashlib.sha256(text).hexdigest() != digest:
            raise CatalogError(f"state {state_id[:SHORT]} is damaged", hint=hint)
    missing = set(wanted.values()) - data.keys()
    if missing:
        raise CatalogError(
            f"state {state_id[:SHORT]} lacks {len(missing)} of its parts",
            hint=hint,
        )
    if row.pictures <= PART:
        chunks = {prefix: decode(data[digest]) for prefix, digest in wanted.items()}
        return State(row.about, chunks, state_id)
    packed = PackedChunks()
    for prefix, digest in wanted.items():
        packed.put_encoded(prefix, data.pop(digest), digest)
    return State(row.about, packed, state_id)


def chunk_digests(workspace: Workspace, state_id: str) -> dict[str, str]:
    """Return prefix -> digest of a recorded state's chunks."""
    states = schema.states
    with workspace.catalog.read() as connection:
        chunks = connection.scalar(select(states.c.chunks).where(states.c.id == state_id))
    return dict(chunks or ())


def remove_snapshot(workspace: Workspace, name: str) -> Snapshot:
    """Remove a name, and its state unless a run learned from it or it has another name.

    Parameters
    ----------
    workspace : Workspace
        Where it was recorded.
    name : str
        A name, or the id (or the beginning of it) of a state that has none.

    Raises
    ------
    NothingFoundError
        There is no such snapshot.
    UsageError
        It is the id of a state that has a name, or from which a run learned.
    """
    state = resolve_state(workspace, name)
    found = [each for each in list_snapshots(workspace).snapshots if each.id == state]
    named = next((each for each in found if each.name == nfc(name)), None)
    states, names, runs = schema.states, schema.snapshots, schema.runs
    with workspace.catalog.begin() as connection:
        if named is not None:
            connection.execute(delete(names).where(names.c.name == named.name))
        called = connection.scalars(select(names.c.name).where(names.c.state == state)).all()
        learned = connection.scalars(select(runs.c.id).where(runs.c.data_state == state)).all()
        if named is None and called:
            raise UsageError(
                f"state {state[:SHORT]} has a name: {', '.join(sorted(called))}",
                hint=f"bodyshop snapshot {min(called)} --remove",
            )
        if named is None and learned:
            raise UsageError(
                f"runs learned from state {state[:SHORT]}: {', '.join(sorted(learned)[:3])}",
                hint="it is kept, so that these runs can be compared",
            )
        if not called and not learned:
            connection.execute(delete(states).where(states.c.id == state))
            sweep_chunks(connection)
    return named or found[0]


def _all_there(connection: Connection, state: State) -> bool:
    """Return whether all pictures of a state are in the catalog still."""
    column = schema.images.c.sha256
    for data in state.encoded.values():
        shas = [row[:DIGITS].decode() for row in split_rows(data)]
        query = select(column).where(within(column, (shas[0], shas[-1])))
        if not {sha for part in stream(connection, query) for (sha,) in part}.issuperset(shas):
            return False
    return True


def _write(connection: Connection, workspace: Workspace, state: State) -> None:
    prefixes = {digest: prefix for prefix, digest in state.digests.items()}
    put_chunks(connection, prefixes, lambda digest: state.encoded[prefixes[digest]])
    row: dict[str, Any] = {
        "id": state.id,
        "about": state.about,
        "chunks": sorted(map(list, state.digests.items())),
        "pictures": state.size,
        "erased": 0,
        "tool_version": __version__,
        "created_at": now(),
    }
    workspace.catalog.upsert(schema.states, [row], connection=connection)
