"""`bodyshop status`, `doctor`, `export` and `forget`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bodyshop.terminal import Terminal


class Link(StrEnum):
    """How `export` brings pictures over."""

    COPY = "copy"
    HARDLINK = "hardlink"
    SYMLINK = "symlink"


MODEL_FORMATS = ("keras", "savedmodel", "tflite")
EVIDENCE_FORMATS = ("sightings", "refusals")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("export")(export_pictures)
    app.command("status")(show_status)
    app.command("doctor")(examine)
    app.command("forget")(forget_pictures)


def export_pictures(
    context: typer.Context,
    format: Annotated[
        str,
        typer.Argument(
            help="manifest, imagefolder, coco, yolo, hf, croissant; "
            "of a model: keras, savedmodel, tflite; of the collection: sightings, refusals."
        ),
    ],
    destination: Annotated[
        Path,
        typer.Argument(
            help="Folder; or file: .csv or .parquet (manifest), .jsonl or .parquet (evidence)."
        ),
    ],
    split_set: Annotated[str | None, typer.Option(help="Split set; the newest by default.")] = None,
    keep_metadata: Annotated[
        bool, typer.Option("--keep-metadata", help="Leave EXIF and GPS in the pictures.")
    ] = False,
    link: Annotated[
        Link, typer.Option(help="How pictures that need no change get there.")
    ] = Link.COPY,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="ID|FOLDER", help="Whose model; the newest finished run's by default."
        ),
    ] = None,
) -> None:
    """Write the curated set, or a model, for other tools; EXIF and GPS are stripped by default."""
    from bodyshop.export import export
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    if format in MODEL_FORMATS:
        _export_model(terminal, format, destination, run)
        return
    workspace = Workspace.open(terminal.workspace, create=False)
    if format in EVIDENCE_FORMATS:
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
        keep_metadata=keep_metadata,
        link=link.value,
        progress=terminal.progress,
    )
    terminal.summary(summary.as_dict(), title="Exported")


def _export_model(terminal: Terminal, format: str, destination: Path, run: str | None) -> None:
    import train
    from bodyshop.prediction import find_run
    from bodyshop_core.workspace import Workspace

    classifier = train.load_run(find_run(terminal.workspace, run))
    pictures: list[Path] = []
    if (terminal.workspace / "bodyshop.sqlite").exists():
        pictures = train.known_pictures(
            classifier, Workspace.open(terminal.workspace, create=False)
        )
    summary = train.export(classifier, format, destination, pictures=pictures)
    notes = []
    if not pictures:
        notes = ["Compared on noise: the run's pictures are not in this workspace."]
    terminal.summary(summary.as_dict(), title="Exported", notes=notes)


def show_status(context: typer.Context) -> None:
    """Count what is in the workspace, per stage, per brand and model, and per reason."""
    from bodyshop.status import status
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    report = status(Workspace.open(terminal.workspace, create=False))
    if terminal.as_json:
        terminal.summary(report.as_dict())
        return
    for title, columns, rows in report.tables():
        if rows:
            terminal.summary({}, title=title, columns=columns, rows=rows)
    for warning in report.warnings:
        terminal.summary({}, notes=[f"! {warning}"])


def examine(
    context: typer.Context,
    sources: Annotated[
        Path | None,
        typer.Option(metavar="BRANDS.YAML", help="Also try its search recipes' canaries."),
    ] = None,
) -> None:
    """Say what works on this machine and how to mend the rest."""
    from bodyshop.doctor import examine as run_checks

    terminal: Terminal = context.obj
    checks = run_checks(terminal.workspace, sources=sources, progress=terminal.progress)
    terminal.summary(
        {"checks": [check.as_dict() for check in checks]},
        title="Doctor",
        columns=("", "part", "found", "to mend it"),
        rows=[(check.mark, check.part, check.found, check.fix) for check in checks],
    )
    if any(check.needed and not check.ok for check in checks):
        raise typer.Exit(5)


def forget_pictures(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="A picture's sha256, a URL, or a host.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be erased; erase nothing.")
    ] = False,
) -> None:
    """Erase pictures and everything made from them; a re-crawl does not bring them back."""
    from bodyshop.forget import forget
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    summary = forget(workspace, what, dry_run=dry_run)
    terminal.summary(summary.as_dict(), title="Would forget" if dry_run else "Forgotten")
