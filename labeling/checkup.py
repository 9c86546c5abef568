"""What of the labelling works and how to mend the rest; nothing here raises or changes things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.errors import BodyshopError
from labeling.configs.scheme import Kind
from labeling.pictures import load_pictures
from labeling.server import environment
from labeling.server.client import LabelStudioClient
from labeling.server.connection import Connection
from labeling.sync.project import Project, open_project

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        What.
    ok : bool
        Whether it works.
    message : str
        What was found.
    hint : str or None
        How to mend it.
    """

    name: str
    ok: bool
    message: str
    hint: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)


def doctor(
    workspace: Workspace, *, connection: Connection | LabelStudioClient | None = None
) -> list[Check]:
    """Check program, server, key, version, projects and whether pictures are shown.

    Parameters
    ----------
    workspace : Workspace
        Which one.
    connection : Connection or LabelStudioClient, optional
        Default: `Connection.find`.

    Returns
    -------
    list of Check
        In the order in which one needs the other; it ends after the first thing that fails so
        thoroughly that the rest can't be looked at.
    """
    checks = [_program()]
    client: LabelStudioClient | None = None

    def connect() -> str:
        nonlocal client
        client = (
            connection
            if isinstance(connection, LabelStudioClient)
            else LabelStudioClient(connection or Connection.find(workspace))
        )
        return f"{client.connection.url} answers as version {client.release()}"

    server = _check("labelling server", connect)
    checks.append(server)
    if client is None or not server.ok:
        return checks
    open_client = client
    try:
        checks.append(
            _check("labelling key", lambda: f"it is {open_client.whoami()}'s, and is accepted")
        )
        if checks[-1].ok:
            table = schema.label_projects
            with workspace.catalog.read() as reader:
                names = list(reader.scalars(select(table.c.name).order_by(table.c.name)))
            checks += [
                _check(f"project {name}", _looker(workspace, client, name)) for name in names
            ]
    finally:
        if connection is not client:
            client.close()
    return checks


def _program() -> Check:
    if environment.is_installed():
        return Check("Label Studio", True, f"{environment.REQUIREMENT} is installed")
    return Check(
        "Label Studio",
        False,
        "not installed in its own environment (no matter when another server is used)",
        "bodyshop label serve installs and starts it",
    )


def _looker(workspace: Workspace, client: LabelStudioClient, name: str) -> Callable[[], str]:
    def look() -> str:
        project = open_project(workspace, Kind(name), client)
        told = f"{project.remote['task_number']} tasks at {project.url}"
        page = next(client.scan(project.remote_id, ("id", "data"), page=1), None)
        if page is None:
            return f"{told}, none yet: bodyshop label push"
        _refuse_gaps(workspace, project)
        address = str(page[0]["data"].get("image"))
        status, shown = client.fetch(address)
        if status != 200 or not shown:
            why = f"answers HTTP {status}" if status != 200 else "may not be shown by other sites"
            raise BodyshopError(
                f"{told}, but its pictures are not shown: {address} {why}",
                hint="push with --images upload, or start the server in this workspace",
            )
        return f"{told}, pictures are shown"

    return look


def _refuse_gaps(workspace: Workspace, project: Project) -> None:
    """Refuse a project with tasks whose pictures are no longer in the workspace."""
    table = schema.label_tasks
    query = select(table.c.sha256).where(table.c.instance == project.instance)
    with workspace.catalog.read() as connection:
        pushed = list(connection.scalars(query))
    gone = [p.path.name for p in load_pictures(workspace, pushed) if not p.path.exists()]
    if gone:
        raise BodyshopError(
            f"{len(gone)} of its {len(pushed)} pictures are gone from {workspace.blobs.root} "
            f"({gone[0]}{' and others' if len(gone) > 1 else ''})",
            hint="bring them back with bodyshop collect or bodyshop import",
        )


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except BodyshopError as error:
        return Check(name, False, error.message, error.hint)
