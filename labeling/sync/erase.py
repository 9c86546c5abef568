"""Erase pictures from labelling servers: their tasks, with all annotations, and their uploads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.errors import BodyshopError
from labeling.server.client import LabelStudioClient
from labeling.server.connection import Connection
from labeling.sync.project import client_for, open_project

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

UPLOADS = "/data/upload/"


@dataclass(frozen=True)
class ErasedTasks:
    """Result of `erase_tasks`.

    Parameters
    ----------
    tasks : int
        Tasks that were deleted.
    remaining : tuple of str
        What is still on a server, and where, one sentence each.
    """

    tasks: int
    remaining: tuple[str, ...]


def erase_tasks(
    workspace: Workspace,
    sha256s: Iterable[str],
    *,
    connection: Connection | LabelStudioClient | None = None,
) -> ErasedTasks:
    """Delete the tasks of pictures on the labelling server, and the copies uploaded to it.

    A server that can't be reached is no error: what remains on it is named.

    Parameters
    ----------
    workspace : Workspace
        Whose projects are meant; it must still know the tasks.
    sha256s : iterable of str
        The pictures.
    connection : Connection or LabelStudioClient, optional
        Default: `Connection.find`.
    """
    recorded = _recorded(workspace, set(sha256s))
    deleted = 0
    remaining: list[str] = []
    for (instance, name, url), tasks in recorded.items():
        place = f"{len(tasks)} tasks of the project {name or instance} on {url or 'a server'}"
        numbers = ", ".join(str(number) for number in sorted(tasks.values())[:5])
        try:
            if name is None:
                raise BodyshopError("the project was replaced by a new one")
            with client_for(workspace, connection) as client:
                project = open_project(workspace, name, client)
                pairs = client.tasks_of(project.remote_id, sorted(tasks))
                client.delete_tasks(project.remote_id, [int(task["id"]) for task in pairs])
                deleted += len(pairs)
                images = [str((task.get("data") or {}).get("image", "")) for task in pairs]
                files = [each[len("/data/") :] for each in images if each.startswith(UPLOADS)]
                client.delete_uploads(project.remote_id, files)
                own = client.connection.document_root == workspace.root
            if not own:
                # Label Studio deletes the record of an upload, not its file.
                remaining += [f"the file {file} in the media folder of {url}" for file in files]
        except BodyshopError as error:
            remaining.append(f"{place} (number {numbers}): {error.message}")
    return ErasedTasks(deleted, tuple(remaining))


def _recorded(
    workspace: Workspace, sha256s: set[str]
) -> dict[tuple[str, str | None, str | None], dict[str, int]]:
    """Return (instance, project, address) -> sha256 -> number of its task."""
    tasks, projects = schema.label_tasks, schema.label_projects
    query = (
        select(tasks.c.instance, tasks.c.sha256, tasks.c.remote_id, projects.c.name, projects.c.url)
        .outerjoin(projects, projects.c.instance == tasks.c.instance)
        .order_by(tasks.c.instance)
    )
    found: dict[tuple[str, str | None, str | None], dict[str, int]] = defaultdict(dict)
    with workspace.catalog.read() as connection:
        for row in connection.execute(query):
            if row.sha256 in sha256s:
                found[row.instance, row.name, row.url][row.sha256] = row.remote_id
    return dict(found)
