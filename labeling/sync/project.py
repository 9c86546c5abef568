"""Labelling projects: created once, and updated without losing annotations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import ConfigError, MissingPartError, UsageError
from bodyshop_core.locking import locked
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from labeling.configs.label_config import (
    LabelConfig,
    ProjectKind,
    load_label_config,
    lost_values,
    parse_label_config,
)
from labeling.records.annotations import digest
from labeling.server.client import LabelStudioClient
from labeling.server.connection import FOLDER, Connection, GoneError

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

TITLE_LIMIT = 50
"""The longest title that the server accepts, in characters."""


@dataclass(frozen=True)
class InitSummary(Summary):
    """Result of `init`: the project on the server, and whether it is new or was changed."""

    project: str
    kind: str
    url: str
    remote_id: int
    created: bool
    config_changed: bool
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Project:
    """A labelling project: its row in the catalog and its facts on the server.

    ``config`` is the server's configuration, ``recorded`` the one that `init` sent there.
    """

    name: str
    kind: ProjectKind
    remote_id: int
    instance: str
    config: LabelConfig
    url: str
    cursor: dict[str, Any]
    remote: dict[str, Any]
    recorded: LabelConfig

    def config_changes(self) -> tuple[str, ...]:
        """Return what somebody changed in the configuration on the server since `init`."""
        changes = []
        for control, values in lost_values(self.recorded, self.config).items():
            changes.append(
                f"the labelling configuration on the server lacks {', '.join(values)} of "
                f"{control}, which init recorded; annotations with it keep it. "
                f"To put it back: bodyshop label init --project {self.name}"
            )
        for control, values in lost_values(self.config, self.recorded).items():
            changes.append(
                f"the labelling configuration on the server has {', '.join(values)} of {control}, "
                "which init did not record"
            )
        return tuple(changes)


def init(
    workspace: Workspace,
    kind: ProjectKind | str = ProjectKind.DAMAGE,
    *,
    config: Path | None = None,
    annotators: int | None = None,
    connection: Connection | None = None,
    progress: Progress = SILENT,
) -> InitSummary:
    """Create a labelling project, or update the labelling configuration of an existing one.

    Parameters
    ----------
    workspace : Workspace
        With the pictures to label.
    kind : ProjectKind
        ``damage`` (masks) or ``review`` (keep or reject).
    config : Path, optional
        The user's labelling configuration instead of the one that comes with bodyshop.
    annotators : int, optional
        How many people annotate each picture; default one for a new project, else unchanged.
    connection : Connection, optional
        Default: `Connection.find`.
    progress : Progress
        Reports what is done.

    Returns
    -------
    InitSummary
        With the address of the project.

    Raises
    ------
    ConfigError
        The configuration is invalid, or lacks a class or choice that annotations use.
    MissingPartError
        No server is configured or running, or it refuses the key.
    """
    if annotators is not None and annotators < 1:
        raise UsageError("--annotators must be 1 or more")
    kind = ProjectKind(kind)
    label_config = load_label_config(kind, config)
    with project_lock(workspace, kind), client_for(workspace, connection) as client:
        client.release()
        remote = _existing(workspace, kind, client)
        created = remote is None
        changed = False
        if remote is None:
            remote = client.create_project(_title(workspace, kind), label_config.xml)
            progress.log(f"created project {remote['id']} at {client.connection.url}")
        else:
            changed = _update_config(client, remote, label_config, config)
        people = {} if annotators is None else {"maximum_annotations": annotators}
        client.update_project(
            remote["id"], show_collab_predictions=True, enable_empty_annotation=True, **people
        )
        instance = _instance(client, remote)
        previous = _row(workspace, kind)
        same = previous is not None and previous.instance == instance
        row = {
            "name": kind.value,
            "kind": kind.value,
            "url": client.connection.url,
            "remote_id": remote["id"],
            "instance": instance,
            "config": label_config.xml,
            "cursor": previous.cursor if previous is not None and same else {},
            "updated_at": now(),
        }
        workspace.catalog.upsert(schema.label_projects, [row])
        return InitSummary(
            kind.value, kind.value, f"{client.connection.url}/projects/{remote['id']}",
            remote["id"], created, changed, label_config.mask_labels,
        )  # fmt: skip


def open_project(
    workspace: Workspace, kind: ProjectKind | str, client: LabelStudioClient
) -> Project:
    """Return a project that `init` created, after a check that it is still on the server.

    Raises
    ------
    MissingPartError
        `init` was not run, the project was deleted, or the server is a different one or too old.
    """
    kind = ProjectKind(kind)
    again = f"create it again: bodyshop label init --project {kind.value}"
    row = _row(workspace, kind)
    if row is None:
        raise MissingPartError(
            f"no {kind.value} project exists yet",
            hint=f"create it: bodyshop label init --project {kind.value}",
        )
    client.release()
    try:
        remote = client.project(row.remote_id)
    except GoneError as error:
        raise MissingPartError(
            f"the {kind.value} project (number {row.remote_id}) is no longer on "
            f"{client.connection.url}; annotations pulled so far are safe in the catalog",
            hint=again,
        ) from error
    if _instance(client, remote) != row.instance:
        raise MissingPartError(
            f"project {row.remote_id} on {client.connection.url} is not the {kind.value} project "
            f"that was created on {row.url}",
            hint=again,
        )
    return Project(
        name=row.name,
        kind=kind,
        remote_id=row.remote_id,
        instance=row.instance,
        config=parse_label_config(remote["label_config"]),
        url=f"{client.connection.url}/projects/{row.remote_id}",
        cursor=dict(row.cursor),
        remote=remote,
        recorded=parse_label_config(row.config),
    )


@contextmanager
def client_for(
    workspace: Workspace, connection: Connection | LabelStudioClient | None
) -> Iterator[LabelStudioClient]:
    """Open a client for the block; a client that was passed in stays open."""
    if isinstance(connection, LabelStudioClient):
        yield connection
        return
    client = LabelStudioClient(connection or Connection.find(workspace))
    try:
        yield client
    finally:
        client.close()


def project_lock(workspace: Workspace, kind: ProjectKind | str) -> Any:
    """Lock a project: two commands at a time would create tasks twice."""
    name = ProjectKind(kind).value
    return locked(
        workspace.root / FOLDER / f"{name}.lock",
        taken=f"another bodyshop command is using the {name} project",
    )


def _row(workspace: Workspace, kind: ProjectKind) -> Any:
    table = schema.label_projects
    with workspace.catalog.read() as connection:
        return connection.execute(select(table).where(table.c.name == kind.value)).one_or_none()


def _existing(
    workspace: Workspace, kind: ProjectKind, client: LabelStudioClient
) -> dict[str, Any] | None:
    """Return the project on the server: the one in the catalog, else one with the same title."""
    row = _row(workspace, kind)
    if row is not None:
        try:
            remote = client.project(row.remote_id)
        except GoneError:
            remote = None
        if remote is not None and _instance(client, remote) == row.instance:
            return remote
    found = client.find_project(_title(workspace, kind))
    return client.project(found["id"]) if found else None


def _title(workspace: Workspace, kind: ProjectKind) -> str:
    place = digest(workspace.root)[:6]
    return f"bodyshop {kind.value}: {workspace.root.name[:20]} {place}"[:TITLE_LIMIT]


def _instance(client: LabelStudioClient, remote: dict[str, Any]) -> str:
    # The embedded database reuses numbers, so the time of creation is part of the identity.
    return digest(remote["id"], remote["created_at"])[:16]


def _update_config(
    client: LabelStudioClient, remote: dict[str, Any], new: LabelConfig, config: Path | None
) -> bool:
    present = parse_label_config(remote["label_config"], name="the server's configuration")
    if present.xml.strip() == new.xml.strip():
        return False
    used = client.used_values(remote["id"])
    for control, values in lost_values(present, new).items():
        in_use = {value: used.get(control, {}).get(value, 0) for value in values}
        taken = [f"{value} ({count})" for value, count in in_use.items() if count]
        if taken:
            raise ConfigError(
                f"annotations or drafts use values of {control} that it lacks: {', '.join(taken)}",
                file=config or "the labelling configuration",
                hint="keep these values (new ones can be added), or change the annotations first",
            )
    client.update_project(remote["id"], label_config=new.xml)
    return True
