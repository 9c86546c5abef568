"""What labelers drew and decided, back into the catalog; only what changed is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from bodyshop_core.catalog import schema
from bodyshop_core.progress import SILENT, Progress
from labeling.annotations import LIVE, Opinion, store, withdraw
from labeling.configs.scheme import Kind
from labeling.consensus.agreement import measure_agreement
from labeling.consensus.decide import settle
from labeling.exchange import export_masks
from labeling.formats.coco import FILE_NAME
from labeling.pictures import Picture, load_pictures
from labeling.server.client import LabelStudioClient, Task
from labeling.server.connection import Connection
from labeling.sync.inventory import Inventory
from labeling.sync.project import Project, client_for, open_project, project_lock
from labeling.sync.results import read_result

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

PAGE = 100
"""Tasks per request and per transaction."""

LATE_S = 60
"""A change may become visible this much after the moment it carries (a slow transaction)."""

FIELDS = (
    "id", "data", "updated_at", "annotations", "result", "completed_by", "was_cancelled",
    "lead_time", "created_at",
)  # fmt: skip


@dataclass(frozen=True)
class PullSummary:
    """What a pull brought.

    Parameters
    ----------
    project, url : str
        Where it came from.
    tasks : int
        Tasks that had changed.
    annotations, masks : int
        New or changed annotations, and the masks in them.
    skipped : int
        Annotations that say "skipped".
    drafts : int
        Tasks with unfinished work, which is left alone.
    deleted : int
        Annotations that are gone from the server; their masks no longer count.
    decisions : int
        Reviews that are decided now, of the pictures that changed.
    pictures : int
        Pictures that changed.
    problems : tuple of str
        What could not be used, one sentence each.
    agreement : dict or None
        Of all pictures that several annotators looked at.
    coco : str or None
        The COCO file, when one was asked for.
    """

    project: str
    url: str
    tasks: int
    annotations: int
    masks: int
    skipped: int
    drafts: int
    deleted: int
    decisions: int
    pictures: int
    problems: tuple[str, ...]
    agreement: dict[str, Any] | None
    coco: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)


@dataclass
class _Tally:
    tasks: int = 0
    annotations: int = 0
    masks: int = 0
    skipped: int = 0
    deleted: int = 0
    pictures: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def pull(
    workspace: Workspace,
    kind: Kind | str = Kind.DAMAGE,
    *,
    full: bool = False,
    coco: Path | None = None,
    connection: Connection | LabelStudioClient | None = None,
    progress: Progress = SILENT,
) -> PullSummary:
    """Bring annotations of a project into the catalog.

    Every page is written in one transaction together with how far the pull has come, so that one
    that is interrupted anywhere goes on there. Predictions and drafts are never taken.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    kind : Kind
        The project.
    full : bool
        Read every task again, not only those that changed.
    coco : Path, optional
        Folder that gets ``annotations.json``: all masks that count, as COCO.
    connection : Connection or LabelStudioClient, optional
        Default: `Connection.find`.
    progress : Progress
        Told about every task.

    Raises
    ------
    MissingPartError
        No server, wrong key, or the project is gone; nothing was changed then.
    NothingFoundError
        `coco` was asked for, but no picture has a mask yet.
    """
    kind = Kind(kind)
    with project_lock(workspace, kind), client_for(workspace, connection) as client:
        project = open_project(workspace, kind, client)
        puller = _Puller(workspace, client, project, progress)
        puller.changes(full=full)
        drafts = client.count(project.remote_id, "draft_exists", "equal", "Boolean", True)
        tally = puller.tally
        agreement = measure_agreement(workspace, project.name)
        if coco is not None:
            export_masks(workspace, "coco", coco, with_pictures=False, progress=progress)
        return PullSummary(
            project.name, project.url, tally.tasks, tally.annotations, tally.masks, tally.skipped,
            drafts, tally.deleted, _decided(workspace, tally.pictures), len(tally.pictures),
            tuple(tally.problems), agreement.as_dict() if agreement.pictures else None,
            None if coco is None else str(coco / FILE_NAME),
        )  # fmt: skip


class _Puller:
    """One pull: its project, what is known already, and what was counted."""

    def __init__(
        self, workspace: Workspace, client: LabelStudioClient, project: Project, progress: Progress
    ) -> None:
        self.workspace, self.client, self.project = workspace, client, project
        self.progress, self.tally = progress, _Tally()
        self.pictures = {picture.sha256: picture for picture in load_pictures(workspace)}
        self.users = client.users()
        self.known = self._known()

    def changes(self, *, full: bool) -> None:
        """Read tasks that changed, then look for tasks that vanished."""
        cursor = {} if full else dict(self.project.cursor)
        scan = cursor.get("scan")
        if scan is None:
            top, _ = self.client.newest(self.project.remote_id)
            scan = {"last": 0, "top": top, "calm": self._calm(top)}
        since = cursor.get("since")
        with self.progress.task("pull") as tick:
            for page in self.client.scan(
                self.project.remote_id, FIELDS, after=scan["last"], since=since, page=PAGE,
                nested=True,
            ):  # fmt: skip
                scan = scan | {"last": int(page[-1]["id"])}
                self._page(page, {"since": since, "scan": scan})
                tick(len(page))
        self._vanished()
        # What changed after `top` was fixed is read again next time, and so is the last minute
        # before it unless the server's clock says that nothing can still be on its way.
        done = scan["top"] if scan["calm"] else _earlier(scan["top"])
        self._save_cursor({"since": done, "top": scan["top"]})

    def _page(self, page: list[Task], cursor: dict[str, Any]) -> None:
        opinions: list[Opinion] = []
        gone: list[int] = []
        for task in page:
            self.tally.tasks += 1
            sha256 = str((task.get("data") or {}).get("ext_id"))
            picture = self.pictures.get(sha256)
            if picture is None:
                if task.get("annotations"):
                    self._problem(f"task {task['id']}: its picture {sha256[:12]} is not known here")
                continue
            live = {int(each["id"]): each for each in task.get("annotations") or []}
            before = self.known.get((sha256, int(task["id"])), {})
            gone += [number for number in before if number not in live]
            for number, annotation in live.items():
                if before.get(number) != _moment(annotation["updated_at"]):
                    opinions.append(self._opinion(task, annotation, picture))
        with self.workspace.catalog.begin() as connection:
            touched = store(connection, self.workspace, opinions)
            touched |= withdraw(connection, self.project.instance, gone)
            settle(connection, self.workspace, touched)
            self._save_cursor(cursor, connection)
        self.tally.annotations += sum(opinion.state == "current" for opinion in opinions)
        self.tally.skipped += sum(opinion.state == "skipped" for opinion in opinions)
        self.tally.masks += sum(len(opinion.masks) for opinion in opinions)
        self.tally.deleted += len(gone)
        self.tally.pictures |= touched

    def _opinion(self, task: Task, annotation: Mapping[str, Any], picture: Picture) -> Opinion:
        by = annotation.get("completed_by")
        by = by.get("id") if isinstance(by, Mapping) else by
        annotator = self.users.get(by or 0, f"user-{by}")[:64]
        details = {"task": int(task["id"]), "seconds": annotation.get("lead_time")}
        where = (
            picture.sha256, self.project.name, self.project.instance, int(annotation["id"]),
            annotator, _moment(annotation["updated_at"]),
        )  # fmt: skip
        if annotation.get("was_cancelled"):
            # A skipped annotation still carries the prediction that was on the page.
            return Opinion(*where, state="skipped", details=details)
        reading = read_result(
            annotation.get("result") or [], self.project.scheme, width=picture.width,
            height=picture.height,
        )  # fmt: skip
        masks = {label: mask for label, mask in reading.masks.items() if mask.any()}
        problems = list(reading.problems)
        if masks and reading.choices.get("state") == ["whole"]:
            problems.append(f"says whole, but draws {', '.join(sorted(masks))}")
        for problem in problems:
            self._problem(f"task {task['id']} ({picture.sha256[:12]}) by {annotator}: {problem}")
        details |= {"origins": reading.origins, "problems": problems}
        return Opinion(*where, masks=masks, choices=reading.choices, details=details)

    def _vanished(self) -> None:
        """Find tasks that were deleted: they leave no trace, so their absence is the only sign."""
        table = schema.label_tasks
        _, total = self.client.newest(self.project.remote_id)
        query = select(table.c.sha256, table.c.remote_id).where(
            table.c.instance == self.project.instance
        )
        with self.workspace.catalog.read() as connection:
            noted = {(row.sha256, row.remote_id) for row in connection.execute(query)}
        if total == len(noted) and self.known.keys() <= noted and self._last_is_in(noted):
            return
        stock = Inventory()
        stock.read(self.client, self.project)
        gone = [
            number
            for place, annotations in self.known.items()
            if place not in stock.places
            for number in annotations
        ]
        with self.workspace.catalog.begin() as connection:
            touched = withdraw(connection, self.project.instance, gone)
            settle(connection, self.workspace, touched)
        stock.remember(self.workspace, self.project)
        self.tally.deleted += len(gone)
        self.tally.pictures |= touched

    def _last_is_in(self, noted: set[tuple[str, int]]) -> bool:
        """Say whether the newest task is known: else one may have come in place of another."""
        last = self.client.last_task(self.project.remote_id)
        return last is None or (str(last["data"].get("ext_id")), int(last["id"])) in noted

    def _known(self) -> dict[tuple[str, int], dict[int, str]]:
        """Return (sha256, task) -> annotation -> when it was changed, as pulled before."""
        table = schema.annotations
        query = select(table).where(
            table.c.instance == self.project.instance,
            table.c.kind == "choices",
            table.c.state.in_((*LIVE, "skipped")),
        )
        known: dict[tuple[str, int], dict[int, str]] = {}
        with self.workspace.catalog.read() as connection:
            for row in connection.execute(query):
                place = (row.sha256, int(row.value["task"]))
                known.setdefault(place, {})[row.remote_id] = row.updated_at
        return known

    def _calm(self, top: str | None) -> bool:
        """Say whether every change up to `top` is visible by now, by the server's own clock."""
        if top is None or not self.client.server_time:
            return False
        clock = parsedate_to_datetime(self.client.server_time)
        return clock - _parsed(top) > timedelta(seconds=LATE_S)

    def _save_cursor(self, cursor: dict[str, Any], connection: Any = None) -> None:
        if connection is None:
            with self.workspace.catalog.begin() as own:
                self._save_cursor(cursor, own)
                return
        table = schema.label_projects
        connection.execute(
            update(table).where(table.c.name == self.project.name).values(cursor=cursor)
        )

    def _problem(self, text: str) -> None:
        self.tally.problems.append(text)
        self.progress.log(text)


def _decided(workspace: Workspace, sha256s: set[str]) -> int:
    with workspace.catalog.read() as connection:
        decided = set(connection.scalars(select(schema.decisions.c.sha256)))
    return len(decided & sha256s)


def _parsed(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(UTC)


def _moment(moment: str) -> str:
    """Write a moment of the server in the catalog's way: UTC, microseconds, sortable."""
    return _parsed(moment).isoformat(timespec="microseconds")


def _earlier(moment: str | None) -> str | None:
    if moment is None:
        return None
    # The one spelling that the server's filter takes.
    return (_parsed(moment) - timedelta(seconds=LATE_S)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
