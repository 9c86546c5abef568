"""Progress of the labelling: tasks done and left, and the pace of each annotator."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.summary import Summary
from labeling.configs.label_config import ProjectKind
from labeling.consensus.votes import CONSENSUS
from labeling.records.annotations import ACTIVE_STATES
from labeling.server.client import LabelStudioClient
from labeling.server.connection import Connection
from labeling.sync.project import client_for, open_project

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

PAUSE_S = 900
"""A longer interval between two annotations of a person is a break, in seconds."""


@dataclass(frozen=True)
class StatusSummary(Summary):
    """Result of `status`: the labelling projects of a workspace.

    Parameters
    ----------
    projects : tuple of dict
        Per project, from the server: ``name``, ``url``, ``tasks``, ``done``, ``skipped``,
        ``drafts``, ``left``, ``changed`` (tasks that changed since the last pull); from the pulled
        annotations: ``annotators`` (each with ``done``, ``seconds_each``, ``per_hour``, ``last``)
        and ``hours_left``.
    """

    projects: tuple[dict[str, Any], ...]


def status(
    workspace: Workspace,
    kind: ProjectKind | str | None = None,
    *,
    connection: Connection | LabelStudioClient | None = None,
) -> StatusSummary:
    """Report the progress of the labelling.

    Parameters
    ----------
    workspace : Workspace
        With the projects.
    kind : ProjectKind, optional
        One project; default all that were created.
    connection : Connection or LabelStudioClient, optional
        Default: `Connection.find`.

    Raises
    ------
    MissingPartError
        No server, wrong key, or a project was deleted.
    """
    table = schema.label_projects
    with workspace.catalog.read() as reader:
        names = list(reader.scalars(select(table.c.name).order_by(table.c.name)))
    wanted = [ProjectKind(kind).value] if kind is not None else names
    if not wanted:
        return StatusSummary(())
    with client_for(workspace, connection) as client:
        return StatusSummary(tuple(_project(workspace, client, name) for name in wanted))


def _project(workspace: Workspace, client: LabelStudioClient, name: str) -> dict[str, Any]:
    project = open_project(workspace, name, client)
    remote = project.remote
    tasks, done = int(remote["task_number"]), int(remote["finished_task_number"])
    count = client.count
    skipped = count(project.remote_id, "cancelled_annotations", "greater", "Number", 0)
    pulled = project.cursor.get("top")
    annotators = _annotators(workspace, project.name)
    pace = sum(each["per_hour"] or 0 for each in annotators)
    return {
        "name": project.name,
        "url": project.url,
        "tasks": tasks,
        "done": done,
        "skipped": skipped,
        "drafts": count(project.remote_id, "draft_exists", "equal", "Boolean", True),
        "left": tasks - done,
        "changed": count(project.remote_id, "updated_at", "greater", "Datetime", pulled)
        if pulled
        else tasks,
        "annotators": annotators,
        "hours_left": round((tasks - done) / pace, 1) if pace else None,
    }


def _annotators(workspace: Workspace, project: str) -> list[dict[str, Any]]:
    table = schema.annotations
    query = select(table).where(
        table.c.project == project,
        table.c.kind == "choices",
        table.c.state.in_((*ACTIVE_STATES, "skipped")),
        table.c.annotator != CONSENSUS,
    )
    rows = defaultdict(list)
    with workspace.catalog.read() as connection:
        for row in connection.execute(query):
            rows[row.annotator].append(row)
    found = []
    for annotator, mine in sorted(rows.items()):
        moments = sorted(datetime.fromisoformat(row.updated_at) for row in mine)
        gaps = [(b - a).total_seconds() for a, b in pairwise(moments)]
        working = [gap for gap in gaps if gap <= PAUSE_S]
        seconds = [row.value["seconds"] for row in mine if row.value.get("seconds")]
        found.append(
            {
                "annotator": annotator,
                "done": sum(row.state != "skipped" for row in mine),
                "skipped": sum(row.state == "skipped" for row in mine),
                "seconds_each": round(median(seconds), 1) if seconds else None,
                "per_hour": round(3600 / (sum(working) / len(working)), 1)
                if working and sum(working)
                else None,
                "last": moments[-1].isoformat(timespec="seconds"),
            }
        )
    return found
