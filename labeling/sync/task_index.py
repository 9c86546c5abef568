"""Which task shows which picture, by ``data.ext_id``: the server reuses the numbers of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from bodyshop_core.catalog import now, schema
from labeling.records.pictures import CatalogPicture
from labeling.records.shown import ShownSize
from labeling.server.client import LabelStudioClient
from labeling.sync.project import Project

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


@dataclass
class TaskIndex:
    """The tasks of a project.

    Parameters
    ----------
    tasks : dict
        sha256 -> number of the picture's first task.
    versions : dict
        sha256 -> names of the models that predicted for it.
    duplicates : list of int
        Further tasks of pictures that have a task already.
    images : dict
        sha256 -> URL of the picture in that task.
    pairs : set
        Every (sha256, number).
    shown : dict
        sha256 -> the imported masks that the page of its task shows (`label_tasks.shown`).
    last : int
        The largest number read.
    """

    tasks: dict[str, int] = field(default_factory=dict)
    versions: dict[str, set[str]] = field(default_factory=dict)
    duplicates: list[int] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    pairs: set[tuple[str, int]] = field(default_factory=set)
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    last: int = 0

    def read(self, client: LabelStudioClient, project: Project, *, versions: bool = False) -> None:
        """Read the tasks that were added since the last call.

        Parameters
        ----------
        client : LabelStudioClient
            The server.
        project : Project
            The project.
        versions : bool
            Also read which models predicted, which takes the server longer.
        """
        include = ["id", "data", *(["predictions_model_versions"] if versions else [])]
        pages = client.scan(project.remote_id, include, after=self.last, nested=versions)
        for page in pages:
            for task in page:
                self._add(task)

    def load_shown(self, workspace: Workspace, project: Project) -> None:
        """Read from the catalog which imported masks the tasks show; to be called after `read`."""
        for (sha256, number), shown in shown_masks(workspace, project).items():
            if self.tasks.get(sha256) == number:
                self.shown[sha256] = shown

    def remove_duplicates(self, client: LabelStudioClient, project: Project) -> int:
        """Delete further tasks of a picture that nobody worked on; return how many.

        They exist when a push was killed while the server was still processing its last batch.
        """
        unused = []
        for number in self.duplicates:
            task = client.task(number)
            work = ("total_annotations", "cancelled_annotations", "draft_exists")
            if not any(task.get(name) for name in work):
                unused.append(number)
        if unused:
            client.delete_tasks(project.remote_id, unused)
            self.duplicates = [number for number in self.duplicates if number not in unused]
        return len(unused)

    def without_version(
        self, pictures: Sequence[CatalogPicture], version: str
    ) -> list[CatalogPicture]:
        """Return those of the pictures that have no prediction of a model."""
        return [p for p in pictures if version not in self.versions.get(p.sha256, set())]

    def shown_size(self, picture: CatalogPicture) -> ShownSize | None:
        """Return how a picture's task shows it; None for a picture without a task."""
        if picture.sha256 not in self.tasks:
            return None
        return ShownSize.at(picture.width, picture.height, self.images[picture.sha256])

    def save(self, workspace: Workspace, project: Project) -> None:
        """Write the tasks to the catalog; to be called after all tasks were read."""
        table = schema.label_tasks
        with workspace.catalog.begin() as connection:
            known = set(connection.scalars(select(schema.images.c.sha256)))
            connection.execute(delete(table).where(table.c.instance == project.instance))
            at = now()
            rows = [
                {
                    "instance": project.instance,
                    "sha256": sha256,
                    "remote_id": number,
                    "seen_at": at,
                    "shown": self.shown.get(sha256),
                }
                for sha256, number in self.tasks.items()
                if sha256 in known
            ]
            workspace.catalog.upsert(table, rows, connection=connection)

    def _add(self, task: dict[str, Any]) -> None:
        self.last = max(self.last, int(task["id"]))
        sha256 = (task.get("data") or {}).get("ext_id")
        if not isinstance(sha256, str):
            return
        self.pairs.add((sha256, int(task["id"])))
        if sha256 in self.tasks:
            self.duplicates.append(int(task["id"]))
            return
        self.tasks[sha256] = int(task["id"])
        self.images[sha256] = str(task["data"].get("image"))
        versions = task.get("predictions_model_versions") or ""
        self.versions[sha256] = {name for name in versions.split(",") if name}


def shown_masks(workspace: Workspace, project: Project) -> dict[tuple[str, int], dict[str, Any]]:
    """Return (sha256, task) -> which imported masks its page shows, and since when."""
    table = schema.label_tasks
    query = select(table).where(table.c.instance == project.instance, table.c.shown.is_not(None))
    with workspace.catalog.read() as connection:
        return {
            (row.sha256, row.remote_id): row.shown for row in connection.execute(query) if row.shown
        }
