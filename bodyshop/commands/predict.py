"""`bodyshop predict`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bodyshop.commands.options import ObjectsOption, RunOption, object_names
from bodyshop.terminal import Terminal, json_text

if TYPE_CHECKING:
    from bodyshop.prediction.downloads import Downloads
    from bodyshop.prediction.sources import PictureFile


SHIPPED_TITLE = "the damage model that comes with bodyshop (bodyshop doctor --models)"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("predict")(predict_pictures)


def predict_pictures(
    context: typer.Context,
    pictures: Annotated[
        list[str],
        typer.Argument(help="Pictures, folders of pictures, addresses; - for a list on stdin."),
    ],
    run: RunOption = None,
    segmenter: Annotated[
        str | None,
        typer.Option(metavar="ID|FOLDER", help="Segmenter run: also write damage masks."),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option(metavar="FILE.tflite", help="COCO SSD model: classify each car it finds."),
    ] = None,
    objects: ObjectsOption = None,
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Also write pictures with the results drawn in.")
    ] = False,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for masks and annotated pictures.")
    ] = Path("predicted"),
    json_lines: Annotated[
        bool,
        typer.Option("--json-lines", help="Print one JSON object per picture as soon as known."),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Private host that addresses may name; repeatable."),
    ] = None,
) -> None:
    """Predict whether pictures show a car, and damage, and where."""
    from bodyshop.prediction import (
        batches_as_they_come,
        batches_of,
        find_run_or_shipped,
        find_segmenter,
        list_entries,
        predict_batches,
    )

    terminal: Terminal = context.obj
    folder = find_run_or_shipped(terminal.workspace, run)
    entries = list_entries(pictures)
    columns = ("picture", "is_car", "p_car", "label", "probability", "mask", "error")
    rows: list[dict[str, Any]] = []
    answered = False
    with ExitStack() as held:
        fetch = _fetcher(held, allow_host or ())
        total = None if entries is None else len(entries)
        tick = held.enter_context(terminal.progress.task("predict", total=total))
        for one in predict_batches(
            folder,
            batches_as_they_come(sys.stdin.buffer, fetch)
            if entries is None
            else batches_of(entries, fetch),
            segmenter=find_segmenter(terminal.workspace, segmenter) if segmenter else None,
            detector=detector,
            objects=object_names(objects),
            out=out,
            annotate=annotate,
            progress=terminal.progress,
        ):
            answered = answered or one.error is None
            if json_lines:
                print(json_text(one.as_dict()), flush=True)  # noqa: T201
            else:
                rows.append(one.as_dict())
            tick(1)
    if not json_lines:
        terminal.summary(
            rows,
            title=f"Predicted by {folder.name if folder else SHIPPED_TITLE}",
            columns=columns,
            rows=[[row[name] for name in columns] for row in rows],
            notes=[f"Annotated pictures: {out}"] if annotate else [],
        )
    if not answered:
        raise typer.Exit(1)


def _fetcher(held: ExitStack, allow_hosts: Sequence[str]) -> Callable[[str], PictureFile]:
    """Return a function that downloads a picture; the first address starts the downloader."""
    opened: list[Downloads] = []

    def fetch(address: str) -> PictureFile:
        from bodyshop.prediction import Downloads

        if not opened:
            opened.append(held.enter_context(Downloads(allow_hosts)))
        return opened[0].fetch(address)

    return fetch
