"""States in the catalog: recorded once each, named by people, read again, and freed of pictures."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from bodyshop_core import __version__
from bodyshop_core.catalog import CatalogError, nfc, now, schema
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.snapshots.state import State, decode, encode, read_state
from bodyshop_core.summary import Summary

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bodyshop_core.workspace import Workspace

NOW = "now"
"""The name of what the catalog says at the moment."""

SHORT = 12
"""Digits of an id that are shown; as few as `FEWEST` find it."""

FEWEST = 6

LEVEL = 1
"""Of zlib: half of a row are digits of hashes, which no level makes smaller."""

_NAME = re.compile(r"\w[\w.-]{0,63}")
_ATTEMPTS = 5
_VARIABLES = 500


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
    """Return all named snapshots, and the states that runs learned from without a name."""
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
            there = set(connection.scalars(select(schema.images.c.sha256)))
            # Erased since it was read: it must not come back in a state.
            if all(row.sha256 in there for rows in state.chunks.values() for row in rows):
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
        data = _chunks(connection, set(wanted.values()))
    for digest, text in data.items():
        if hashlib.sha256(text).hexdigest() != digest:
            raise CatalogError(
                f"state {state_id[:SHORT]} is damaged", hint="restore bodyshop.sqlite from a backup"
            )
    missing = set(wanted.values()) - data.keys()
    if missing:
        raise CatalogError(
            f"state {state_id[:SHORT]} lacks {len(missing)} of its parts",
            hint="restore bodyshop.sqlite from a backup",
        )
    return State(
        row.about, {prefix: decode(data[digest]) for prefix, digest in wanted.items()}, state_id
    )


def chunk_digests(workspace: Workspace, state_id: str) -> dict[str, str]:
    """Return prefix -> digest of a recorded state's chunks."""
    states = schema.states
    with workspace.catalog.read() as connection:
        chunks = connection.scalar(select(states.c.chunks).where(states.c.id == state_id))
    return dict(chunks or ())


def remove_snapshot(workspace: Workspace, name: str) -> Snapshot:
    """Remove a name, and its state unless a run learned from it or it has another name.

    Raises
    ------
    NothingFoundError
        There is no snapshot of this name.
    """
    found = [each for each in list_snapshots(workspace).snapshots if each.name == nfc(name)]
    if not found:
        resolve_state(workspace, name)  # says which there are
        raise UsageError(f"'{name}' is no name", hint="states that nobody named can't be removed")
    states, names, runs = schema.states, schema.snapshots, schema.runs
    with workspace.catalog.begin() as connection:
        connection.execute(delete(names).where(names.c.name == found[0].name))
        used = select(names.c.state).union(
            select(runs.c.data_state).where(runs.c.data_state.is_not(None))
        )
        connection.execute(
            delete(states).where(states.c.id == found[0].id, states.c.id.not_in(used))
        )
        _sweep(connection)
    return found[0]


def erase_from_states(connection: Connection, pictures: Collection[str]) -> int:
    """Take pictures out of every recorded state; the states keep their ids.

    Parameters
    ----------
    connection : Connection
        The write transaction that erases the pictures themselves.
    pictures : collection of str
        sha256.

    Returns
    -------
    int
        States that held one of them.
    """
    gone = set(pictures)
    states, chunks = schema.states, schema.state_chunks
    if not gone:
        return 0
    changed: dict[str, tuple[str, int]] = {}
    for digest in connection.scalars(select(chunks.c.digest)).all():
        packed = connection.scalar(select(chunks.c.rows).where(chunks.c.digest == digest))
        rows = decode(zlib.decompress(packed or b""))
        kept = [
            row._replace(representative=None) if row.representative in gone else row
            for row in rows
            if row.sha256 not in gone
        ]
        if kept != rows:
            changed[digest] = (_put(connection, encode(kept)), len(rows) - len(kept))
    touched = 0
    for state in connection.execute(select(states)).all():
        erased = sum(changed[digest][1] for _, digest in state.chunks if digest in changed)
        moved = [[prefix, changed.get(digest, (digest, 0))[0]] for prefix, digest in state.chunks]
        if moved != state.chunks:
            touched += bool(erased)
            connection.execute(
                update(states)
                .where(states.c.id == state.id)
                .values(
                    chunks=moved, pictures=state.pictures - erased, erased=state.erased + erased
                )
            )
    _sweep(connection)
    return touched


def _write(connection: Connection, workspace: Workspace, state: State) -> None:
    states, chunks = schema.states, schema.state_chunks
    there = set(connection.scalars(select(chunks.c.digest)))
    rows = [
        {"digest": digest, "rows": zlib.compress(state.encoded[prefix], LEVEL)}
        for prefix, digest in state.digests.items()
        if digest not in there
    ]
    workspace.catalog.upsert(chunks, rows, connection=connection)
    row: dict[str, Any] = {
        "id": state.id,
        "about": state.about,
        "chunks": sorted(map(list, state.digests.items())),
        "pictures": sum(map(len, state.chunks.values())),
        "erased": 0,
        "tool_version": __version__,
        "created_at": now(),
    }
    workspace.catalog.upsert(states, [row], connection=connection)


def _put(connection: Connection, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    table = schema.state_chunks
    if connection.scalar(select(table.c.digest).where(table.c.digest == digest)) is None:
        row = {"digest": digest, "rows": zlib.compress(data, LEVEL)}
        connection.execute(table.insert(), [row])
    return digest


def _chunks(connection: Connection, digests: set[str]) -> dict[str, bytes]:
    table, found, wanted = schema.state_chunks, {}, sorted(digests)
    for start in range(0, len(wanted), _VARIABLES):
        part = wanted[start : start + _VARIABLES]
        query = select(table.c.digest, table.c.rows).where(table.c.digest.in_(part))
        for digest, packed in connection.execute(query):
            try:
                found[digest] = zlib.decompress(packed)
            except zlib.error:
                found[digest] = b""  # its digest tells
    return found


def _sweep(connection: Connection) -> None:
    """Remove the chunks that no state has any more."""
    states, chunks = schema.states, schema.state_chunks
    used = {
        digest for listed in connection.scalars(select(states.c.chunks)) for _, digest in listed
    }
    for digest in set(connection.scalars(select(chunks.c.digest))) - used:
        connection.execute(delete(chunks).where(chunks.c.digest == digest))
