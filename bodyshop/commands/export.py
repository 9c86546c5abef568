"""`bodyshop export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bodyshop.commands.options import CostOption, SplitSetOption, read_costs
from bodyshop.terminal import Terminal
from bodyshop_core.errors import UsageError

if TYPE_CHECKING:
    from bodyshop_core.catalog import BlobRef


class Link(StrEnum):
    """How `export` transfers pictures."""

    COPY = "copy"
    HARDLINK = "hardlink"
    SYMLINK = "symlink"


MODEL_FORMATS = ("keras", "savedmodel", "tflite", "tflite-int8", "onnx")
CRAWL_FORMATS = ("sightings", "refusals")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export_pictures)


def export_pictures(
    context: typer.Context,
    format: Annotated[
        str,
        typer.Argument(
            help="Of the pictures: manifest, imagefolder, coco, yolo, hf, croissant, webdataset; "
            "of a model: keras, savedmodel, tflite, tflite-int8, onnx; "
            "of the crawl: sightings, refusals."
        ),
    ],
    destination: Annotated[
        Path,
        typer.Argument(
            help="A folder; or a file: .csv or .parquet (manifest), .jsonl or .parquet (crawl)."
        ),
    ],
    split_set: SplitSetOption = None,
    snapshot: Annotated[
        str | None,
        typer.Option(metavar="NAME|ID", help="Export the set as it was; by default as it is now."),
    ] = None,
    keep_metadata: Annotated[
        bool, typer.Option("--keep-metadata", help="Keep EXIF and GPS in the pictures.")
    ] = False,
    link: Annotated[
        Link, typer.Option(help="How to transfer pictures that need no change.")
    ] = Link.COPY,
    origin: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only pictures of this host or import; repeatable."),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="CODE,CODE",
            help="Only pictures under these licences, with attribution: cc0,pdm,by,by-sa, …",
        ),
    ] = None,
    hide: Annotated[
        str | None,
        typer.Option(
            metavar="plates,faces", help="Make these unreadable where found; no guarantee."
        ),
    ] = None,
    shard_mb: Annotated[
        int, typer.Option(min=1, help="Largest shard of a webdataset, in MB.")
    ] = 256,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="ID|FOLDER", help="Run of the model; by default the newest finished one."
        ),
    ] = None,
    cost: CostOption = None,
) -> None:
    """Write the curated set, or a model, for other tools.

    EXIF and GPS are removed unless --keep-metadata is given.
    """
    from bodyshop.export import export, read_kinds, read_licences
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    if format in MODEL_FORMATS:
        _export_model(terminal, format, destination, run, cost)
        return
    if cost:
        raise UsageError("--cost is for models", hint=f"formats: {', '.join(MODEL_FORMATS)}")
    workspace = Workspace.open(terminal.workspace, create=False)
    if format in CRAWL_FORMATS:
        import collector

        write = {"sightings": collector.write_sightings, "refusals": collector.write_refusals}
        rows = write[format](workspace, destination)
        terminal.summary(
            {"format": format, "destination": str(destination), "rows": rows}, title="Exported"
        )
        return
    summary = export(
        workspace,
        format,
        destination,
        split_set=split_set,
        snapshot=snapshot,
        origins=origin or (),
        licences=read_licences(licence),
        hide=read_kinds(hide),
        keep_metadata=keep_metadata,
        link=link.value,
        shard_mb=shard_mb,
        progress=terminal.progress,
    )
    notes = []
    if summary.blurred:
        notes = ["! Plates and faces that nobody drew and nothing found are still there: look."]
    if proposed := sum(summary.unconfirmed.values()):
        notes.append(
            f"{proposed} hidden regions are proposals that nobody looked at, most of them wrong: "
            "bodyshop desk, Plates and faces."
        )
    terminal.summary(summary.as_dict(), title="Exported", notes=notes)


def _export_model(
    terminal: Terminal, format: str, destination: Path, run: str | None, cost: str | None
) -> None:
    import train
    from bodyshop.prediction import find_run
    from bodyshop_core.workspace import Workspace, is_workspace

    classifier = train.load_run(find_run(terminal.workspace, run))
    pictures: list[BlobRef] = []
    learned: list[BlobRef] = []
    if is_workspace(terminal.workspace):
        workspace = Workspace.open(terminal.workspace, create=False)
        pictures = train.known_pictures(classifier, workspace)
        learned = train.known_pictures(classifier, workspace, splits=("train",), most=200)
    summary = train.export(
        classifier,
        format,
        destination,
        pictures=pictures,
        calibration=learned,
        costs=train.Costs(**read_costs(cost)) if cost else None,
    )
    notes = []
    if not pictures:
        notes = ["Verified with noise: the pictures of the run are not in this workspace."]
    terminal.summary(summary.as_dict(), title="Exported", notes=notes)
