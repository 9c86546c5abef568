"""Pictures and predictions to the labelling server; a second push adds nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import UsageError
from bodyshop_core.progress import SILENT, Progress
from labeling.configs.scheme import Kind
from labeling.formats.brush_rle import MaskFormatError
from labeling.pictures import Picture, Prediction, Predictor, load_pictures
from labeling.selection import Selection, Uncertainty, choose
from labeling.server.client import LabelStudioClient
from labeling.server.connection import Connection
from labeling.sync.inventory import Inventory
from labeling.sync.picture_urls import ImageMode, Shelf, shelf_for
from labeling.sync.project import Project, client_for, open_project, project_lock
from labeling.sync.questions import questions
from labeling.sync.results import write_result

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class PushSummary:
    """What a push did.

    Parameters
    ----------
    project, url : str
        Where labelers find it.
    selected : int
        Pictures that the selection holds.
    pushed : int
        New tasks.
    already : int
        Pictures that were there.
    predictions : int
        Proposals sent, with new tasks and for old ones.
    missing : tuple of str
        Pictures whose bytes are gone from the workspace: not pushed.
    healed : int
        Second tasks of one picture, untouched, that were taken away again.
    """

    project: str
    url: str
    selected: int
    pushed: int
    already: int
    predictions: int
    missing: tuple[str, ...]
    healed: int

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)


def push(
    workspace: Workspace,
    kind: Kind | str = Kind.DAMAGE,
    *,
    selection: Selection | None = None,
    predict: Predictor | None = None,
    model_version: str | None = None,
    uncertainty: Uncertainty | None = None,
    images: ImageMode = "auto",
    url_prefix: str | None = None,
    batch: int = 200,
    connection: Connection | LabelStudioClient | None = None,
    progress: Progress = SILENT,
) -> PushSummary:
    """Give pictures to the labelers.

    A picture is one task, known by its sha256 (``data.ext_id``): what is there already is not
    pushed again, so a push that was killed goes on where it stopped.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    kind : Kind
        The project, made by `init`.
    selection : Selection, optional
        Which pictures; default all that are kept (or borderline, for a review).
    predict : callable, optional
        Given pictures, proposes masks and choices. Called for new tasks, and for old ones that have
        no prediction of this `model_version` yet.
    model_version : str, optional
        Name of the model behind `predict`, as labelers see it.
    uncertainty : callable, optional
        Given pictures that nobody looked at yet, says how uncertain a model is about each; the
        most uncertain are chosen first (see `Selection.limit`).
    images : {"auto", "local", "upload", "url"}
        How the labeler's browser gets the pictures; auto: from our disk when the server is ours,
        by `url_prefix` when there is one, else uploaded.
    url_prefix : str, optional
        Address under which the workspace folder is served.
    batch : int
        Tasks per request.
    connection : Connection or LabelStudioClient, optional
        Default: `Connection.find`.
    progress : Progress
        Told about every picture.

    Raises
    ------
    MissingPartError
        No server, wrong key, no project, or the server can't show the pictures.
    NothingFoundError
        The selection is empty.
    """
    if predict is not None and not model_version:
        raise UsageError("predictions need the name of the model they are from (model_version)")
    kind = Kind(kind)
    with project_lock(workspace, kind), client_for(workspace, connection) as client:
        project = open_project(workspace, kind, client)
        wanted = choose(workspace, kind, selection or Selection(), uncertainty=uncertainty)
        pictures = load_pictures(workspace, wanted)
        missing = tuple(p.sha256 for p in pictures if not p.path.exists())
        pictures = [p for p in pictures if p.path.exists()]
        stock = Inventory()
        stock.read(client, project, versions=predict is not None)
        new = [p for p in pictures if p.sha256 not in stock.tasks]
        old = [p for p in pictures if p.sha256 in stock.tasks]
        shelf = shelf_for(workspace, client, project.remote_id, images, url_prefix)
        if new:
            shelf.open(new[0])
        sender = _Sender(workspace, client, project, shelf, predict, model_version or "")
        with progress.task("push", total=len(new)) as tick:
            for start in range(0, len(new), batch):
                chunk = new[start : start + batch]
                sender.send_tasks(chunk)
                tick(len(chunk))
        stock.read(client, project)
        healed = stock.heal(client, project)
        if predict is not None:
            sender.send_predictions(stock.without_version(old, sender.version), stock, batch)
        if sender.sent:
            client.update_project(
                project.remote_id, show_collab_predictions=True, model_version=sender.version
            )
        stock.remember(workspace, project)
        return PushSummary(
            kind.value, project.url, len(wanted), len(new), len(pictures) - len(new), sender.sent,
            missing, healed,
        )  # fmt: skip


class _Sender:
    """Builds tasks and predictions and sends them."""

    def __init__(
        self,
        workspace: Workspace,
        client: LabelStudioClient,
        project: Project,
        shelf: Shelf,
        predict: Predictor | None,
        version: str,
    ) -> None:
        self.workspace, self.client, self.project, self.shelf = workspace, client, project, shelf
        self.predict, self.version, self.sent = predict, version, 0

    def send_tasks(self, pictures: Sequence[Picture]) -> None:
        """Send one batch of new tasks."""
        proposed = self._propose(pictures)
        asked: Mapping[str, str] = {}
        if self.project.kind is Kind.REVIEW:
            asked = questions(self.workspace, [picture.sha256 for picture in pictures])
        tasks = []
        for picture, address in zip(pictures, self.shelf.addresses(pictures), strict=True):
            data = {
                "image": address,
                "ext_id": picture.sha256,
                "width": picture.width,
                "height": picture.height,
                "question": asked.get(picture.sha256, ""),
            }
            task: dict[str, Any] = {"data": data}
            if picture.sha256 in proposed:
                task["predictions"] = [proposed[picture.sha256]]
            tasks.append(task)
        self.client.import_tasks(self.project.remote_id, tasks)
        self.sent += len(proposed)

    def send_predictions(self, pictures: Sequence[Picture], stock: Inventory, batch: int) -> None:
        """Send predictions for tasks that were there before."""
        for start in range(0, len(pictures), batch):
            proposed = self._propose(pictures[start : start + batch])
            told = [
                {"task": stock.tasks[sha256], **prediction}
                for sha256, prediction in proposed.items()
            ]
            if told:
                self.client.import_predictions(self.project.remote_id, told)
            self.sent += len(told)

    def _propose(self, pictures: Sequence[Picture]) -> dict[str, dict[str, Any]]:
        if self.predict is None or not pictures:
            return {}
        known = {picture.sha256: picture for picture in pictures}
        return {
            prediction.sha256: self._written(prediction, known[prediction.sha256])
            for prediction in self.predict(pictures)
            if prediction.sha256 in known
        }

    def _written(self, prediction: Prediction, picture: Picture) -> dict[str, Any]:
        shape = (picture.height, picture.width)
        for label, mask in prediction.masks.items():
            # The server takes masks of any size and shows them in the wrong place.
            if mask.shape != shape:
                raise MaskFormatError(
                    f"{self.version} proposes a {label} mask of {mask.shape[1]} x {mask.shape[0]} "
                    f"pixels for {picture.path.name}, which has {shape[1]} x {shape[0]}"
                )
        result = write_result(
            prediction.masks, self.project.scheme, choices=prediction.choices,
            seed=f"{picture.sha256}|{self.version}", score=prediction.score,
        )  # fmt: skip
        told = {"model_version": self.version, "result": result}
        return told if prediction.score is None else told | {"score": prediction.score}
