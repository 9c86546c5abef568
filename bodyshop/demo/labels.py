"""The labelling step of the demo: a real Label Studio, the ground truth as proposals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select

from bodyshop.demo.checks import Finding
from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace

if TYPE_CHECKING:
    from labeling import AnnotationServer, CatalogPicture, PreAnnotation
    from labeling.server.client import LabelStudioClient
    from showroom import Truth

PROPOSER = "showroom truth"
"""Name of the proposals, as annotators see it."""

ACCEPTED = 20
"""Proposals that the script accepts."""

STAGE = "label"

Labeler = Callable[["AnnotationServer", str], None]
"""Given the running server and the project's address; returns when the labeling is done."""


def label_demo(
    folder: Path, *, by_hand: Labeler | None = None, progress: Progress = SILENT
) -> list[Finding]:
    """Send the train pictures of the demo to annotators and import what they submit.

    Starts Label Studio for this workspace (installs it on first use), creates the project, and
    pushes the kept train pictures with the ground truth as proposals. Then a person submits, or a
    script accepts proposals through the API of Label Studio, as the *Submit* button does. The
    result is compared with the ground truth, and the server is stopped.

    Parameters
    ----------
    folder : Path
        Of a finished `bodyshop.demo.run.run_demo`.
    by_hand : callable, optional
        Waits while a person labels in the browser; without it, the script labels.
    progress : Progress
        Receives the progress.

    Returns
    -------
    list of Finding
        What was pushed and pulled, and how well the masks match the truth.

    Raises
    ------
    MissingPartError
        Label Studio can't be installed or does not start.
    """
    import labeling
    from labeling.server.client import LabelStudioClient
    from showroom import load_truth

    folder = folder.absolute()
    workspace = Workspace.open(folder / "workspace", create=False)
    truth = _masks(load_truth(folder / "showroom"), folder / "showroom")
    with labeling.serve(workspace, port=0, progress=progress) as server:
        client = LabelStudioClient(server.connection())
        try:
            common: dict[str, Any] = {"connection": client, "progress": progress}
            project = labeling.init(workspace, connection=server.connection(), progress=progress)
            push: dict[str, Any] = common | {
                "selection": labeling.Selection(split="train"),
                "predict": _proposer(truth),
                "model_version": PROPOSER,
            }
            pushed = labeling.push(workspace, **push)
            again = labeling.push(workspace, **push)
            labeling.pull(workspace, **common)
            known = _submitted(workspace)
            annotated = client.count(project.remote_id, "total_annotations", "greater", "Number", 0)
            if by_hand is None:
                _accept(client, project.remote_id, truth, known, progress)
            else:
                by_hand(server, project.url)
            labeling.pull(workspace, **common)
        finally:
            client.close()
    there = f"{pushed.pushed + pushed.already} of {pushed.selected}"
    drawn = _submitted(workspace)
    return [
        Finding(
            STAGE, "train pictures sent to annotators", there, "all",
            pushed.pushed + pushed.already == pushed.selected,
        ),
        Finding(STAGE, "tasks that a second push adds", f"{again.pushed}", "0", not again.pushed),
        Finding(
            STAGE, "proposals counted as annotations", f"{len(known) - annotated}", "0",
            len(known) == annotated,
        ),
        _compare(workspace, drawn, truth, exact=by_hand is None),
    ]  # fmt: skip


def _masks(truth: Truth, showroom: Path) -> dict[str, dict[str, Path]]:
    """Return sha256 -> damage class -> mask file; nothing for what is whole."""
    return {
        picture.sha256: {label: showroom / file for label, file in picture.masks.items()}
        for picture in truth.pictures
    }


def _proposer(
    truth: Mapping[str, Mapping[str, Path]],
) -> Callable[[Sequence[CatalogPicture]], Iterator[PreAnnotation]]:
    def propose(pictures: Sequence[CatalogPicture]) -> Iterator[PreAnnotation]:
        from labeling import PreAnnotation
        from labeling.formats.mask_file import read_mask

        for picture in pictures:
            files = truth.get(picture.sha256)
            if files is not None:
                masks = {label: read_mask(file) for label, file in files.items()}
                state = "damaged" if masks else "whole"
                yield PreAnnotation(picture.sha256, masks, {"state": state}, 1.0)

    return propose


def _accept(
    client: LabelStudioClient,
    project: int,
    truth: Mapping[str, Mapping[str, Path]],
    done: set[str],
    progress: Progress,
) -> None:
    """Submit proposals of damaged pictures unchanged, until `ACCEPTED` pictures are annotated."""
    wanted = ACCEPTED - len(done)
    with progress.task("accept proposals", total=max(wanted, 0)) as tick:
        for page in client.scan(project, ("id", "data")):
            for task in page:
                sha256 = task["data"]["ext_id"]
                if wanted <= 0:
                    return
                if sha256 in done or not truth.get(sha256):
                    continue
                proposal = client.task(task["id"])["predictions"][0]
                client.submit(
                    task["id"],
                    {"result": proposal["result"], "parent_prediction": proposal["id"]},
                )
                wanted -= 1
                tick()


def _submitted(workspace: Workspace) -> set[str]:
    """Return the pictures that somebody annotated in the labelling project."""
    table = schema.annotations
    query = select(table.c.sha256).where(
        table.c.project == "damage", table.c.kind == "choices", table.c.state == "current"
    )
    with workspace.catalog.read() as connection:
        return set(connection.scalars(query))


def _compare(
    workspace: Workspace,
    drawn: set[str],
    truth: Mapping[str, Mapping[str, Path]],
    *,
    exact: bool,
) -> Finding:
    """Compare the masks from the server with those that the showroom rendered."""
    from labeling.consensus.agreement import iou
    from labeling.formats.mask_file import read_mask

    if not drawn:
        raise NothingFoundError(
            "nothing was submitted, so there is nothing to compare with the ground truth",
            hint="run bodyshop demo --labels again: it continues with the same project",
        )
    table = schema.annotations
    query = select(table.c.sha256, table.c.label, table.c.file).where(
        table.c.project == "damage", table.c.kind == "mask", table.c.state == "current"
    )
    files: dict[str, dict[str, str]] = {sha256: {} for sha256 in drawn}
    with workspace.catalog.read() as connection:
        for sha256, label, file in connection.execute(query):
            files[sha256][label] = file
    values = []
    for sha256, mine in files.items():
        painted = truth.get(sha256, {})
        for label in mine.keys() | painted.keys():
            first = read_mask(workspace.derived.ref(mine[label])) if label in mine else None
            second = read_mask(painted[label]) if label in painted else None
            values.append(iou(first, second))
    equal = sum(value == 1.0 for value in values)
    mean = float(np.mean(values)) if values else 0.0
    return Finding(
        STAGE,
        f"masks of {len(drawn)} annotated pictures equal to the truth",
        f"{equal} of {len(values)}, mean IoU {mean:.4f}",
        "all" if exact else "(drawn by hand)",
        not exact or (bool(values) and equal == len(values)),
    )
