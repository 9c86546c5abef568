"""Push pictures and predictions to the labelling server; a second push adds nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from labeling.configs.label_config import ProjectKind
from labeling.formats.shapes import MaskFormatError
from labeling.records.pictures import (
    CatalogPicture,
    PreAnnotation,
    PreAnnotator,
    load_pictures,
)
from labeling.records.selection import Selection, Uncertainty, select_pictures
from labeling.records.shown import ShownSize
from labeling.server.client import LabelStudioClient
from labeling.server.connection import Connection
from labeling.sync.imported_masks import VERSION as IMPORTED
from labeling.sync.imported_masks import (
    ImportedMasks,
    imported_masks,
    not_offered,
    shown_record,
)
from labeling.sync.picture_urls import ImageMode, PictureUrls, picture_urls_for
from labeling.sync.project import Project, client_for, open_project, project_lock
from labeling.sync.questions import questions
from labeling.sync.results import write_result, write_shapes
from labeling.sync.task_index import TaskIndex
from labeling.sync.task_order import put_first, remove_predictions

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class PushSummary(Summary):
    """Result of `push`.

    Parameters
    ----------
    project, url : str
        The project and its address.
    selected : int
        Pictures in the selection.
    pushed : int
        New tasks.
    already : int
        Pictures that had a task before.
    predictions : int
        Predictions sent, for new and for earlier tasks.
    imported : int
        Of these, how many show the masks that were imported for the picture.
    not_offered : tuple of str
        Classes of imported masks that the project lacks: its labelers don't see these masks.
    missing : tuple of str
        Pictures whose files are missing from the workspace: not pushed.
    duplicates_removed : int
        Second tasks of a picture, without any work on them, that were deleted.
    """

    project: str
    url: str
    selected: int
    pushed: int
    already: int
    predictions: int
    imported: int
    not_offered: tuple[str, ...]
    missing: tuple[str, ...]
    duplicates_removed: int


def push(
    workspace: Workspace,
    kind: ProjectKind | str = ProjectKind.DAMAGE,
    *,
    selection: Selection | None = None,
    predict: PreAnnotator | None = None,
    model_version: str | None = None,
    uncertainty: Uncertainty | None = None,
    reasons: Mapping[str, str] | None = None,
    images: ImageMode = "auto",
    url_prefix: str | None = None,
    batch: int = 200,
    connection: Connection | LabelStudioClient | None = None,
    progress: Progress = SILENT,
) -> PushSummary:
    """Create tasks for pictures.

    Each picture is one task, identified by its sha256 (``data.ext_id``). Pictures that have a task
    are not pushed again, so a push that was killed continues where it stopped.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    kind : ProjectKind
        The project, created by `init`.
    selection : Selection, optional
        Which pictures; default all that are kept (for a review: the borderline ones).
    predict : callable, optional
        Proposes masks and choices for pictures. Called for new tasks, and for earlier tasks without
        a prediction of this `model_version`.
    model_version : str, optional
        Name of the model behind `predict`, shown to labelers.
    uncertainty : callable, optional
        Returns how uncertain a model is about each picture; of pictures that nobody annotated or
        skipped, the most uncertain are selected first (see `Selection.limit`).
    reasons : mapping, optional
        sha256 -> what the labeler reads above the choices; `uncertainty` may fill it. Only the
        pictures in it are pushed.
    images : {"auto", "local", "upload", "url"}
        How the labeler's browser gets the pictures. auto: from this disk when the server runs in
        the workspace, by `url_prefix` when it is given, else uploaded.
    url_prefix : str, optional
        URL under which the workspace folder is served.
    batch : int
        Tasks per request.
    connection : Connection or LabelStudioClient, optional
        Default: `Connection.find`.
    progress : Progress
        Reports every picture.

    Raises
    ------
    MissingPartError
        No server, wrong key, no project, or the server can't show the pictures.
    NothingFoundError
        The selection is empty.
    """
    if predict is not None and not model_version:
        raise UsageError("predictions need the name of their model (model_version)")
    kind = ProjectKind(kind)
    with project_lock(workspace, kind), client_for(workspace, connection) as client:
        project = open_project(workspace, kind, client)
        wanted = select_pictures(workspace, kind, selection or Selection(), uncertainty=uncertainty)
        if reasons is not None:
            wanted = [sha256 for sha256 in wanted if sha256 in reasons]
            if not wanted:
                raise NothingFoundError("no label of the selected pictures is suspected")
        pictures = load_pictures(workspace, wanted)
        there = {p.sha256 for p in pictures if p.path.exists()}
        missing = tuple(p.sha256 for p in pictures if p.sha256 not in there)
        pictures = [p for p in pictures if p.sha256 in there]
        index = TaskIndex()
        found = {p.sha256 for p in pictures} if kind is ProjectKind.DAMAGE else set()
        imported = imported_masks(workspace, sorted(found))
        index.read(client, project, versions=predict is not None)
        index.load_shown(workspace, project)
        new = [p for p in pictures if p.sha256 not in index.tasks]
        old = [p for p in pictures if p.sha256 in index.tasks]
        urls = picture_urls_for(workspace, client, project.remote_id, images, url_prefix)
        if new:
            urls.open_access(new[0])
        sender = _Sender(workspace, client, project, urls, predict, model_version, imported, index)
        with progress.task("push", total=len(new)) as tick:
            for start in range(0, len(new), batch):
                chunk = new[start : start + batch]
                sender.send_tasks(chunk)
                tick(len(chunk))
        index.read(client, project)
        removed = index.remove_duplicates(client, project)
        index.shown |= sender.shown
        if predict is not None:
            sender.send_predictions(index.without_version(old, sender.version), batch)
        sender.send_changed_imports(old, batch)
        index.shown |= sender.shown
        if uncertainty is not None:
            order = {index.tasks[p.sha256]: p.sha256 for p in pictures if p.sha256 in index.tasks}
            said = {number: (reasons or {}).get(sha256, "") for number, sha256 in order.items()}
            put_first(client, project, said, sender.version)
        if sender.sent:
            client.update_project(
                project.remote_id, show_collab_predictions=True, model_version=sender.version
            )
        index.save(workspace, project)
        return PushSummary(
            project=kind.value,
            url=project.url,
            selected=len(wanted),
            pushed=len(new),
            already=len(old),
            predictions=sender.sent,
            imported=len(sender.shown),
            not_offered=not_offered(imported, project.config.mask_labels),
            missing=missing,
            duplicates_removed=removed,
        )


class _Sender:
    """Builds tasks and predictions and sends them."""

    def __init__(
        self,
        workspace: Workspace,
        client: LabelStudioClient,
        project: Project,
        urls: PictureUrls,
        predict: PreAnnotator | None,
        version: str | None,
        imported: Mapping[str, ImportedMasks],
        index: TaskIndex,
    ) -> None:
        self.workspace, self.client, self.project, self.urls = workspace, client, project, urls
        self.predict, self.imported, self.index, self.sent = predict, imported, index, 0
        # The server prefills pages with the predictions of one version only.
        before = str(project.remote.get("model_version") or "")
        self.version = version or before or IMPORTED
        self.shown: dict[str, dict[str, Any]] = {}

    def send_tasks(self, pictures: Sequence[CatalogPicture]) -> None:
        """Send one batch of new tasks."""
        predictions = self._predictions(pictures)
        asked: Mapping[str, str] = {}
        if self.project.kind is ProjectKind.REVIEW:
            asked = questions(self.workspace, [picture.sha256 for picture in pictures])
        tasks = []
        for picture, url in zip(pictures, self.urls.urls(pictures), strict=True):
            data = {
                "image": url,
                "ext_id": picture.sha256,
                "width": picture.width,
                "height": picture.height,
                "question": asked.get(picture.sha256, ""),
            }
            task: dict[str, Any] = {"data": data}
            if picture.sha256 in predictions:
                task["predictions"] = [predictions[picture.sha256]]
            tasks.append(task)
        self.client.import_tasks(self.project.remote_id, tasks)
        self.sent += len(predictions)
        self._note_shown(picture.sha256 for picture in pictures)

    def send_predictions(self, pictures: Sequence[CatalogPicture], batch: int) -> None:
        """Send predictions for earlier tasks."""
        for start in range(0, len(pictures), batch):
            body = [
                {"task": self.index.tasks[sha256], **prediction}
                for sha256, prediction in self._predictions(pictures[start : start + batch]).items()
            ]
            if body:
                self.client.import_predictions(self.project.remote_id, body)
                self._note_shown(p.sha256 for p in pictures[start : start + batch])
            self.sent += len(body)

    def send_changed_imports(self, pictures: Sequence[CatalogPicture], batch: int) -> None:
        """Send imported masks to earlier tasks that do not show them, or not as they are now."""
        changed = [
            picture
            for picture in pictures
            if picture.sha256 in self.imported
            and picture.sha256 not in self.shown
            and (self.index.shown.get(picture.sha256) or {}).get("masks")
            != self._shown_rows(picture.sha256)
        ]
        for picture in changed:
            if picture.sha256 in self.index.shown:
                remove_predictions(self.client, self.index.tasks[picture.sha256], self.version)
        self.send_predictions(changed, batch)

    def _shown_rows(self, sha256: str) -> dict[str, str]:
        return self.imported[sha256].shown(set(self.project.config.mask_labels))

    def _note_shown(self, sha256s: Iterable[str]) -> None:
        for sha256 in sha256s:
            if sha256 in self.imported:
                record = shown_record(self._shown_rows(sha256), self.client.server_time)
                self.shown[sha256] = record

    def _predictions(self, pictures: Sequence[CatalogPicture]) -> dict[str, dict[str, Any]]:
        """Return sha256 -> prediction: imported masks where there are some, else a model's."""
        known = {picture.sha256: picture for picture in pictures}
        found = {
            picture.sha256: self._imported(picture)
            for picture in pictures
            if picture.sha256 in self.imported
        }
        rest = [picture for picture in pictures if picture.sha256 not in found]
        if self.predict is not None and rest:
            for proposed in self.predict(rest):
                if proposed.sha256 in known and proposed.sha256 not in found:
                    body = self._prediction(proposed, known[proposed.sha256])
                    found[proposed.sha256] = body
        return found

    def _size(self, picture: CatalogPicture) -> ShownSize:
        """Return how labelers see a picture: an earlier task goes on showing what it did."""
        return self.index.shown_size(picture) or self.urls.shown(picture)

    def _imported(self, picture: CatalogPicture) -> dict[str, Any]:
        config = self.project.config
        shapes = self.imported[picture.sha256].shapes()
        result = write_shapes(shapes, config, self._size(picture))
        state = config.control("state")
        choices = {"state": "damaged"} if state and "damaged" in state.values else {}
        result += write_result({}, config, choices=choices, seed=picture.sha256)
        return {"model_version": self.version, "result": result}

    def _prediction(self, proposed: PreAnnotation, picture: CatalogPicture) -> dict[str, Any]:
        shape = (picture.height, picture.width)
        for label, mask in proposed.masks.items():
            # The server accepts masks of any size and shows them in the wrong place.
            if mask.shape != shape:
                raise MaskFormatError(
                    f"{self.version} proposes a {label} mask of {mask.shape[1]} x {mask.shape[0]} "
                    f"pixels for {picture.path.name}, which has {shape[1]} x {shape[0]}"
                )
        result = write_result(
            proposed.masks, self.project.config, choices=proposed.choices,
            seed=f"{picture.sha256}|{self.version}", score=proposed.score,
            shown=self._size(picture),
        )  # fmt: skip
        body = {"model_version": self.version, "result": result}
        return body if proposed.score is None else body | {"score": proposed.score}
