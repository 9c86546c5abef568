"""A backend's connection to a project on the labelling server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bodyshop_core.errors import BodyshopError, MissingPartError
from labeling.configs.label_config import ProjectKind
from labeling.configs.smart_tools import with_smart_tools
from labeling.server.client import LabelStudioClient
from labeling.server.connection import Connection
from labeling.sync.project import Project, client_for, open_project, project_lock

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

DESCRIPTION = "bodyshop label backend"
"""By this a backend of an earlier start is found, whatever its title."""


@dataclass(frozen=True)
class ConnectedBackend:
    """A backend that a project asks.

    Parameters
    ----------
    project : str
        Address of the project.
    version : str
        Name of its predictions.
    """

    project: str
    version: str


def prepare_project(
    workspace: Workspace,
    name: str,
    *,
    connection: Connection | LabelStudioClient | None = None,
) -> str:
    """Add the smart tools to the damage project, and return the name of its live predictions.

    Label Studio fills a page with the predictions of one name only: that of the predictions that
    were pushed, or else `name`.

    Raises
    ------
    MissingPartError
        No server, no project, or the server is on another machine.
    """
    with client_for(workspace, connection) as client:
        _check_near(client)
        with project_lock(workspace, ProjectKind.DAMAGE):
            project = open_project(workspace, ProjectKind.DAMAGE, client)
            smart = with_smart_tools(project.config)
            if smart.xml != project.config.xml:
                client.update_project(project.remote_id, label_config=smart.xml)
        return str(project.remote.get("model_version") or "") or name


@contextmanager
def connected(
    workspace: Workspace,
    url: str,
    user: str,
    token: str,
    version: str,
    *,
    connection: Connection | LabelStudioClient | None = None,
) -> Iterator[ConnectedBackend]:
    """Connect a running backend to the damage project during the block.

    Raises
    ------
    MissingPartError
        The server does not accept a backend on this machine.
    """
    with client_for(workspace, connection) as client:
        project = open_project(workspace, ProjectKind.DAMAGE, client)
        _remove_earlier(client, project)
        # A page is filled by the backend of this title, or with the predictions of this version.
        # The server forgets the version when a backend of that title goes: that of pushed
        # predictions has to stay.
        title = f"bodyshop: {version}" if project.remote.get("model_version") else version
        try:
            number = client.add_backend(
                project.remote_id, url=url, title=title, description=DESCRIPTION, user=user,
                password=token,
            )  # fmt: skip
        except BodyshopError as error:
            if "reserved" in error.message or "local" in error.message:
                raise MissingPartError(
                    f"Label Studio at {client.connection.url} refuses backends on this machine",
                    hint="stop it, and start it with: bodyshop label serve --backend",
                ) from error
            raise
        try:
            yield ConnectedBackend(project.url, version)
        finally:
            client.remove_backend(number)


def _check_near(client: LabelStudioClient) -> None:
    if not client.connection.is_local:
        raise MissingPartError(
            f"Label Studio at {client.connection.url} can't reach a backend on 127.0.0.1 here",
            hint="run bodyshop label backend on the machine of the server",
        )


def _remove_earlier(client: LabelStudioClient, project: Project) -> None:
    """Remove what a backend left that was killed."""
    for backend in client.backends(project.remote_id):
        if backend.get("description") == DESCRIPTION:
            client.remove_backend(int(backend["id"]))
