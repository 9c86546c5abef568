"""Labelling projects: made once, updated without losing what was drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import ConfigError, MissingPartError, UsageError
from bodyshop_core.locking import locked
from bodyshop_core.progress import SILENT, Progress
from labeling.annotations import digest
from labeling.configs.scheme import Kind, Scheme, load_scheme, lost_values, parse_scheme
from labeling.server.client import LabelStudioClient
from labeling.server.connection import FOLDER, Connection, GoneError

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

TITLE_LIMIT = 50
"""Characters the server takes for a title."""


@dataclass(frozen=True)
class InitSummary:
    """What `init` found or made."""

    project: str
    kind: str
    url: str
    remote_id: int
    created: bool
    config_changed: bool
    labels: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)


@dataclass(frozen=True)
class Project:
    """A labelling project as the catalog knows it and the server has it."""

    name: str
    kind: Kind
    remote_id: int
    instance: str
    scheme: Scheme
    url: str
    cursor: dict[str, Any]
    remote: dict[str, Any]


def init(
    workspace: Workspace,
    kind: Kind | str = Kind.DAMAGE,
    *,
    config: Path | None = None,
    annotators: int | None = None,
    connection: Connection | None = None,
    progress: Progress = SILENT,
) -> InitSummary:
    """Create a labelling project, or bring an existing one to a labelling configuration.

    Parameters
    ----------
    workspace : Workspace
        Whose pictures will be labelled.
    kind : Kind
        ``damage`` (masks) or ``review`` (keep or reject).
    config : Path, optional
        An own labelling configuration instead of the one that comes with bodyshop.
    annotators : int, optional
        How many people see each picture; default one for a new project, else as it is.
    connection : Connection, optional
        Default: `Connection.find`.
    progress : Progress
        Told what happens.

    Returns
    -------
    InitSummary
        Where the project is.

    Raises
    ------
    ConfigError
        The configuration is wrong, or drops a class or choice that annotations use.
    MissingPartError
        No server, or it refuses the key.
    """
    if annotators is not None and annotators < 1:
        raise UsageError("a picture needs at least one annotator")
    kind = Kind(kind)
    scheme = load_scheme(kind, config)
    with project_lock(workspace, kind), client_for(workspace, connection) as client:
        client.release()
        remote = _existing(workspace, kind, client)
        created = remote is None
        changed = False
        if remote is None:
            remote = client.create_project(_title(workspace, kind), scheme.xml)
            progress.log(f"created project {remote['id']} at {client.connection.url}")
        else:
            changed = _update_config(client, remote, scheme, config)
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
            "config": scheme.xml,
            "cursor": previous.cursor if previous is not None and same else {},
            "updated_at": now(),
        }
        workspace.catalog.upsert(schema.label_projects, [row])
        return InitSummary(
            kind.value, kind.value, f"{client.connection.url}/projects/{remote['id']}",
            remote["id"], created, changed, scheme.mask_labels,
        )  # fmt: skip


def open_project(workspace: Workspace, kind: Kind | str, client: LabelStudioClient) -> Project:
    """Return a project that `init` made, checked against the server.

    Raises
    ------
    MissingPartError
        `init` was not run, the project was deleted, or the server is another one or too old.
    """
    kind = Kind(kind)
    again = f"make it anew: bodyshop label init --project {kind.value}"
    row = _row(workspace, kind)
    if row is None:
        raise MissingPartError(
            f"there is no {kind.value} project yet",
            hint=f"make it: bodyshop label init --project {kind.value}",
        )
    client.release()
    try:
        remote = client.project(row.remote_id)
    except GoneError as error:
        raise MissingPartError(
            f"the {kind.value} project (number {row.remote_id}) is no longer on "
            f"{client.connection.url}; everything pulled so far is safe in the catalog",
            hint=again,
        ) from error
    if _instance(client, remote) != row.instance:
        raise MissingPartError(
            f"project {row.remote_id} on {client.connection.url} is not the {kind.value} project "
            f"that was made on {row.url}",
            hint=again,
        )
    url = f"{client.connection.url}/projects/{row.remote_id}"
    return Project(
        row.name, kind, row.remote_id, row.instance, parse_scheme(remote["label_config"]), url,
        dict(row.cursor), remote,
    )  # fmt: skip


@contextmanager
def client_for(
    workspace: Workspace, connection: Connection | LabelStudioClient | None
) -> Iterator[LabelStudioClient]:
    """Open a client for the block; a client passed in is left open."""
    if isinstance(connection, LabelStudioClient):
        yield connection
        return
    client = LabelStudioClient(connection or Connection.find(workspace))
    try:
        yield client
    finally:
        client.close()


def project_lock(workspace: Workspace, kind: Kind | str) -> Any:
    """Let only one command at a time change a project: the server would take tasks twice."""
    name = Kind(kind).value
    return locked(
        workspace.root / FOLDER / f"{name}.lock",
        taken=f"another bodyshop command is working on the {name} project",
    )


def _row(workspace: Workspace, kind: Kind) -> Any:
    table = schema.label_projects
    with workspace.catalog.read() as connection:
        return connection.execute(select(table).where(table.c.name == kind.value)).one_or_none()


def _existing(workspace: Workspace, kind: Kind, client: LabelStudioClient) -> dict[str, Any] | None:
    """Return the project on the server: the one in the catalog, else the one of our title."""
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


def _title(workspace: Workspace, kind: Kind) -> str:
    place = digest(workspace.root)[:6]
    return f"bodyshop {kind.value}: {workspace.root.name[:20]} {place}"[:TITLE_LIMIT]


def _instance(client: LabelStudioClient, remote: dict[str, Any]) -> str:
    # The embedded database reuses numbers, so the time of creation is part of what it is.
    return digest(remote["id"], remote["created_at"])[:16]


def _update_config(
    client: LabelStudioClient, remote: dict[str, Any], scheme: Scheme, config: Path | None
) -> bool:
    present = parse_scheme(remote["label_config"], name="the server's configuration")
    if present.xml.strip() == scheme.xml.strip():
        return False
    used = client.used_values(remote["id"])
    for control, values in lost_values(present, scheme).items():
        in_use = {value: used.get(control, {}).get(value, 0) for value in values}
        taken = [f"{value} ({count})" for value, count in in_use.items() if count]
        if taken:
            raise ConfigError(
                f"annotations or drafts use values of {control} that it no longer has: "
                f"{', '.join(taken)}",
                file=config or "the labelling configuration",
                hint="keep them (new ones may be added), or change those first",
            )
    client.update_project(remote["id"], label_config=scheme.xml)
    return True
