"""Which picture is which task: known by ``data.ext_id``, never by a number the server reuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from bodyshop_core.catalog import now, schema
from labeling.pictures import Picture
from labeling.server.client import LabelStudioClient
from labeling.sync.project import Project

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


@dataclass
class Inventory:
    """The tasks of a project.

    Parameters
    ----------
    tasks : dict
        sha256 -> number of its first task.
    versions : dict
        sha256 -> names of the models that predicted for it.
    doubles : list of int
        Further tasks of pictures that have one already.
    places : set
        Every (sha256, number).
    last : int
        Largest number seen.
    """

    tasks: dict[str, int] = field(default_factory=dict)
    versions: dict[str, set[str]] = field(default_factory=dict)
    doubles: list[int] = field(default_factory=list)
    places: set[tuple[str, int]] = field(default_factory=set)
    last: int = 0

    def read(self, client: LabelStudioClient, project: Project, *, versions: bool = False) -> None:
        """Read the tasks that came since the last reading.

        Parameters
        ----------
        client : LabelStudioClient
            The server.
        project : Project
            The project.
        versions : bool
            Read also which models predicted, which takes the server longer.
        """
        include = ["id", "data", *(["predictions_model_versions"] if versions else [])]
        pages = client.scan(project.remote_id, include, after=self.last, nested=versions)
        for page in pages:
            for task in page:
                self._add(task)

    def heal(self, client: LabelStudioClient, project: Project) -> int:
        """Take away second tasks of a picture that nobody touched; return how many.

        They come about when a push is killed while the server still works on its last batch.
        """
        idle = []
        for number in self.doubles:
            task = client.task(number)
            touched = ("total_annotations", "cancelled_annotations", "draft_exists")
            if not any(task.get(name) for name in touched):
                idle.append(number)
        if idle:
            client.delete_tasks(project.remote_id, idle)
            self.doubles = [number for number in self.doubles if number not in idle]
        return len(idle)

    def without_version(self, pictures: Sequence[Picture], version: str) -> list[Picture]:
        """Return those of the pictures that the model has not predicted for yet."""
        return [p for p in pictures if version not in self.versions.get(p.sha256, set())]

    def remember(self, workspace: Workspace, project: Project) -> None:
        """Note in the catalog which tasks there are; call it after the whole project was read."""
        table = schema.label_tasks
        with workspace.catalog.begin() as connection:
            known = set(connection.scalars(select(schema.images.c.sha256)))
            connection.execute(delete(table).where(table.c.instance == project.instance))
            at = now()
            rows = [
                {"instance": project.instance, "sha256": sha256, "remote_id": number, "seen_at": at}
                for sha256, number in self.tasks.items()
                if sha256 in known
            ]
            workspace.catalog.upsert(table, rows, connection=connection)

    def _add(self, task: dict[str, Any]) -> None:
        self.last = max(self.last, int(task["id"]))
        sha256 = (task.get("data") or {}).get("ext_id")
        if not isinstance(sha256, str):
            return
        self.places.add((sha256, int(task["id"])))
        if sha256 in self.tasks:
            self.doubles.append(int(task["id"]))
            return
        self.tasks[sha256] = int(task["id"])
        told = task.get("predictions_model_versions") or ""
        self.versions[sha256] = {name for name in told.split(",") if name}
