"""Pull annotations and decisions into the catalog; only changed tasks are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from bodyshop_core.catalog import schema
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from labeling.configs.label_config import ProjectKind
from labeling.consensus.agreement import measure_agreement
from labeling.consensus.update import prepare_consensus, update_consensus
from labeling.exchange.mask_export import export_masks
from labeling.formats.coco import FILE_NAME
from labeling.records.annotations import (
    ACTIVE_STATES,
    Annotation,
    mark_deleted,
    store_annotations,
    upload_masks,
)
from labeling.records.pictures import CatalogPicture, load_pictures
from labeling.records.shown import ShownSize
from labeling.server.client import LabelStudioClient, Task
from labeling.server.connection import Connection
from labeling.sync.imported_masks import ImportedMasks, imported_masks
from labeling.sync.project import Project, client_for, open_project, project_lock
from labeling.sync.results import SentShapes, read_result
from labeling.sync.task_index import TaskIndex, shown_masks

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

PAGE = 100
"""Tasks per request and per transaction."""

LATE_S = 60
"""A change may become visible this long after its time stamp (a slow transaction), in seconds."""

FIELDS = (
    "id", "data", "updated_at", "annotations", "result", "completed_by", "was_cancelled",
    "lead_time", "created_at",
)  # fmt: skip


@dataclass(frozen=True)
class PullSummary(Summary):
    """Result of `pull`.

    Parameters
    ----------
    project, url : str
        The project and its address.
    tasks : int
        Tasks that had changed.
    annotations, masks : int
        New or changed annotations, and the masks in them.
    skipped : int
        Annotations with which a labeler skipped the task.
    drafts : int
        Tasks with drafts, which are not pulled.
    deleted : int
        Annotations that are gone from the server; their masks are no longer used.
    decisions : int
        Pictures, of those that changed, that have a review decision.
    pictures : int
        Pictures that changed.
    replaced : tuple of str
        Masks that no longer count, and why, one sentence each.
    config_changes : tuple of str
        How the server's labelling configuration differs from the recorded one.
    problems : tuple of str
        What could not be used, one sentence each.
    agreement : dict or None
        Of all pictures that several annotators annotated.
    coco : str or None
        The COCO file, when one was requested.
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
    replaced: tuple[str, ...]
    config_changes: tuple[str, ...]
    problems: tuple[str, ...]
    agreement: dict[str, Any] | None
    coco: str | None = None


def pull(
    workspace: Workspace,
    kind: ProjectKind | str = ProjectKind.DAMAGE,
    *,
    full: bool = False,
    coco: Path | None = None,
    connection: Connection | LabelStudioClient | None = None,
    progress: Progress = SILENT,
) -> PullSummary:
    """Write the annotations of a project to the catalog.

    Every page of tasks and the position of the pull are written in one transaction: a pull that was
    interrupted continues there. Predictions and drafts are never pulled, and neither are
    annotations of pictures that were erased.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    kind : ProjectKind
        The project.
    full : bool
        Read all tasks and annotations again, not only those that changed.
    coco : Path, optional
        Folder for ``annotations.json``: all masks in use, as COCO.
    connection : Connection or LabelStudioClient, optional
        Default: `Connection.find`.
    progress : Progress
        Reports every task.

    Raises
    ------
    MissingPartError
        No server, wrong key, or the project was deleted; nothing was changed then.
    NothingFoundError
        `coco` was requested, but no picture has a mask yet.
    """
    kind = ProjectKind(kind)
    with project_lock(workspace, kind), client_for(workspace, connection) as client:
        project = open_project(workspace, kind, client)
        changes = project.config_changes()
        for change in changes:
            progress.log(change)
        pages = _PagePuller(workspace, client, project, progress)
        pages.pull_changes(full=full)
        drafts = client.count(project.remote_id, "draft_exists", "equal", "Boolean", True)
        counts = pages.counts
        agreement = measure_agreement(workspace, project.name)
        if coco is not None:
            export_masks(workspace, "coco", coco, with_pictures=False, progress=progress)
        return PullSummary(
            project=project.name,
            url=project.url,
            tasks=counts.tasks,
            annotations=counts.annotations,
            masks=counts.masks,
            skipped=counts.skipped,
            drafts=drafts,
            deleted=counts.deleted,
            decisions=_decided(workspace, counts.pictures),
            pictures=len(counts.pictures),
            replaced=tuple(counts.replaced),
            config_changes=changes,
            problems=tuple(counts.problems),
            agreement=agreement.as_dict() if agreement.pictures else None,
            coco=None if coco is None else str(coco / FILE_NAME),
        )


