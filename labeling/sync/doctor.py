"""Check every part of the labelling; nothing here raises an error or changes anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.errors import BodyshopError
from bodyshop_core.summary import Summary
from labeling.configs.label_config import ProjectKind
from labeling.records.pictures import load_pictures
from labeling.server import environment
from labeling.server.client import LabelStudioClient
from labeling.server.connection import Connection
from labeling.sync.project import Project, open_project

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class LabelingCheck(Summary):
    """Result of one check.

    Parameters
    ----------
    name : str
        What was checked.
    ok : bool
        Whether it works.
    message : str
        What was found.
    hint : str or None
        How to fix it.
    """

    name: str
    ok: bool
    message: str
    hint: str | None = None


def doctor(
    workspace: Workspace, *, connection: Connection | LabelStudioClient | None = None
) -> list[LabelingCheck]:
    """Check program, server, key, version and projects, and whether pictures can be shown.

    Parameters
    ----------
    workspace : Workspace
        With the projects.
    connection : Connection or LabelStudioClient, optional
        Default: `Connection.find`.

    Returns
    -------
    list of LabelingCheck
        Each check needs the ones before it; checks after a failed server or key are left out.
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
        return f"{client.connection.url} runs version {client.release()}"

    server = _check("labelling server", connect)
    checks.append(server)
    if client is None or not server.ok:
        return checks
    opened = client
    try:
        checks.append(_check("labelling key", lambda: f"accepted, key of {opened.whoami()}"))
        if checks[-1].ok:
            table = schema.label_projects
            with workspace.catalog.read() as reader:
                names = list(reader.scalars(select(table.c.name).order_by(table.c.name)))
            checks += [
                _check(f"project {name}", partial(_check_project, workspace, opened, name))
                for name in names
            ]
    finally:
        if connection is not opened:
            opened.close()
    return checks


def _program() -> LabelingCheck:
    if environment.is_installed():
        return LabelingCheck("Label Studio", True, f"{environment.REQUIREMENT} is installed")
    return LabelingCheck(
        "Label Studio",
        False,
        "not installed in its own environment (not needed with a server elsewhere)",
        "bodyshop label serve installs and starts it",
    )


def _check_project(workspace: Workspace, client: LabelStudioClient, name: str) -> str:
    project = open_project(workspace, ProjectKind(name), client)
    found = f"{project.remote['task_number']} tasks at {project.url}"
    page = next(client.scan(project.remote_id, ("id", "data"), page=1), None)
    if page is None:
        return f"{found}, none yet: bodyshop label push"
    _refuse_missing_pictures(workspace, project)
    url = str(page[0]["data"].get("image"))
    status, shown = client.fetch(url)
    if status != 200 or not shown:
        why = (
            f"answers HTTP {status}"
            if status != 200
            else "lacks the header Access-Control-Allow-Origin"
        )
        raise BodyshopError(
            f"{found}, but browsers can't show the pictures: {url} {why}",
            hint="push with --images upload, or start the server in this workspace",
        )
    return f"{found}, pictures can be shown"


def _refuse_missing_pictures(workspace: Workspace, project: Project) -> None:
    """Refuse a project with tasks whose pictures are missing from the workspace."""
    table = schema.label_tasks
    query = select(table.c.sha256).where(table.c.instance == project.instance)
    with workspace.catalog.read() as connection:
        pushed = list(connection.scalars(query))
    missing = [p.path.name for p in load_pictures(workspace, pushed) if not p.path.exists()]
    if missing:
        raise BodyshopError(
            f"{len(missing)} of its {len(pushed)} pictures are missing from "
            f"{workspace.blobs.label} ({missing[0]}{' and others' if len(missing) > 1 else ''})",
            hint="restore them with bodyshop collect or bodyshop import",
        )


def _check(name: str, check: Callable[[], str]) -> LabelingCheck:
    try:
        return LabelingCheck(name, True, check())
    except BodyshopError as error:
        return LabelingCheck(name, False, error.message, error.hint)