@dataclass
class _PullCounts:
    tasks: int = 0
    annotations: int = 0
    masks: int = 0
    skipped: int = 0
    deleted: int = 0
    pictures: set[str] = field(default_factory=set)
    replaced: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class _PagePuller:
    """Pull one page of tasks after the other, with what is known from earlier pulls."""

    def __init__(
        self, workspace: Workspace, client: LabelStudioClient, project: Project, progress: Progress
    ) -> None:
        self.workspace, self.client, self.project = workspace, client, project
        self.progress, self.counts = progress, _PullCounts()
        self.pictures = {picture.sha256: picture for picture in load_pictures(workspace)}
        self.users = client.users()
        self.shown = shown_masks(workspace, project)
        self.full = False
        self.known = self._known()

    def pull_changes(self, *, full: bool) -> None:
        """Read tasks that changed, then find tasks that were deleted."""
        self.full = full
        cursor = {} if full else dict(self.project.cursor)
        scan = cursor.get("scan")
        if scan is None:
            top, _ = self.client.newest(self.project.remote_id)
            scan = {"last": 0, "top": top, "calm": self._all_visible(top)}
        since = cursor.get("since")
        with self.progress.task("pull") as tick:
            for page in self.client.scan(
                self.project.remote_id, FIELDS, after=scan["last"], since=since, page=PAGE,
                nested=True,
            ):  # fmt: skip
                scan = scan | {"last": int(page[-1]["id"])}
                self._pull_page(page, {"since": since, "scan": scan})
                tick(len(page))
        self._remove_deleted_tasks()
        # The next pull starts at `top`, or one minute before it when changes with an earlier time
        # stamp could still become visible by the server's clock.
        since = scan["top"] if scan["calm"] else _earlier(scan["top"])
        self._save_cursor({"since": since, "top": scan["top"]})

    def _pull_page(self, page: list[Task], cursor: dict[str, Any]) -> None:
        changed: list[Annotation] = []
        gone: list[int] = []
        for task in page:
            self.counts.tasks += 1
            sha256 = str((task.get("data") or {}).get("ext_id"))
            picture = self.pictures.get(sha256)
            if picture is None:
                if task.get("annotations"):
                    self._problem(f"task {task['id']}: picture {sha256[:12]} is not in the catalog")
                continue
            present = {int(each["id"]): each for each in task.get("annotations") or []}
            before = self.known.get((sha256, int(task["id"])), {})
            gone += [number for number in before if number not in present]
            for number, annotation in present.items():
                changed_at = _normalised(annotation["updated_at"])
                if self.full or before.get(number) != changed_at:
                    changed.append(self._read_annotation(task, annotation, picture))
        uploaded = upload_masks(self.workspace, changed)

        def write(connection: Any) -> set[str]:
            stored = store_annotations(connection, self.workspace, changed, uploaded)
            return stored | mark_deleted(connection, self.project.instance, gone)

        agreed = prepare_consensus(self.workspace, write)
        with self.workspace.catalog.begin() as connection:
            touched = write(connection)
            dropped = update_consensus(connection, self.workspace, touched, agreed)
            self._save_cursor(cursor, connection)
        self.counts.replaced += dropped
        changed = [annotation for annotation in changed if annotation.sha256 in touched]
        self.counts.annotations += sum(each.state == "current" for each in changed)
        self.counts.skipped += sum(each.state == "skipped" for each in changed)
        self.counts.masks += sum(len({s.label for s in each.shapes}) for each in changed)
        self.counts.deleted += len(gone)
        self.counts.pictures |= touched

    def _read_annotation(
        self, task: Task, annotation: Mapping[str, Any], picture: CatalogPicture
    ) -> Annotation:
        by = annotation.get("completed_by")
        by = by.get("id") if isinstance(by, Mapping) else by
        annotator = self.users.get(by or 0, f"user-{by}")[:64]
        details = {"task": int(task["id"]), "seconds": annotation.get("lead_time")}
        shown = self.shown.get((picture.sha256, int(task["id"])))
        if shown and _parsed(annotation["created_at"]) >= _parsed(shown["at"]):
            details["shown"] = shown["masks"]
        identity = (
            picture.sha256, self.project.name, self.project.instance, int(annotation["id"]),
            annotator, _normalised(annotation["updated_at"]),
        )  # fmt: skip
        if annotation.get("was_cancelled"):
            # A skipped annotation still contains the prediction that was on the page.
            return Annotation(*identity, state="skipped", details=details)
        sent = self._sent(picture, task["data"].get("image"))
        parsed = read_result(
            annotation.get("result") or [], self.project.config, width=picture.width,
            height=picture.height, before=self.project.recorded, sent=sent,
        )  # fmt: skip
        problems = list(parsed.problems)
        if parsed.masks and parsed.choices.get("state") == ["whole"]:
            problems.append(f"labelled whole, but with masks of {', '.join(sorted(parsed.masks))}")
        for problem in problems:
            self._problem(f"task {task['id']} ({picture.sha256[:12]}) by {annotator}: {problem}")
        details |= {"origins": parsed.origins, "problems": problems}
        return Annotation(
            *identity, shapes=parsed.shapes, size=(picture.width, picture.height),
            choices=parsed.choices, details=details,
        )  # fmt: skip

    def _sent(self, picture: CatalogPicture, url: object) -> SentShapes | None:
        """Return the imported masks that are shown at a working size, to know them again."""
        shown = ShownSize.at(picture.width, picture.height, url)
        if shown.factor == 1 or picture.sha256 not in self._imported:
            return None
        shapes = self._imported[picture.sha256].shapes()
        return SentShapes(shapes, self.project.config, shown)

    @cached_property
    def _imported(self) -> dict[str, ImportedMasks]:
        """Imported masks of large pictures; also those that an answer has replaced by now."""
        large = [
            sha256
            for sha256, picture in self.pictures.items()
            if ShownSize.of(picture.width, picture.height).factor > 1
        ]
        return imported_masks(self.workspace, large, states=ACTIVE_STATES) if large else {}

    def _remove_deleted_tasks(self) -> None:
        """Find tasks that were deleted: the server keeps no record of them."""
        table = schema.label_tasks
        _, total = self.client.newest(self.project.remote_id)
        query = select(table.c.sha256, table.c.remote_id).where(
            table.c.instance == self.project.instance
        )
        with self.workspace.catalog.read() as connection:
            recorded = {(row.sha256, row.remote_id) for row in connection.execute(query)}
        if total == len(recorded) and self.known.keys() <= recorded and self._last_is_in(recorded):
            return
        index = TaskIndex()
        index.read(self.client, self.project)
        index.load_shown(self.workspace, self.project)
        gone = [
            number
            for pair, annotations in self.known.items()
            if pair not in index.pairs
            for number in annotations
        ]
        write = partial(mark_deleted, instance=self.project.instance, remote_ids=gone)
        agreed = prepare_consensus(self.workspace, write)
        with self.workspace.catalog.begin() as connection:
            touched = write(connection)
            self.counts.replaced += update_consensus(connection, self.workspace, touched, agreed)
        index.save(self.workspace, self.project)
        self.counts.deleted += len(gone)
        self.counts.pictures |= touched

    def _last_is_in(self, recorded: set[tuple[str, int]]) -> bool:
        """Return whether the newest task is recorded: else it may have replaced a deleted one."""
        last = self.client.last_task(self.project.remote_id)
        return last is None or (str(last["data"].get("ext_id")), int(last["id"])) in recorded

    def _known(self) -> dict[tuple[str, int], dict[int, str]]:
        """Return (sha256, task) -> annotation -> time of its change, from earlier pulls."""
        table = schema.annotations
        query = select(table).where(
            table.c.instance == self.project.instance,
            table.c.kind == "choices",
            table.c.state.in_((*ACTIVE_STATES, "skipped")),
        )
        known: dict[tuple[str, int], dict[int, str]] = {}
        with self.workspace.catalog.read() as connection:
            for row in connection.execute(query):
                pair = (row.sha256, int(row.value["task"]))
                known.setdefault(pair, {})[row.remote_id] = row.updated_at
        return known

    def _all_visible(self, top: str | None) -> bool:
        """Return whether all changes up to `top` are visible by now, by the server's clock."""
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
        self.counts.problems.append(text)
        self.progress.log(text)


def _decided(workspace: Workspace, sha256s: set[str]) -> int:
    with workspace.catalog.read() as connection:
        decided = set(connection.scalars(select(schema.decisions.c.sha256)))
    return len(decided & sha256s)


def _parsed(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(UTC)


def _normalised(moment: str) -> str:
    """Write a time of the server as in the catalog: UTC, microseconds, sortable."""
    return _parsed(moment).isoformat(timespec="microseconds")


def _earlier(moment: str | None) -> str | None:
    # The only format that the server's filter accepts.
    form = "%Y-%m-%dT%H:%M:%S.%fZ"
    return moment and (_parsed(moment) - timedelta(seconds=LATE_S)).strftime(form)
